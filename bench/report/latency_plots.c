/* The plots of `latency`: see latency_plots.h. */
#include "bench/report/latency_plots.h"

#include "bench/report/plots.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 160, LABELS = 64, PANELS = 8 };

/* What time may grow with. */
static const struct axis {
    const char *title;
    const char *keys[2]; /* whose product it is */
} axes[] = {{"images at a time", {"batch", NULL}},
            {"pixels of an input", {"input_h", "input_w"}},
            {"width of the network", {"width", NULL}},
            {"threads", {"threads", NULL}}};

enum { AXES = sizeof axes / sizeof axes[0] };

/* Different texts in the order in which they come. */
struct labels {
    int count;
    char text[LABELS][TEXT];
};

static int label_index(struct labels *labels, const char *text)
{
    for (int i = 0; i < labels->count; i++)
        if (strcmp(labels->text[i], text) == 0)
            return i;
    if (labels->count == LABELS)
        return LABELS - 1;
    snprintf(labels->text[labels->count], TEXT, "%s", text);
    return labels->count++;
}

static void put_labels(FILE *out, const char *name, const struct labels *labels)
{
    const char *texts[LABELS];
    for (int i = 0; i < labels->count; i++)
        texts[i] = labels->text[i];
    plots_put_array(out, name, texts, labels->count);
}

static double number_of(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "?";
}

/* ---- growth ---- */

static double axis_value(const json_t *row, int axis)
{
    double value = number_of(row, axes[axis].keys[0]);
    return axes[axis].keys[1] ? value * number_of(row, axes[axis].keys[1]) : value;
}

/* A row belongs to the curve over `axis` when everything else is as in the first row. */
static bool is_on_axis(const json_t *row, const json_t *first, int axis)
{
    for (int k = 0; k < AXES; k++)
        if (k != axis && axis_value(row, k) != axis_value(first, k))
            return false;
    return true;
}

static bool axis_varies(const json_t *rows, int axis)
{
    const json_t *row, *first = json_array_get(rows, 0);
    size_t i;
    json_array_foreach(rows, i, row)
        if (is_on_axis(row, first, axis) && axis_value(row, axis) != axis_value(first, axis))
            return true;
    return false;
}

/* ", bf16"; nothing for f32, which needs no word. */
static const char *name_dtype(const json_t *row)
{
    return strcmp(text_of(row, "dtype"), "bf16") == 0 ? ", bf16" : "";
}

/* The model without its width: "resnet50:width=0.5:stem=small" as "resnet50:stem=small". */
static void name_series(const json_t *row, char text[TEXT])
{
    const char *model = text_of(row, "model"), *width = strstr(model, ":width=");
    const char *end = width ? strchr(width + 1, ':') : NULL;
    size_t before = width ? (size_t)(width - model) : strlen(model);
    snprintf(text, TEXT, "%.*s%s, %s, %s%s", (int)(before < 60 ? before : 60), model,
             end ? end : "", text_of(row, "attention"), text_of(row, "impl"), name_dtype(row));
}

static bool is_of_series(const json_t *row, const char *series)
{
    char name[TEXT];
    name_series(row, name);
    return strcmp(name, series) == 0;
}

/* A value and its interval; without an interval the value stands for both ends. */
static void put_interval(FILE *out, const json_t *row, const char *const keys[3])
{
    const double value = number_of(row, keys[0]);
    plots_put(out, value);
    for (int k = 1; k < 3; k++)
        plots_put(out, isnan(number_of(row, keys[k])) ? value : number_of(row, keys[k]));
}

static void put_growth_row(FILE *out, const json_t *row, int axis)
{
    static const char *const time[] = {"median_ms", "median_low_ms", "median_high_ms"};
    static const char *const ratio[] = {"ratio", "ratio_low", "ratio_high"};
    fprintf(out, "%.9g", axis_value(row, axis));
    put_interval(out, row, time);
    put_interval(out, row, ratio);
    fputc('\n', out);
}

/* The block of one curve, ascending: each time the row with the least value above the last. One of
 * NaN when there is nothing: gnuplot finds blocks by their number. */
static void put_curve(FILE *out, const json_t *rows, int axis, const char *series)
{
    const json_t *row, *first = json_array_get(rows, 0), *next = NULL;
    double last = -INFINITY;
    size_t i;
    do {
        next = NULL;
        json_array_foreach(rows, i, row)
            if (is_on_axis(row, first, axis) && is_of_series(row, series) &&
                axis_value(row, axis) > last &&
                (!next || axis_value(row, axis) < axis_value(next, axis)))
                next = row;
        if (next) {
            put_growth_row(out, next, axis);
            last = axis_value(next, axis);
        }
    } while (next);
    if (last == -INFINITY)
        fputs("NaN NaN NaN NaN NaN NaN NaN\n", out);
    fputs("\n\n", out);
}

