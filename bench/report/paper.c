/* The paper's layout: see paper.h. */
#include "bench/report/paper.h"
#include "bench/report/paper_values.h"
#include "bench/report/study_report.h"
#include "bench/study/stats.h"
#include "bench/study/study_data.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
    {.name = "model"},
    {.name = "data"},
    {.name = "arm"},
    {.name = "attention"},
    {.name = "description", .title = "in the paper"},
    {.name = "params", .title = "parameters", .unit = "M", .decimals = 3},
    {.name = "gmacs", .title = "MACs", .unit = "G", .decimals = 4},
    {.name = "seeds"},
    {.name = "top1", .title = "top-1 error", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "top5", .title = "top-5 error", .unit = "%", .audience = TABLE_PEOPLE},
    {.name = "top1_error", .audience = TABLE_MACHINES},
    {.name = "top1_error_sd", .audience = TABLE_MACHINES},
    {.name = "top5_error", .audience = TABLE_MACHINES},
    {.name = "top5_error_sd", .audience = TABLE_MACHINES},
    {.name = "published_model", .title = "network of the paper"},
    {.name = "counted_params", .title = "its parameters, counted here", .unit = "M", .decimals = 2},
    {.name = "published_params", .title = "published", .unit = "M", .decimals = 2},
    {.name = "counted_gmacs", .title = "its MACs, counted here", .unit = "G", .decimals = 3},
    {.name = "published_gmacs", .title = "published", .unit = "G", .decimals = 3},
    {.name = "published_top1_error", .title = "published top-1 error", .unit = "%", .decimals = 2},
    {.name = "published_top5_error", .title = "published top-5 error", .unit = "%", .decimals = 2},
    {.name = "tables", .title = "table"},
    {.name = "command", .audience = TABLE_MACHINES},
};
enum { COLUMNS = sizeof columns / sizeof columns[0], FULL_SIZE = 224, FULL_CLASSES = 1000 };

/* Parameters and MACs of the published network, from its description here. */
static enum status put_counted(struct table *table, const struct paper_value *value)
{
    struct model_spec spec;
    struct net *net;
    TRY(model_parse(value->model, value->attention, &spec));
    spec.classes = FULL_CLASSES;
    spec.input_h = spec.input_w = FULL_SIZE;
    TRY(model_build(&spec, &net));
    table_number(table, "counted_params", params_count(net->params) / 1e6);
    table_number(table, "counted_gmacs", net_macs(net) / 1e9);
    net_free(net);
    return OK;
}

static enum status put_published(struct table *table, const struct paper_value *value)
{
    if (!value)
        return OK;
    table_text(table, "description", value->description);
    table_text(table, "published_model", value->model);
    table_text(table, "tables", value->tables);
    if (value->params_m > 0) {
        table_number(table, "published_params", value->params_m);
        table_number(table, "published_gmacs", value->gmacs);
    }
    table_number(table, "published_top1_error", value->top1_error);
    table_number(table, "published_top5_error", value->top5_error);
    return put_counted(table, value);
}

/* Mean and deviation of an error for people, and each for machines. */
static void put_error(struct table *table, const char *name, const double *accuracies, int n)
{
    double errors[STUDY_SEEDS_MAX] = {0};
    char machine[32];
    for (int i = 0; i < n; i++)
        errors[i] = 100 * (1 - accuracies[i]);
    struct stats_summary summary = stats_summarise(errors, n);
    if (n == 0)
        return;
    if (n > 1)
        table_printf(table, name, "%.2f ± %.2f", summary.mean, summary.sd);
    else
        table_printf(table, name, "%.2f", summary.mean);
    snprintf(machine, sizeof machine, "%s_error", name);
    table_number(table, machine, summary.mean);
    snprintf(machine, sizeof machine, "%s_error_sd", name);
    if (n > 1)
        table_number(table, machine, summary.sd);
}

