/* The data files of a study's plots: see study_plots.h. Drawing is in study_draw.c. */
#include "bench/report/study_plots.h"
#include "bench/report/study_plot_data.h"
#include "bench/report/study_tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In the order of the report. Those from FIRST_OWN on have labels of their own. */
enum { FIRST_OWN = 3 };
const struct study_plot study_plot_list[STUDY_PLOTS] = {
    {"accuracy", "accuracy-points.dat", "Test accuracy after transfer"},
    {"curves", "curves.dat", "Learning curves"},
    {"latency", "latency.dat", "Latency by implementation"},
    {"forest", "forest.dat", "Differences, with their intervals"},
    {"labels", "labels.dat", "Accuracy against labels per class"},
    {"reduction", "reduction.dat", "Accuracy against the reduction ratio"},
    {"placement", "placement.dat", "Accuracy against the placement"},
    {"pareto", "pareto.dat", "Accuracy against latency"},
};

struct plot {
    const struct study_data *data;
    FILE *out; /* of the file being made */
    struct plot_range accuracy, curves, epochs, latency;
};

/* Calls `each` for every panel, arm and attention. */
static void each_group(struct plot *plot,
                       void (*each)(struct plot *plot, int panel, struct grid_place place))
{
    const struct study_data *data = plot->data;
    for (int panel = 0; panel < plot_panels(data); panel++) {
        struct grid_place place = plot_panel_place(data, panel);
        for (place.arm = 0; place.arm < data->arms.count; place.arm++)
            for (place.attention = 0; place.attention < data->attention.count; place.attention++)
                each(plot, panel, place);
    }
}

/* ---- accuracy ---- */

static void put_points(struct plot *plot, int panel, struct grid_place place)
{
    for (place.seed = 0; place.seed < plot->data->seeds.count; place.seed++) {
        const struct train_result *result = study_data_result(plot->data, &place);
        double test = result ? 100 * result->test_accuracy : NAN;
        plot_extend(&plot->accuracy, test);
        fprintf(plot->out, "%d %d %d %d", panel, place.arm, place.attention, place.seed);
        plots_put(plot->out, test);
        plots_put(plot->out, result ? 100 * result->train_accuracy : NAN);
        fputc('\n', plot->out);
    }
}

static void write_points(struct plot *plot)
{
    fputs("# panel arm attention seed test_percent train_percent\n", plot->out);
    each_group(plot, put_points);
}

static void put_mean(struct plot *plot, int panel, struct grid_place place)
{
    struct stats_summary s = plot_accuracy(plot->data, place);
    plot_extend(&plot->accuracy, s.mean - s.sd);
    plot_extend(&plot->accuracy, s.mean + s.sd);
    fprintf(plot->out, "%d %d %d %d", panel, place.arm, place.attention, s.n);
    plots_put(plot->out, s.mean);
    plots_put(plot->out, s.sd);
    fputc('\n', plot->out);
}

static void write_means(struct plot *plot)
{
    fputs("# panel arm attention runs mean_percent sd_percent\n", plot->out);
    each_group(plot, put_mean);
}

/* ---- learning curves ---- */

/* Mean, least and most of one number over the seeds at one epoch. */
static void put_band(struct plot *plot, const double *x, int n)
{
    struct plot_range band = {NAN, NAN};
    for (int i = 0; i < n; i++)
        plot_extend(&band, x[i]);
    plot_extend(&plot->curves, band.low);
    plot_extend(&plot->curves, band.high);
    plots_put(plot->out, stats_summarise(x, n).mean);
    plots_put(plot->out, band.low);
    plots_put(plot->out, band.high);
}

static int longest_curve(const struct study_data *data, struct grid_place place)
{
    int epochs = 0;
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
        const struct train_result *result = study_data_result(data, &place);
        epochs = result && result->epochs > epochs ? result->epochs : epochs;
    }
    return epochs;
}

