/* An outcome as a table, for people and for machines: --format text, json, csv, md. Judges
 * nothing. */
#ifndef BENCH_REGRESS_OUTCOME_TABLE_H
#define BENCH_REGRESS_OUTCOME_TABLE_H

#include "bench/regress/outcome.h"
#include "bench/report/table.h"

/* One row a case, the worst first; the verdict and what it rests on are notes and, in JSON,
 * members: "gate", "verdict", "exit", "reason", "control", "noise_floor", "seed", ... The outcome
 * must outlive the table. table_free() it. */
struct table *outcome_table(const struct regress_outcome *outcome);

/* "+12.3 %"; "" for NaN. text[16]. */
void outcome_percent(double ratio, char *text, size_t size);

/* One line: "regressed: onednn fwd ...: +12.3 %". */
void outcome_line(const struct regress_outcome *outcome, char *text, size_t size);

#endif
