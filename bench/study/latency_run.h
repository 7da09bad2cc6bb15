/* The latency part of a study: the latency verb of this program, run once when everything else is
 * finished, and not again while neither what is asked for nor build nor machine has changed. */
#ifndef BENCH_STUDY_LATENCY_RUN_H
#define BENCH_STUDY_LATENCY_RUN_H

#include "bench/study/store.h"
#include "bench/study/study.h"

/* The key of what would be measured: settings, build and machine. */
enum status latency_run_key(const struct study *study, char key[CELL_KEY_SIZE]);

/* The arguments of the verb: argv is NULL-terminated and points into the struct. */
enum { LATENCY_NUMBERS = 5 };
struct latency_command {
    const char *argv[24];
    char models[STUDY_LIST_MAX * STUDY_TEXT_MAX], attention[STUDY_LIST_MAX * STUDY_TEXT_MAX],
        impls[STUDY_LIST_MAX * STUDY_TEXT_MAX];
    char numbers[LATENCY_NUMBERS][16];
};
void latency_run_command(const struct study *study, const char *store_path,
                         struct latency_command *command);

/* Whether the store has what would be measured. */
enum status latency_is_stored(struct store *store, const struct study *study, bool *stored);

/* Measures, with `program` as the program that has the verb. ERR_LIBRARY when the verb failed: what
 * it had stored by then stays. */
enum status latency_run(struct store *store, const struct study *study, const char *store_path,
                        const char *program);

#endif
