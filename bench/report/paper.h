/* `study report --style paper`: a study in the layout of the tables of Woo et al. (ECCV 2018), the
 * published numbers beside, marked as published. From the store and the network descriptions. */
#ifndef BENCH_REPORT_PAPER_H
#define BENCH_REPORT_PAPER_H

#include "bench/report/table.h"

/* Writes STUDY/paper.csv and .json beside the store and prints the table to `out`. ERR_USAGE when
 * the store has no study of that name. */
enum status paper_report(const char *study, const char *store_path, enum table_format format,
                         FILE *out);

#endif
