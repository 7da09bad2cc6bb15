/* What the self-test has done so far: a file of JSON lines, one a run, that an interrupted
 * self-test goes on from. Knows nothing of measuring. */
#ifndef BENCH_REGRESS_SELFTEST_STATE_H
#define BENCH_REGRESS_SELFTEST_STATE_H

#include "impls/base/status.h"

#include <jansson.h>
#include <stdbool.h>

struct selftest_state {
    const char *path; /* borrowed */
    json_t *done;     /* array of runs */
};

/* One cell of the grid. */
struct selftest_cell {
    bool busy;
    int planted; /* per cent */
};

/* What became of a cell. */
struct selftest_counts {
    int runs;
    int found;        /* the planted layer was flagged */
    int alone;        /* ... and no other */
    int alarms;       /* runs in which a layer was flagged that had nothing planted */
    int inconclusive; /* runs in which some layer was not decided */
};

/* Reads the file, or starts it with `header` (what all its runs have in common). ERR_USAGE when it
 * begins with another header and `restart` is not said. A last line that was cut off is dropped.
 * selftest_state_close() in every case. */
enum status selftest_state_open(struct selftest_state *state, const char *path,
                                const json_t *header, bool restart);
void selftest_state_close(struct selftest_state *state);

/* Appends a run, synced before it returns: {"busy", "planted", "run", "case", "flagged": [names],
 * "undecided": [names], ...}. Takes over the reference. */
enum status selftest_state_add(struct selftest_state *state, json_t *run);

bool selftest_state_has(const struct selftest_state *state, const struct selftest_cell *cell,
                        int run);
struct selftest_counts selftest_state_count(const struct selftest_state *state,
                                            const struct selftest_cell *cell);

#endif
