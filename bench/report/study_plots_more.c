/* Data of the plots that answer one question each: differences arm by arm, accuracy against labels,
 * reduction ratio, placement and latency: see study_plot_data.h. */
#include "bench/report/study_plot_data.h"
#include "bench/report/study_columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_texts(FILE *out, const char *name, char (*texts)[STUDY_TEXT_MAX], int count)
{
    const char *list[STUDY_SEEDS_MAX];
    for (int i = 0; i < count; i++)
        list[i] = texts[i];
    plots_put_array(out, name, list, count);
}

/* ---- forest ---- */

static void forest_title(const struct study_data *data, const struct comparison *c, char *text,
                         size_t size)
{
    char place[STUDY_TEXT_MAX];
    bool arm = data->arms.count > 1, attention = data->attention.count > 2 ||
                                                 data->claims.compare != AXIS_ATTENTION;
    plot_place_title(data, &c->place, place, sizeof place);
    snprintf(text, size, "%s%s%s%s%s", place, arm ? ", " : "",
             arm ? data->arms.text[c->place.arm] : "", attention ? ", " : "",
             attention ? data->attention.text[c->place.attention] : "");
}

static void put_forest_row(FILE *out, int row, const struct comparison *c)
{
    const struct paired *d = &c->outcome[OUTCOME_TEST];
    fprintf(out, "%d %d", row, c->verdict == VERDICT_BETTER || c->verdict == VERDICT_WORSE);
    plots_put(out, 100 * d->all.mean);
    plots_put(out, d->bounded ? 100 * d->low : (double)NAN);
    plots_put(out, d->bounded ? 100 * d->high : (double)NAN);
    plots_put(out, isfinite(d->could_show) ? 100 * d->could_show : (double)NAN);
    fputc('\n', out);
}

bool plot_forest(const struct plot_files *files, const struct study_data *data,
                 const struct comparisons *all, const struct latency_rows *latency)
{
    struct plot_range range = {(double)NAN, (double)NAN};
    size_t longest = 0;
    (void)latency;
    if (all->count == 0)
        return false;
    fprintf(files->labels, "forest_count = %d\narray forest[%d]\n", all->count, all->count);
    fputs("# row shown mean low high could_have_been_shown (points)\n", files->out);
    for (int i = 0; i < all->count; i++) {
        char text[2 * STUDY_TEXT_MAX];
        const struct paired *d = &all->items[i].outcome[OUTCOME_TEST];
        forest_title(data, &all->items[i], text, sizeof text);
        longest = strlen(text) > longest ? strlen(text) : longest;
        fprintf(files->labels, "forest[%d] = ", i + 1);
        plots_put_quoted(files->labels, text);
        put_forest_row(files->out, i, &all->items[i]);
        plot_extend(&range, d->bounded ? 100 * d->low : 100 * d->all.mean);
        plot_extend(&range, d->bounded ? 100 * d->high : 100 * d->all.mean);
    }
    fputs("\n\n# row difference, seed by seed\n", files->out);
    for (int i = 0; i < all->count; i++)
        for (int seed = 0; seed < all->seeds; seed++) {
            double d = 100 * all->items[i].outcome[OUTCOME_TEST].difference[seed];
            fprintf(files->out, "%d", i);
            plots_put(files->out, d);
            fputc('\n', files->out);
            plot_extend(&range, d);
        }
    char without[STUDY_TEXT_MAX + 16], with[STUDY_TEXT_MAX + 16], title[4 * STUDY_TEXT_MAX];
    study_side_titles(data, without, with);
    snprintf(title, sizeof title, "Test accuracy %s less %s", with, without);
    plot_put_range(files->labels, "forest", &range);
    fprintf(files->labels, "forest_width = %zu\nforest_title = ", longest);
    plots_put_quoted(files->labels, title);
    return true;
}

/* ---- an option as the axis of a plot ---- */

/* Cuts "KEY=VALUE", with the ':' before it, out of a specification; false when it is not there. */
static bool cut_option(const char *text, const char *key, char rest[STUDY_TEXT_MAX],
                       char value[STUDY_TEXT_MAX])
{
    char word[32];
    int length = snprintf(word, sizeof word, ":%s=", key);
    const char *at = strstr(text, word);
    snprintf(rest, STUDY_TEXT_MAX, "%s", text);
    *value = '\0';
    if (!at)
        return false;
    const char *end = at + length + strcspn(at + length, ":");
    snprintf(value, STUDY_TEXT_MAX, "%.*s", (int)(end - at) - length, at + length);
    snprintf(rest, STUDY_TEXT_MAX, "%.*s%s", (int)(at - text), text, end);
    return true;
}

