/* `cbam-bench doctor`: what this machine gives each implementation, and what is wrong with the
 * set-up. */
#ifndef BENCH_VERBS_DOCTOR_H
#define BENCH_VERBS_DOCTOR_H

/* argv[0] is the verb. Exit status 0 whatever it finds: faults are listed as warnings. */
int verb_doctor(int argc, char **argv);

#endif
