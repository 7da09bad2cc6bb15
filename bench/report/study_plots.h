/* The plots of a study: data files for the gnuplot scripts in plots/, and their rendering. */
#ifndef BENCH_REPORT_STUDY_PLOTS_H
#define BENCH_REPORT_STUDY_PLOTS_H

#include "bench/report/study_latency.h"
#include "bench/study/compare.h"
#include "bench/study/study_data.h"

#include <stdbool.h>
#include <stddef.h>

/* The plots: script plots/NAME.gp, drawn when its data file is there. */
enum { STUDY_PLOTS = 8 };
struct study_plot {
    const char *name, *data, *title;
};
extern const struct study_plot study_plot_list[STUDY_PLOTS];

/* Writes the data files and labels.gp into `folder` (which must be there), and removes those of
 * plots that have nothing to show. plots/README.md explains their columns. */
enum status study_plots_write(const struct study_data *data, const struct comparisons *all,
                              const struct latency_rows *latency, const char *folder);

/* Whether a plot has something to show. */
bool study_plot_has_data(const struct study_plot *plot, const char *folder);

/* Draws every plot that has data as PNG and SVG into `out` (made when missing). *drawn is false,
 * and `note` says why, when there is no gnuplot or no scripts: that is no failure. A script that
 * fails is one. */
enum status study_plots_draw(const char *folder, const char *out, bool *drawn, char *note,
                             size_t size);

#endif
