/* What all plots share: data files and labels for the gnuplot scripts in plots/, and running these.
 * Knows nothing of what is shown. */
#ifndef BENCH_REPORT_PLOTS_H
#define BENCH_REPORT_PLOTS_H

#include "impls/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* A number for gnuplot, after a space; NaN where there is none. */
void plots_put(FILE *out, double value);

/* A gnuplot string and the end of the line. In single quotes nothing is special but the quote
 * itself; in double quotes a back-quote would run a command. */
void plots_put_quoted(FILE *out, const char *text);

/* NAME_count and an array NAME of strings; at least one entry, because arrays cannot be empty. */
void plots_put_array(FILE *out, const char *name, const char *const *texts, int count);

/* Writes what came together in memory as folder/name, whole or not at all. */
enum status plots_save(const char *folder, const char *name, const char *text, size_t size);

/* Makes a folder and those above it. */
enum status plots_make_folders(const char *path);

/* Draws plots/NAME.gp for every name as PNG and SVG from the data in `folder` into `out` (made when
 * missing). *drawn is false, and `note` says why, when there is no gnuplot or no scripts: that is
 * no failure. A script that fails is one. */
enum status plots_draw(const char *const *names, int count, const char *folder, const char *out,
                       bool *drawn, char *note, size_t size);

#endif