static void put_epoch(struct plot *plot, struct grid_place place, int epoch)
{
    double train[STUDY_SEEDS_MAX], validation[STUDY_SEEDS_MAX];
    int trains = 0, validations = 0;
    for (place.seed = 0; place.seed < plot->data->seeds.count; place.seed++) {
        const struct train_result *result = study_data_result(plot->data, &place);
        if (!result || epoch >= result->epochs)
            continue;
        const struct train_epoch *e = &result->curve[epoch];
        if (isfinite(e->train_accuracy))
            train[trains++] = 100 * e->train_accuracy;
        if (isfinite(e->val_accuracy))
            validation[validations++] = 100 * e->val_accuracy;
    }
    fprintf(plot->out, "%d", epoch + 1);
    put_band(plot, train, trains);
    put_band(plot, validation, validations);
    fputc('\n', plot->out);
}

/* One block, also when nothing is there: gnuplot finds blocks by their number. */
static void put_curve(struct plot *plot, int panel, struct grid_place place)
{
    int epochs = longest_curve(plot->data, place);
    plot_extend(&plot->epochs, epochs);
    fprintf(plot->out, "# panel %d, %s, %s\n", panel, plot->data->arms.text[place.arm],
            plot->data->attention.text[place.attention]);
    for (int epoch = 0; epoch < epochs; epoch++)
        put_epoch(plot, place, epoch);
    if (epochs == 0)
        fputs("0 NaN NaN NaN NaN NaN NaN\n", plot->out);
    fputs("\n\n", plot->out);
}

static void write_curves(struct plot *plot)
{
    fputs("# epoch train_mean train_least train_most validation_mean ..least ..most (percent)\n",
          plot->out);
    each_group(plot, put_curve);
}

/* ---- latency ---- */

struct labels {
    int count;
    const char *text[STUDY_SEEDS_MAX]; /* borrowed from the rows */
};

static int label_index(struct labels *labels, const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    text = text ? text : "?";
    for (int i = 0; i < labels->count; i++)
        if (strcmp(labels->text[i], text) == 0)
            return i;
    if (labels->count == STUDY_SEEDS_MAX)
        return STUDY_SEEDS_MAX - 1;
    labels->text[labels->count] = text;
    return labels->count++;
}