/* The entries of an axis by what remains without one option. */
struct curves {
    int count; /* of distinct remainders */
    char rest[STUDY_SEEDS_MAX][STUDY_TEXT_MAX];
    int curve[STUDY_SEEDS_MAX]; /* of each entry; -1: on none */
    char value[STUDY_SEEDS_MAX][STUDY_TEXT_MAX];
};

static int find_rest(struct curves *curves, const char *rest)
{
    for (int i = 0; i < curves->count; i++)
        if (strcmp(curves->rest[i], rest) == 0)
            return i;
    snprintf(curves->rest[curves->count], STUDY_TEXT_MAX, "%s", rest);
    return curves->count++;
}

/* Entries without the option have its default, when `otherwise` gives one; entries alone on their
 * curve are on none. False when no curve has two entries. */
static bool find_curves(const struct data_axis *axis, const char *key, const char *otherwise,
                        struct curves *curves)
{
    struct curves all = {.count = 0};
    int size[STUDY_SEEDS_MAX] = {0};
    *curves = (struct curves){.count = 0};
    for (int i = 0; i < axis->count; i++) {
        char rest[STUDY_TEXT_MAX];
        all.curve[i] = -1;
        if (!cut_option(axis->text[i], key, rest, all.value[i])) {
            if (!otherwise || strcmp(axis->text[i], "none") == 0)
                continue;
            snprintf(all.value[i], STUDY_TEXT_MAX, "%s", otherwise);
        }
        all.curve[i] = find_rest(&all, rest);
        size[all.curve[i]]++;
    }
    for (int i = 0; i < axis->count; i++) {
        bool alone = all.curve[i] < 0 || size[all.curve[i]] < 2;
        curves->curve[i] = alone ? -1 : find_rest(curves, all.rest[all.curve[i]]);
        memcpy(curves->value[i], all.value[i], STUDY_TEXT_MAX);
    }
    return curves->count > 0;
}

static void put_spread(FILE *out, const struct stats_summary *s)
{
    plots_put(out, s->mean);
    plots_put(out, s->n > 1 ? s->sd : 0);
    fputc('\n', out);
}

static void extend_spread(struct plot_range *range, const struct stats_summary *s)
{
    plot_extend(range, s->mean - (s->n > 1 ? s->sd : 0));
    plot_extend(range, s->mean + (s->n > 1 ? s->sd : 0));
}

/* A value on its axis: its number, or its place among the words seen so far. */
static double place_of(const char *value, struct curves *words, bool numeric)
{
    return numeric ? strtod(value, NULL) : find_rest(words, value);
}

/* What one plot of an option is made from. */
struct option {
    const struct study_data *data;
    FILE *out;
    bool numeric;
    struct curves curves, words;
    struct plot_range y, x;
};

/* A block: the points of one curve in order of the study, or of the baseline (curve -1). gnuplot
 * finds blocks by their number, so an empty one has a line too. */
static void put_option_block(struct option *o, struct grid_place place, int curve)
{
    const struct data_axis *axis = &o->data->attention;
    int lines = 0;
    for (place.attention = 0; place.attention < axis->count; place.attention++) {
        bool plain = strcmp(axis->text[place.attention], "none") == 0;
        if (curve < 0 ? !plain : o->curves.curve[place.attention] != curve)
            continue;
        struct stats_summary s = plot_accuracy(o->data, place);
        double at = plain ? 0 : place_of(o->curves.value[place.attention], &o->words, o->numeric);
        fprintf(o->out, "%.9g", at);
        put_spread(o->out, &s);
        extend_spread(&o->y, &s);
        if (!plain)
            plot_extend(&o->x, at);
        lines++;
    }
    fputs(lines ? "\n\n" : "NaN NaN NaN\n\n\n", o->out);
}

