/* The data files of a study's plots: see study_plots.h. Drawing is in study_draw.c. */
#include "bench/report/study_plots.h"
#include "bench/report/plots.h"
#include "bench/report/study_tables.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Least and most of what was written, for the axes; NaN when nothing was. */
struct range {
    double low, high;
};

struct plot {
    const struct study_data *data;
    FILE *out; /* of the file being made */
    struct range accuracy, curves, epochs, latency;
};

static void extend(struct range *range, double value)
{
    range->low = fmin(range->low, value);
    range->high = fmax(range->high, value);
}

/* A panel is a network on one target with one implementation: as many as there are of these. */
static int panel_count(const struct study_data *data)
{
    return data->models.count * data->data.count * data->impls.count;
}

static struct grid_place panel_place(const struct study_data *data, int panel)
{
    struct grid_place place = {0};
    place.data = panel % data->data.count;
    panel /= data->data.count;
    place.impl = panel % data->impls.count;
    place.model = panel / data->impls.count;
    return place;
}

/* Calls `each` for every panel, arm and attention. */
static void each_group(struct plot *plot,
                       void (*each)(struct plot *plot, int panel, struct grid_place place))
{
    const struct study_data *data = plot->data;
    for (int panel = 0; panel < panel_count(data); panel++) {
        struct grid_place place = panel_place(data, panel);
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
        extend(&plot->accuracy, test);
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
    double test[STUDY_SEEDS_MAX];
    int n = 0;
    for (place.seed = 0; place.seed < plot->data->seeds.count; place.seed++) {
        const struct train_result *result = study_data_result(plot->data, &place);
        if (result)
            test[n++] = 100 * result->test_accuracy;
    }
    struct stats_summary s = stats_summarise(test, n);
    extend(&plot->accuracy, s.mean - s.sd);
    extend(&plot->accuracy, s.mean + s.sd);
    fprintf(plot->out, "%d %d %d %d", panel, place.arm, place.attention, n);
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
    struct range band = {NAN, NAN};
    for (int i = 0; i < n; i++)
        extend(&band, x[i]);
    extend(&plot->curves, band.low);
    extend(&plot->curves, band.high);
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
    extend(&plot->epochs, epochs);
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
        extend(&plot->latency, median);
        extend(&plot->latency, number_of(row, "median_high_ms"));
        fprintf(out, "%d %d %d", model, attention, impl);
        plots_put(out, median);
        plots_put(out, number_of(row, "median_low_ms"));
        plots_put(out, number_of(row, "median_high_ms"));
        fputc('\n', out);
    }
}

/* ---- labels ---- */

static void put_attentions(FILE *out, const char *name, const char *const *texts, int count)
{
    char titles[STUDY_SEEDS_MAX][64];
    const char *list[STUDY_SEEDS_MAX];
    for (int i = 0; i < count; i++)
        list[i] = strcmp(texts[i], "none") == 0
                      ? "without attention"
                      : study_attention_title(texts[i], titles[i], sizeof titles[i]);
    plots_put_array(out, name, list, count);
}

/* The entries of an axis as a list of strings. */
static int list_axis(const struct data_axis *axis, const char *texts[STUDY_SEEDS_MAX])
{
    for (int i = 0; i < axis->count; i++)
        texts[i] = axis->text[i];
    return axis->count;
}

static void put_panels(FILE *out, const struct study_data *data)
{
    fprintf(out, "panels_count = %d\narray panels[%d]\n", panel_count(data), panel_count(data));
    for (int panel = 0; panel < panel_count(data); panel++) {
        char text[3 * STUDY_TEXT_MAX];
        struct grid_place place = panel_place(data, panel);
        study_place_title(data, &place, text, sizeof text);
        fprintf(out, "panels[%d] = ", panel + 1);
        plots_put_quoted(out, text);
    }
}

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

/* The range of an axis; 0 to 100 when nothing was there. */
static void put_range(FILE *out, const char *name, const struct range *range)
{
    bool known = isfinite(range->low) && isfinite(range->high);
    fprintf(out, "%s_low = %.9g\n%s_high = %.9g\n", name, known ? range->low : 0, name,
            known ? range->high : 100);
}

static void write_labels(struct plot *plot, const struct latency_rows *rows,
                         const struct latency_labels *labels)
{
    FILE *out = plot->out;
    const char *texts[STUDY_SEEDS_MAX];
    put_panels(out, plot->data);
    plots_put_array(out, "arms", texts, list_axis(&plot->data->arms, texts));
    put_attentions(out, "attentions", texts, list_axis(&plot->data->attention, texts));
    fprintf(out, "seeds_count = %d\n", plot->data->seeds.count);
    plots_put_array(out, "latency_models", labels->models.text, labels->models.count);
    put_attentions(out, "latency_attentions", labels->attention.text, labels->attention.count);
    plots_put_array(out, "latency_impls", labels->impls.text, labels->impls.count);
    put_latency_title(out, rows);
    put_range(out, "accuracy", &plot->accuracy);
    put_range(out, "curves", &plot->curves);
    put_range(out, "epochs", &plot->epochs);
    put_range(out, "latency", &plot->latency);
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

enum status study_plots_write(const struct study_data *data, const struct latency_rows *latency,
                              const char *folder)
{
    static const char *const names[CONTENTS] = {
        [POINTS] = "accuracy-points.dat", [MEANS] = "accuracy-means.dat", [CURVES] = "curves.dat",
        [LATENCY] = "latency.dat", [LABELS] = "labels.gp"};
    struct latency_labels labels = {0};
    const struct range nothing = {NAN, NAN};
    struct plot plot = {data, NULL, nothing, nothing, nothing, nothing};
    for (int i = 0; i < CONTENTS; i++) {
        char *text = NULL;
        size_t size = 0;
        plot.out = open_memstream(&text, &size);
        if (!plot.out)
            return fail(ERR_MEMORY, "no memory for the plots");
        write_content((enum content)i, &plot, latency, &labels);
        bool good = fclose(plot.out) == 0;
        enum status status = good ? plots_save(folder, names[i], text, size)
                                  : fail(ERR_MEMORY, "no memory for the plots");
        free(text);
        TRY(status);
    }
    return OK;
}
