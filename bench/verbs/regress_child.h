/* The part of `regress` that fresh processes run; private to bench/verbs/regress*.c. */
#ifndef BENCH_VERBS_REGRESS_CHILD_H
#define BENCH_VERBS_REGRESS_CHILD_H

/* argv[1] is the question. Returns the exit status. */
int regress_child(int argc, char **argv);

#endif
