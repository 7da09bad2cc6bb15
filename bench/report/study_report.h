/* The report of a study: tables as text, Markdown, CSV and JSON, and plots, from the store. */
#ifndef BENCH_REPORT_STUDY_REPORT_H
#define BENCH_REPORT_STUDY_REPORT_H

#include "bench/report/table.h"

#include <stdbool.h>

struct study_report_options {
    const char *store_path;
    const char *plots_out;    /* folder of the pictures; NULL: plots/out/STUDY */
    enum table_format format; /* of what is printed; the files are written in all formats */
    bool plots_only;          /* draw, and print no table */
    FILE *talk;               /* notes; NULL: silent */
};

/* Writes STUDY/report.md, STUDY/TABLE.csv, .json and .tex and the plots' data beside the store,
 * draws the plots, and prints to `out`: as text the tables, the comparison first, and then where
 * the files are; as Markdown the report; as LaTeX its tables; as CSV the comparison; as JSON an
 * array of all tables. What it writes and prints depends on the store alone, not on the build that
 * makes it; that cells are of another build goes to `talk`. */
enum status study_report(const char *study, const struct study_report_options *options, FILE *out);

/* The folder of a study's results, STUDY beside its store; makes it. ERR_USAGE when its path does
 * not fit, ERR_IO. */
enum status study_report_folder(const char *study, const char *store_path, char *path, size_t size);

#endif