/* Curves of attentions that differ in one option, and the baseline before them. */
static bool plot_option(const struct plot_files *files, const struct study_data *data,
                        const char *key, const char *otherwise, bool numeric)
{
    const struct plot_range nothing = {(double)NAN, (double)NAN};
    struct option o = {.data = data, .out = files->out, .numeric = numeric, .y = nothing,
                       .x = nothing};
    if (!find_curves(&data->attention, key, otherwise, &o.curves))
        return false;
    fputs("# a block for each panel, arm and curve: x mean_percent sd_percent\n", files->out);
    for (int panel = 0; panel < plot_panels(data); panel++) {
        struct grid_place place = plot_panel_place(data, panel);
        for (place.arm = 0; place.arm < data->arms.count; place.arm++)
            for (int curve = -1; curve < o.curves.count; curve++)
                put_option_block(&o, place, curve);
    }
    plot_put_range(files->labels, "option", &o.y);
    plot_put_range(files->labels, "option_x", &o.x);
    const char *rest[STUDY_SEEDS_MAX];
    for (int i = 0; i < o.curves.count; i++)
        rest[i] = o.curves.rest[i];
    plot_put_attentions(files->labels, "curves", rest, o.curves.count);
    put_texts(files->labels, "words", o.words.rest, o.words.count);
    return true;
}

bool plot_reduction(const struct plot_files *files, const struct study_data *data,
                    const struct comparisons *all, const struct latency_rows *latency)
{
    (void)all, (void)latency;
    return plot_option(files, data, "r", "16", true);
}

bool plot_placement(const struct plot_files *files, const struct study_data *data,
                    const struct comparisons *all, const struct latency_rows *latency)
{
    (void)all, (void)latency;
    return plot_option(files, data, "place", "block", false);
}

/* ---- labels ---- */

/* What the plot is made from. A panel is a network on one implementation and one of the data that
 * come with several numbers of labels. */
struct label_plot {
    const struct study_data *data;
    FILE *out;
    struct curves curves;
    struct plot_range y, x;
};

/* "labels_ticks = ...": the numbers of labels as a list of gnuplot's, each once. */
static void put_label_ticks(FILE *out, const struct label_plot *l)
{
    struct curves seen = {0};
    char text[STUDY_TEXT_MAX] = "";
    for (int i = 0; i < l->data->data.count; i++) {
        int known = seen.count;
        if (l->curves.curve[i] < 0 || find_rest(&seen, l->curves.value[i]) < known)
            continue;
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", used ? "," : "", l->curves.value[i]);
    }
    fputs("labels_ticks = ", out);
    plots_put_quoted(out, text);
}

/* A block: one arm and attention of a panel, in order of the study's numbers of labels. */
static void put_label_block(struct label_plot *l, struct grid_place place, int curve)
{
    for (place.data = 0; place.data < l->data->data.count; place.data++) {
        if (l->curves.curve[place.data] != curve)
            continue;
        struct stats_summary s = plot_accuracy(l->data, place);
        double labels = strtod(l->curves.value[place.data], NULL);
        fprintf(l->out, "%.9g", labels);
        put_spread(l->out, &s);
        extend_spread(&l->y, &s);
        plot_extend(&l->x, labels);
    }
    fputs("\n\n", l->out);
}

static void put_label_panel(struct label_plot *l, int panel, FILE *labels)
{
    const struct study_data *data = l->data;
    int curve = panel % l->curves.count, rest = panel / l->curves.count;
    struct grid_place place = {.impl = rest % data->impls.count,
                               .model = rest / data->impls.count};
    bool several = l->curves.count > 1, named = data->models.count > 1;
    char text[2 * STUDY_TEXT_MAX];
    for (place.arm = 0; place.arm < data->arms.count; place.arm++)
        for (place.attention = 0; place.attention < data->attention.count; place.attention++)
            put_label_block(l, place, curve);
    snprintf(text, sizeof text, "%s%s%s", named ? data->models.text[place.model] : "",
             named && several ? " on " : "", several ? l->curves.rest[curve] : "");
    fprintf(labels, "label_panels[%d] = ", panel + 1);
    plots_put_quoted(labels, text);
}

bool plot_labels(const struct plot_files *files, const struct study_data *data,
                 const struct comparisons *all, const struct latency_rows *latency)
{
    const struct plot_range nothing = {(double)NAN, (double)NAN};
    struct label_plot l = {.data = data, .out = files->out, .y = nothing, .x = nothing};
    (void)all, (void)latency;
    if (!find_curves(&data->data, "per-class", NULL, &l.curves))
        return false;
    int panels = data->models.count * data->impls.count * l.curves.count;
    fputs("# a block for each panel, arm and attention: labels mean_percent sd_percent\n",
          files->out);
    fprintf(files->labels, "label_panels_count = %d\narray label_panels[%d]\n", panels, panels);
    for (int panel = 0; panel < panels; panel++)
        put_label_panel(&l, panel, files->labels);
    plot_put_range(files->labels, "labels", &l.y);
    plot_put_range(files->labels, "labels_x", &l.x);
    put_label_ticks(files->labels, &l);
    return true;
}

