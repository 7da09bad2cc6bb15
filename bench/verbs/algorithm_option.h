/* `--algorithm` of verbs that time: which algorithm convolutions run. Verbs that start this program
 * anew need their decisions in a file, also where the user wants none. */
#ifndef BENCH_VERBS_ALGORITHM_OPTION_H
#define BENCH_VERBS_ALGORITHM_OPTION_H

#include "bench/net/algorithms.h"

#define ALGORITHM_VALUES "direct|winograd|auto[:FILE]"
#define ALGORITHM_HELP \
    "of convolutions (direct). winograd: for all 3x3 windows of stride 1; auto: the fastest of " \
    "those within 2e-5 of direct, decided by timing; with FILE (JSON), what stands there is " \
    "used, and what is lacking decided and added"

struct algorithm_option {
    struct algorithms algorithms;
    char text[256]; /* as it is to be given to another process */
    char file[64];  /* temporary, deleted when closed; "": none */
};

/* algorithm_option_close() in every case. ERR_USAGE, ERR_IO, ERR_FORMAT. */
enum status algorithm_option_open(struct algorithm_option *option, const char *text);
void algorithm_option_close(struct algorithm_option *option);

#endif
