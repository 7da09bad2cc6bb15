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
        study_place_title(data, &place, text, sizeof text);
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
