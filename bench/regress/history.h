/* The history of a case: one CSV file a case and gate, a line a run, for tools that look for change
 * points (Hunter, Apache Otava). One file a case, because those tools take no empty cell: a case
 * may come or go without a hole in the others. */
#ifndef BENCH_REGRESS_HISTORY_H
#define BENCH_REGRESS_HISTORY_H

#include "bench/regress/outcome.h"

/* Appends head's value of every row that has one to FOLDER/GATE-CASE.csv (made with its header
 * when it is not there): time, commit, cpu, state, the value, and of pairs the ratio to base. Then
 * rewrites FOLDER/otava.yaml, the configuration that names all CSV files of the folder. ERR_IO. */
enum status history_append(const char *folder, const struct regress_outcome *outcome);

#endif