static double number_of(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

struct latency_labels {
    struct labels models, attention, impls;
};

static void write_latency(struct plot *plot, const struct latency_rows *rows,
                          struct latency_labels *labels)
{
    FILE *out = plot->out;
    fputs("# model attention impl median_ms low_ms high_ms\n", out);
    for (int i = 0; i < rows->count; i++) {
        const json_t *row = rows->items[i];
        int model = label_index(&labels->models, row, "model");
        int attention = label_index(&labels->attention, row, "attention");
        int impl = label_index(&labels->impls, row, "impl");
        double median = number_of(row, "median_ms");
        plot_extend(&plot->latency, median);
        plot_extend(&plot->latency, number_of(row, "median_high_ms"));
        fprintf(out, "%d %d %d", model, attention, impl);
        plots_put(out, median);
        plots_put(out, number_of(row, "median_low_ms"));
        plots_put(out, number_of(row, "median_high_ms"));
        fputc('\n', out);
    }
}

/* ---- labels ---- */

static void put_latency_title(FILE *out, const struct latency_rows *rows)
{
    const json_t *row = rows->count ? rows->items[0] : NULL;
    const char *pass = json_string_value(json_object_get(row, "pass"));
    char text[256];
    snprintf(text, sizeof text, "Latency of %s, batch %.0f, %.0f x %.0f pixels, %.0f threads",
             pass ? pass : "inference", number_of(row, "batch"), number_of(row, "input_h"),
             number_of(row, "input_w"), number_of(row, "threads"));
    fputs("latency_title = ", out);
    plots_put_quoted(out, text);
}

static void write_labels(struct plot *plot, const struct latency_rows *rows,
                         const struct latency_labels *labels)
{
    FILE *out = plot->out;
    const char *texts[STUDY_SEEDS_MAX];
    plot_put_setting(out, plot->data);
    plot_put_panels(out, plot->data);
    plots_put_array(out, "arms", texts, plot_list_axis(&plot->data->arms, texts));
    plot_put_attentions(out, "attentions", texts, plot_list_axis(&plot->data->attention, texts));
    fprintf(out, "seeds_count = %d\n", plot->data->seeds.count);
    plots_put_array(out, "latency_models", labels->models.text, labels->models.count);
    plot_put_attentions(out, "latency_attentions", labels->attention.text, labels->attention.count);
    plots_put_array(out, "latency_impls", labels->impls.text, labels->impls.count);
    put_latency_title(out, rows);
    plot_put_range(out, "accuracy", &plot->accuracy);
    plot_put_range(out, "curves", &plot->curves);
    plot_put_range(out, "epochs", &plot->epochs);
    plot_put_range(out, "latency", &plot->latency);
}

/* ---- files ---- */

/* In the order of writing: labels need what the others collect. */
enum content { POINTS, MEANS, CURVES, LATENCY, LABELS, CONTENTS };

static void write_content(enum content which, struct plot *plot, const struct latency_rows *latency,
                          struct latency_labels *labels)
{
    if (which == POINTS)
        write_points(plot);
    else if (which == MEANS)
        write_means(plot);
    else if (which == CURVES)
        write_curves(plot);
    else if (which == LATENCY)
        write_latency(plot, latency, labels);
    else
        write_labels(plot, latency, labels);
}

/* A plot whose data and labels stand in files of their own. */
static enum status write_own(const struct study_plot *plot, const struct study_data *data,
                             const struct comparisons *all, const struct latency_rows *latency,
                             const char *folder)
{
    static bool (*const writers[])(const struct plot_files *, const struct study_data *,
                                   const struct comparisons *, const struct latency_rows *) = {
        plot_forest, plot_labels, plot_reduction, plot_placement, plot_pareto};
    char *text[2] = {NULL, NULL}, name[64];
    size_t size[2];
    struct plot_files files = {open_memstream(&text[0], &size[0]),
                               open_memstream(&text[1], &size[1])};
    bool shown = files.out && files.labels &&
                 writers[plot - study_plot_list - FIRST_OWN](&files, data, all, latency);
    bool good = files.out && files.labels;
    good = (!files.out || fclose(files.out) == 0) && good;
    good = (!files.labels || fclose(files.labels) == 0) && good;
    enum status status = good ? OK : fail(ERR_MEMORY, "no memory for the plots");
    snprintf(name, sizeof name, "%s-labels.gp", plot->name);
    if (status == OK)
        status = shown ? plots_save(folder, plot->data, text[0], size[0])
                       : plot_remove(folder, plot->data);
    if (status == OK)
        status = shown ? plots_save(folder, name, text[1], size[1]) : plot_remove(folder, name);
    free(text[0]);
    free(text[1]);
    return status;
}

enum status study_plots_write(const struct study_data *data, const struct comparisons *all,
                              const struct latency_rows *latency, const char *folder)
{
    static const char *const names[CONTENTS] = {
        [POINTS] = "accuracy-points.dat", [MEANS] = "accuracy-means.dat", [CURVES] = "curves.dat",
        [LATENCY] = "latency.dat", [LABELS] = "labels.gp"};
    struct latency_labels labels = {0};
    const struct plot_range nothing = {(double)NAN, (double)NAN};
    struct plot plot = {data, NULL, nothing, nothing, nothing, nothing};
    for (int i = 0; i < CONTENTS; i++) {
        char *text = NULL;
        size_t size = 0;
        plot.out = open_memstream(&text, &size);
        if (!plot.out)
            return fail(ERR_MEMORY, "no memory for the plots");
        write_content((enum content)i, &plot, latency, &labels);
        bool good = fclose(plot.out) == 0;
        bool empty = i == LATENCY && latency->count == 0;
        enum status status = !good ? fail(ERR_MEMORY, "no memory for the plots")
                             : empty ? plot_remove(folder, names[i])
                                     : plots_save(folder, names[i], text, size);
        free(text);
        TRY(status);
    }
    for (int i = FIRST_OWN; i < STUDY_PLOTS; i++)
        TRY(write_own(&study_plot_list[i], data, all, latency, folder));
    return OK;
}
