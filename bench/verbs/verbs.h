/* The verbs of the program: each takes its own arguments (argv[0] is ignored) and returns the exit
 * status: 0 only when everything asked for was done. */
#ifndef BENCH_VERBS_VERBS_H
#define BENCH_VERBS_VERBS_H

int verb_doctor(int argc, char **argv);
int verb_describe(int argc, char **argv);
int verb_inspect(int argc, char **argv);
int verb_predict(int argc, char **argv);
int verb_eval(int argc, char **argv);
int verb_train(int argc, char **argv);
int verb_layers(int argc, char **argv);
int verb_latency(int argc, char **argv);
int verb_study(int argc, char **argv);
int verb_regress(int argc, char **argv);

#endif