/* Which series were compared with another: the others have no curve of ratios. */
static void put_compared(FILE *labels, const json_t *rows, const struct labels *series)
{
    int count = 0;
    fprintf(labels, "array growth_ratios[%d]\n", series->count > 0 ? series->count : 1);
    for (int k = 0; k < series->count; k++) {
        const json_t *row;
        bool compared = false;
        size_t i;
        json_array_foreach(rows, i, row)
            compared = compared || (is_of_series(row, series->text[k]) &&
                                    !isnan(number_of(row, "ratio")));
        if (compared)
            fprintf(labels, "growth_ratios[%d] = %d\n", ++count, k);
    }
    fprintf(labels, "growth_ratios_count = %d\n", count);
}

static void put_growth_labels(FILE *labels, const json_t *rows, const struct labels *titles,
                              const struct labels *series)
{
    const char *pass = text_of(json_array_get(rows, 0), "pass");
    put_labels(labels, "growth_axes", titles);
    put_labels(labels, "growth_series", series);
    put_compared(labels, rows, series);
    fputs("growth_title = ", labels);
    plots_put_quoted(labels, strcmp(pass, "train") == 0 ? "How the time of a training step grows"
                                                        : "How the time of inference grows");
}

/* The axes that vary get a panel each, with a block for each series; their number. */
static int write_growth(FILE *out, FILE *labels, const json_t *rows)
{
    struct labels series = {0}, titles = {0};
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        char name[TEXT];
        name_series(row, name);
        label_index(&series, name);
    }
    fputs("# value median_ms low high ratio ratio_low ratio_high\n", out);
    for (int axis = 0; axis < AXES; axis++) {
        if (!axis_varies(rows, axis))
            continue;
        label_index(&titles, axes[axis].title);
        for (int k = 0; k < series.count; k++)
            put_curve(out, rows, axis, series.text[k]);
    }
    put_growth_labels(labels, rows, &titles, &series);
    return titles.count;
}

/* ---- roofline ---- */

static void name_panel(const json_t *layer, char text[TEXT])
{
    snprintf(text, TEXT, "%.40s, %.40s, %.16s%s, batch %.0f, %.16s, %.0f threads",
             text_of(layer, "model"), text_of(layer, "attention"), text_of(layer, "impl"),
             name_dtype(layer), number_of(layer, "batch"), text_of(layer, "input"),
             number_of(layer, "threads"));
}

static void name_kind(const json_t *layer, char text[TEXT])
{
    const char *pass = text_of(layer, "pass");
    snprintf(text, TEXT, "%.60s%s%s", text_of(layer, "kind"), strcmp(pass, "fwd") == 0 ? "" : ", ",
             strcmp(pass, "fwd") == 0 ? "" : pass);
}

/* All panels and kinds there are. */
static void list_labels(const json_t *layers, struct labels *panels, struct labels *kinds)
{
    const json_t *layer;
    size_t i;
    json_array_foreach(layers, i, layer) {
        char text[TEXT];
        name_panel(layer, text);
        label_index(panels, text);
        name_kind(layer, text);
        label_index(kinds, text);
    }
}

static bool is_in_block(const json_t *layer, const char *panel, const char *kind)
{
    char text[TEXT];
    name_panel(layer, text);
    if (strcmp(text, panel) != 0)
        return false;
    name_kind(layer, text);
    return strcmp(text, kind) == 0;
}

/* The layers of one kind in one panel; their number. Those without arithmetic are under no roof. */
static int put_block(FILE *out, const json_t *layers, const char *panel, const char *kind)
{
    const json_t *layer;
    size_t i;
    int count = 0;
    json_array_foreach(layers, i, layer) {
        double flops = number_of(layer, "flops"), bytes = number_of(layer, "bytes");
        if (!is_in_block(layer, panel, kind) || !(flops > 0 && bytes > 0))
            continue;
        fprintf(out, "%.9g", flops / bytes);
        plots_put(out, number_of(layer, "gflops"));
        plots_put(out, number_of(layer, "share"));
        fputc('\n', out);
        count++;
    }
    if (count > 0)
        fputs("\n\n", out);
    return count;
}

/* Blocks in the order of panels: block_kind[i] is the kind of block i, those of panel p are
 * first_block[p] to last_block[p]. Arrays count from 1, their contents from 0. */