/* ---- accuracy against latency ---- */

struct point {
    struct grid_place place;
    double ms;
    struct stats_summary accuracy;
};

/* Whether no other network of the same arm and data is as fast and better, or faster and as
 * good. */
static bool is_on_front(const struct point *points, int count, int i)
{
    for (int k = 0; k < count; k++)
        if (points[k].ms <= points[i].ms && points[k].accuracy.mean >= points[i].accuracy.mean &&
            (points[k].ms < points[i].ms || points[k].accuracy.mean > points[i].accuracy.mean))
            return false;
    return true;
}

static int compare_points(const void *a, const void *b)
{
    double x = ((const struct point *)a)->ms, y = ((const struct point *)b)->ms;
    return (x > y) - (x < y);
}

/* The networks of one arm on one of the data that were timed, fastest first. */
static int find_points(const struct study_data *data, const struct latency_rows *latency, int arm,
                       int on, struct point *points)
{
    int count = 0;
    for (int network = 0; network < data->models.count * data->impls.count; network++) {
        struct grid_place place = {.model = network / data->impls.count, .data = on, .arm = arm,
                                   .impl = network % data->impls.count};
        for (place.attention = 0; place.attention < data->attention.count; place.attention++) {
            const json_t *row = latency_row_find(latency, data, &place);
            struct stats_summary s = plot_accuracy(data, place);
            if (row && s.n > 0)
                points[count++] = (struct point){
                    place, json_number_value(json_object_get(row, "median_ms")), s};
        }
    }
    qsort(points, (size_t)count, sizeof *points, compare_points);
    return count;
}

static void put_points(FILE *out, const struct study_data *data, const struct point *points,
                       int count, struct plot_range range[2])
{
    for (int i = 0; i < count; i++) {
        const struct point *p = &points[i];
        fprintf(out, "%d %d %d", p->place.arm, p->place.attention, is_on_front(points, count, i));
        plots_put(out, p->ms);
        plots_put(out, p->accuracy.mean);
        plots_put(out, p->accuracy.n > 1 ? p->accuracy.sd : 0);
        fprintf(out, " %d\n", p->place.model * data->impls.count + p->place.impl);
        plot_extend(&range[0], p->ms);
        extend_spread(&range[1], &p->accuracy);
    }
    /* gnuplot finds blocks by their number */
    fputs(count ? "\n\n" : "-1 -1 0 NaN NaN NaN 0\n\n\n", out);
}

/* Names of the networks, the implementation with them where there are several, and of the data. */
static void put_pareto_names(FILE *labels, const struct study_data *data)
{
    int networks = data->models.count * data->impls.count;
    fprintf(labels, "networks_count = %d\narray networks[%d]\n", networks, networks);
    for (int i = 0; i < networks; i++) {
        struct grid_place place = {.model = i / data->impls.count, .data = -1,
                                   .impl = i % data->impls.count};
        char text[3 * STUDY_TEXT_MAX];
        plot_place_title(data, &place, text, sizeof text);
        fprintf(labels, "networks[%d] = ", i + 1);
        plots_put_quoted(labels, text);
    }
    fprintf(labels, "targets_count = %d\narray targets[%d]\n", data->data.count,
            data->data.count);
    for (int i = 0; i < data->data.count; i++) {
        char text[STUDY_TEXT_MAX];
        plot_target_title(data, i, text, sizeof text);
        fprintf(labels, "targets[%d] = ", i + 1);
        plots_put_quoted(labels, text);
    }
}

bool plot_pareto(const struct plot_files *files, const struct study_data *data,
                 const struct comparisons *all, const struct latency_rows *latency)
{
    struct plot_range range[2] = {{(double)NAN, (double)NAN}, {(double)NAN, (double)NAN}};
    size_t most = (size_t)(plot_panels(data) * data->attention.count) + 1;
    struct point *points = calloc(most, sizeof *points);
    int shown = 0;
    (void)all;
    if (!points)
        return false;
    fputs("# a block for each target and arm: arm attention on_front ms mean_percent sd_percent"
          " network\n", files->out);
    for (int on = 0; on < data->data.count; on++)
        for (int arm = 0; arm < data->arms.count; arm++) {
            int count = find_points(data, latency, arm, on, points);
            put_points(files->out, data, points, count, range);
            shown = count > shown ? count : shown;
        }
    free(points);
    put_pareto_names(files->labels, data);
    plot_put_range(files->labels, "pareto_x", &range[0]);
    plot_put_range(files->labels, "pareto", &range[1]);
    return shown > 1;
}