/* The finished seeds of a place. */
static void put_results(struct table *table, const struct study_data *data, struct grid_place place)
{
    double top1[STUDY_SEEDS_MAX], top5[STUDY_SEEDS_MAX];
    int n = 0;
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
        const struct train_result *result = study_data_result(data, &place);
        if (!result)
            continue;
        if (n == 0) {
            table_number(table, "params", result->params / 1e6);
            table_number(table, "gmacs", result->macs / 1e9);
            table_text(table, "command",
                       data->rows.rows[study_data_find(data, &place)].command);
        }
        top1[n] = result->test_accuracy;
        top5[n++] = result->test_top5;
    }
    table_number(table, "seeds", n);
    put_error(table, "top1", top1, n);
    put_error(table, "top5", top5, n);
}

static bool has_ablation(const struct study_data *data)
{
    struct attention_spec spec;
    for (int i = 0; i < data->attention.count; i++)
        if (attention_parse(data->attention.text[i], &spec) == OK && paper_is_ablation(&spec))
            return true;
    return false;
}

static enum status add_row(struct table *table, const struct study_data *data,
                           const struct grid_place *place, bool ablation)
{
    struct model_spec spec;
    const char *model = data->models.text[place->model];
    const char *attention = data->attention.text[place->attention];
    TRY(model_parse(model, attention, &spec));
    table_row(table);
    table_text(table, "model", model);
    table_text(table, "data", data->data.text[place->data]);
    table_text(table, "arm", data->arms.text[place->arm]);
    table_text(table, "attention", attention);
    put_results(table, data, *place);
    return put_published(table, paper_find(&spec, ablation));
}

static void put_notes(struct table *table, bool ablation)
{
    table_note(table, "Published: Woo et al., ECCV 2018, ImageNet-1K, single crop, one run each; "
               "other data and other sizes than those of this study, so that only signs compare.");
    table_note(table, "MACs: convolutions and linear layers of one image, both passes of the MLP; "
               "strides as in the paper (v1). Mean ± sample standard deviation over the seeds.");
    if (ablation)
        table_note(table, "Ablations: the paper's are on ResNet-50. Table 1 prints other "
                   "parameters and operations than tables 2 and 4 do for the same networks: those "
                   "are shown.");
}

static enum status fill(struct table *table, const struct study_data *data)
{
    struct grid_place place = {.impl = 0};
    bool ablation = has_ablation(data);
    for (place.data = 0; place.data < data->data.count; place.data++)
        for (place.arm = 0; place.arm < data->arms.count; place.arm++)
            for (place.model = 0; place.model < data->models.count; place.model++)
                for (place.attention = 0; place.attention < data->attention.count;
                     place.attention++)
                    TRY(add_row(table, data, &place, ablation));
    if (data->data.count == 1)
        table_hide(table, "data");
    if (data->arms.count == 1)
        table_hide(table, "arm");
    put_notes(table, ablation);
    return OK;
}

/* STUDY/paper.csv, STUDY/paper.json beside the store. */
static enum status save(const struct table *table, const char *study, const char *store_path)
{
    char path[1024];
    TRY(study_report_folder(study, store_path, path, sizeof path));
    size_t used = strlen(path);
    snprintf(path + used, sizeof path - used, "/paper.csv");
    TRY(table_save(table, TABLE_CSV, path));
    snprintf(path + used, sizeof path - used, "/paper.json");
    return table_save(table, TABLE_JSON, path);
}

static enum status report(const struct study_data *data, const char *study, const char *store_path,
                          enum table_format format, FILE *out)
{
    struct table *table = table_new("paper", "In the layout of the paper", columns, COLUMNS);
    enum status status = table ? fill(table, data) : fail(ERR_MEMORY, "no memory for a report");
    if (status == OK)
        status = save(table, study, store_path);
    if (status == OK)
        status = table_write(table, format, out);
    if (status == OK && fflush(out) != 0)
        status = fail(ERR_IO, "the report cannot be printed: %s", strerror(errno));
    table_free(table);
    return status;
}

enum status paper_report(const char *study, const char *store_path, enum table_format format,
                         FILE *out)
{
    struct store *store;
    struct study_data *data = calloc(1, sizeof *data);
    if (!data)
        return fail(ERR_MEMORY, "no memory for a report");
    enum status status = store_open(&store, store_path, false);
    if (status == OK) {
        status = study_data_read(data, store, study);
        if (status == OK) {
            status = report(data, study, store_path, format, out);
            study_data_free(data);
        }
        store_close(store);
    }
    free(data);
    return status;
}
