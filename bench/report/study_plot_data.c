/* What the data files of all plots share: see study_plot_data.h. */
#include "bench/report/study_plot_data.h"
#include "bench/report/study_tables.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

void plot_extend(struct plot_range *range, double value)
{
    range->low = fmin(range->low, value);
    range->high = fmax(range->high, value);
}

/* A panel is a network on one target with one implementation: as many as there are of these. */
int plot_panels(const struct study_data *data)
{
    return data->models.count * data->data.count * data->impls.count;
}

struct grid_place plot_panel_place(const struct study_data *data, int panel)
{
    struct grid_place place = {0};
    place.data = panel % data->data.count;
    panel /= data->data.count;
    place.impl = panel % data->impls.count;
    place.model = panel / data->impls.count;
    return place;
}

/* Whether "a:b:c" has the part `part` of `length` characters. */
static bool has_part(const char *text, const char *part, size_t length)
{
    for (;; text++) {
        size_t here = strcspn(text, ":");
        if (here == length && strncmp(text, part, length) == 0)
            return true;
        text += here;
        if (!*text)
            return false;
    }
}

/* Appends the parts of the entry `index` that all entries of the axis have, or those that not all
 * have. */
static void put_parts(const struct data_axis *axis, int index, bool shared, char *text, size_t size)
{
    for (const char *part = axis->text[index];; part++) {
        size_t length = strcspn(part, ":"), used = strlen(text);
        bool all = true;
        for (int i = 0; i < axis->count; i++)
            all = all && has_part(axis->text[i], part, length);
        if (all == shared)
            snprintf(text + used, size - used, "%s%.*s", used ? ":" : "", (int)length, part);
        part += length;
        if (!*part)
            return;
    }
}

void plot_target_title(const struct study_data *data, int target, char *text, size_t size)
{
    *text = '\0';
    if (data->data.count > 1)
        put_parts(&data->data, target, false, text, size);
    if (!*text)
        snprintf(text, size, "%s", data->data.text[target]);
}

void plot_place_title(const struct study_data *data, const struct grid_place *place, char *text,
                      size_t size)
{
    const char *model = data->models.count > 1 ? data->models.text[place->model] : "";
    const char *impl = data->impls.count > 1 ? data->impls.text[place->impl] : "";
    char on[STUDY_TEXT_MAX] = "";
    if (data->data.count > 1 && place->data >= 0)
        put_parts(&data->data, place->data, false, on, sizeof on);
    if (!*model && !*on)
        model = data->models.text[place->model];
    snprintf(text, size, "%s%s%s%s%s%s", model, *model && *on ? " on " : "", on,
             *impl ? " (" : "", impl, *impl ? ")" : "");
}

void plot_put_setting(FILE *out, const struct study_data *data)
{
    const char *model = data->models.count == 1 ? data->models.text[0] : "";
    char on[STUDY_TEXT_MAX] = "", text[3 * STUDY_TEXT_MAX];
    if (data->data.count > 0)
        put_parts(&data->data, 0, true, on, sizeof on);
    snprintf(text, sizeof text, "%s%s%s", model, *model && *on ? " on " : "", on);
    fputs("setting = ", out);
    plots_put_quoted(out, text);
}

void plot_put_attentions(FILE *out, const char *name, const char *const *texts, int count)
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
int plot_list_axis(const struct data_axis *axis, const char *texts[STUDY_SEEDS_MAX])
{
    for (int i = 0; i < axis->count; i++)
        texts[i] = axis->text[i];
    return axis->count;
}

void plot_put_panels(FILE *out, const struct study_data *data)
{
    fprintf(out, "panels_count = %d\narray panels[%d]\n", plot_panels(data), plot_panels(data));
    for (int panel = 0; panel < plot_panels(data); panel++) {
        char text[3 * STUDY_TEXT_MAX];
        struct grid_place place = plot_panel_place(data, panel);
        plot_place_title(data, &place, text, sizeof text);
        fprintf(out, "panels[%d] = ", panel + 1);
        plots_put_quoted(out, text);
    }
}

/* The range of an axis; 0 to 100 when nothing was there. */
void plot_put_range(FILE *out, const char *name, const struct plot_range *range)
{
    bool known = isfinite(range->low) && isfinite(range->high);
    fprintf(out, "%s_low = %.9g\n%s_high = %.9g\n", name, known ? range->low : 0, name,
            known ? range->high : 100);
}

enum status plot_remove(const char *folder, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (unlink(path) != 0 && errno != ENOENT)
        return fail(ERR_IO, "%s: cannot be removed: %s", path, strerror(errno));
    return OK;
}

struct stats_summary plot_accuracy(const struct study_data *data, struct grid_place place)
{
    double test[STUDY_SEEDS_MAX];
    int n = 0;
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
        const struct train_result *result = study_data_result(data, &place);
        if (result)
            test[n++] = 100 * result->test_accuracy;
    }
    return stats_summarise(test, n);
}