static void put_blocks(FILE *out, FILE *labels, const json_t *layers, const struct labels *panels,
                       const struct labels *kinds)
{
    int blocks = 0;
    fputs("# flops_per_byte gflops share_percent\n", out);
    fprintf(labels, "array first_block[%d]\narray last_block[%d]\narray block_kind[%d]\n",
            panels->count + 1, panels->count + 1, panels->count * kinds->count + 1);
    for (int p = 0; p < panels->count; p++) {
        fprintf(labels, "first_block[%d] = %d\n", p + 1, blocks);
        for (int k = 0; k < kinds->count; k++)
            if (put_block(out, layers, panels->text[p], kinds->text[k]) > 0)
                fprintf(labels, "block_kind[%d] = %d\n", ++blocks, k);
        fprintf(labels, "last_block[%d] = %d\n", p + 1, blocks - 1);
    }
}

static const char *peak_key(const json_t *layer)
{
    return *name_dtype(layer) ? "bf16_gflops" : "gflops";
}

/* The roofs of each panel: those measured with its number of threads, for its dtype. */
static void put_roofs(FILE *labels, const struct labels *panels, const json_t *layers,
                      const json_t *peaks)
{
    const json_t *layer, *peak;
    size_t i, k;
    fprintf(labels, "array roof_gflops[%d]\narray roof_memory[%d]\narray roof_cache[%d]\n",
            panels->count + 1, panels->count + 1, panels->count + 1);
    json_array_foreach(layers, i, layer) {
        char panel[TEXT];
        name_panel(layer, panel);
        for (int p = 0; p < panels->count; p++)
            if (strcmp(panels->text[p], panel) == 0)
                json_array_foreach(peaks, k, peak)
                    if (number_of(peak, "threads") == number_of(layer, "threads"))
                        fprintf(labels,
                                "roof_gflops[%d] = %.9g; roof_memory[%d] = %.9g; roof_cache[%d] = "
                                "%.9g\n", p + 1, number_of(peak, peak_key(layer)), p + 1,
                                number_of(peak, "memory_gbs"), p + 1, number_of(peak, "cache_gbs"));
    }
}

static int write_roofline(FILE *out, FILE *labels, const struct latency_plots_data *data)
{
    struct labels panels = {0}, kinds = {0};
    list_labels(data->layers, &panels, &kinds);
    int all = panels.count;
    panels.count = all < PANELS ? all : PANELS;
    put_blocks(out, labels, data->layers, &panels, &kinds);
    fprintf(labels, "roofline_all = %d\n", all);
    put_labels(labels, "roofline_panels", &panels);
    put_labels(labels, "roofline_kinds", &kinds);
    put_roofs(labels, &panels, data->layers, data->peaks);
    return panels.count;
}

/* ---- files ---- */

enum content { GROWTH, ROOFLINE, LABELS_FILE, CONTENTS };

struct stream {
    FILE *out;
    char *text;
    size_t size;
};

static enum status save_all(struct stream stream[CONTENTS], const char *folder)
{
    static const char *const names[CONTENTS] = {"growth.dat", "roofline.dat", "labels.gp"};
    enum status status = plots_make_folders(folder);
    for (int i = 0; i < CONTENTS; i++) {
        bool good = stream[i].out && fclose(stream[i].out) == 0;
        if (status == OK)
            status = good ? plots_save(folder, names[i], stream[i].text, stream[i].size)
                          : fail(ERR_MEMORY, "no memory for the plots");
        free(stream[i].text);
    }
    return status;
}

/* *scripts: which have something to draw. */
static enum status write_all(const struct latency_plots_data *data, const char *folder,
                             const char *scripts[2], int *count)
{
    struct stream stream[CONTENTS] = {{0}};
    bool good = true;
    for (int i = 0; i < CONTENTS; i++) {
        stream[i].out = open_memstream(&stream[i].text, &stream[i].size);
        good &= stream[i].out != NULL;
    }
    *count = 0;
    if (good && write_growth(stream[GROWTH].out, stream[LABELS_FILE].out, data->rows) > 0)
        scripts[(*count)++] = "growth";
    if (good && write_roofline(stream[ROOFLINE].out, stream[LABELS_FILE].out, data) > 0)
        scripts[(*count)++] = "roofline";
    return save_all(stream, folder);
}

enum status latency_plots(const struct latency_plots_data *data, const char *folder, bool *drawn,
                          char *note, size_t size)
{
    char where[1024];
    const char *scripts[2];
    int count;
    snprintf(where, sizeof where, "%s/data", folder);
    TRY(write_all(data, where, scripts, &count));
    if (count > 0)
        return plots_draw(scripts, count, where, folder, drawn, note, size);
    *drawn = false;
    snprintf(note, size, "no plots were drawn: there is one batch, input, width and number of "
             "threads alone, and no layer was timed (--per-layer)");
    return OK;
}
