/* What the data files of all plots share: panels, numbers and names as gnuplot reads them, files.
 * Private to the files study_plot*.c. */
#ifndef BENCH_REPORT_STUDY_PLOT_DATA_H
#define BENCH_REPORT_STUDY_PLOT_DATA_H

#include "bench/report/plots.h"
#include "bench/report/study_latency.h"
#include "bench/study/compare.h"
#include "bench/study/study_data.h"

#include <stdio.h>

/* Least and most of what was written, for the axes; NaN when nothing was. */
struct plot_range {
    double low, high;
};
void plot_extend(struct plot_range *range, double value);

/* "NAME_low = ..." and "NAME_high = ..."; 0 to 100 when nothing was there. */
void plot_put_range(FILE *out, const char *name, const struct plot_range *range);

/* A panel is a network on one target with one implementation: as many as there are of these. */
int plot_panels(const struct study_data *data);
struct grid_place plot_panel_place(const struct study_data *data, int panel);

/* A place by what tells it from the others of its study: network, data and implementation, where
 * there are several, and of a data specification only the parts that not all have. place->data -1:
 * whatever the data. The network where nothing differs. */
void plot_place_title(const struct study_data *data, const struct grid_place *place, char *text,
                      size_t size);

/* What tells one of the data from the others; all of it where it is alone. */
void plot_target_title(const struct study_data *data, int target, char *text, size_t size);

/* "setting = ..." for gnuplot: what such titles leave out because all share it. */
void plot_put_setting(FILE *out, const struct study_data *data);

/* As plots_put_array(), with titles of attentions; the array of the panels' titles. */
void plot_put_attentions(FILE *out, const char *name, const char *const *texts, int count);
void plot_put_panels(FILE *out, const struct study_data *data);

/* The entries of an axis; returns their number. */
int plot_list_axis(const struct data_axis *axis, const char *texts[STUDY_SEEDS_MAX]);

/* Mean and deviation of test accuracy over the seeds at a place, in percent. */
struct stats_summary plot_accuracy(const struct study_data *data, struct grid_place place);

/* Removes the file folder/name, when there is nothing to show. */
enum status plot_remove(const char *folder, const char *name);

/* ---- plots in files of their own: study_plots_more.c ----
 * Each writes the lines of its data (`out`) and of its labels; false: nothing to show. */
struct plot_files {
    FILE *out, *labels;
};
bool plot_forest(const struct plot_files *files, const struct study_data *data,
                 const struct comparisons *all, const struct latency_rows *latency);
bool plot_labels(const struct plot_files *files, const struct study_data *data,
                 const struct comparisons *all, const struct latency_rows *latency);
bool plot_reduction(const struct plot_files *files, const struct study_data *data,
                    const struct comparisons *all, const struct latency_rows *latency);
bool plot_placement(const struct plot_files *files, const struct study_data *data,
                    const struct comparisons *all, const struct latency_rows *latency);
bool plot_pareto(const struct plot_files *files, const struct study_data *data,
                 const struct comparisons *all, const struct latency_rows *latency);

#endif
