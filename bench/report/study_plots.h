/* The plots of a study: data files for the gnuplot scripts in plots/, and their rendering. */
#ifndef BENCH_REPORT_STUDY_PLOTS_H
#define BENCH_REPORT_STUDY_PLOTS_H

#include "bench/report/study_latency.h"
#include "bench/study/compare.h"
#include "bench/study/study_data.h"

#include <stdbool.h>
#include <stddef.h>

/* Writes accuracy-points.dat, accuracy-means.dat, curves.dat, latency.dat and labels.gp into
 * `folder` (which must be there). plots/README.md explains their columns. */
enum status study_plots_write(const struct study_data *data, const struct latency_rows *latency,
                              const char *folder);

/* Draws every script of plots/ as PNG and SVG into `out` (made when missing). *drawn is false, and
 * `note` says why, when there is no gnuplot or no scripts: that is no failure. A script that fails
 * is one. */
enum status study_plots_draw(const char *folder, const char *out, bool has_latency, bool *drawn,
                             char *note, size_t size);

#endif
