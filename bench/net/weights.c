/* Weight files and parameters: see weights.h; how files spell names is in weights_names.c. */
#include "bench/net/weights.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool matches(const char *const *globs, const char *name)
{
    for (; globs && *globs; globs++)
        if (fnmatch(*globs, name, 0) == 0)
            return true;
    return false;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool same_shape(const struct net_param *param, const struct safetensors_tensor *tensor)
{
    if (tensor->ndim != param->ndim)
        return false;
    for (int i = 0; i < param->ndim; i++)
        if (tensor->dim[i] != param->dim[i])
            return false;
    return true;
}

static void param_shape(const struct net_param *param, char *text, size_t size)
{
    text[0] = '\0';
    for (int i = 0; i < param->ndim; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%d", i ? ", " : "", param->dim[i]);
    }
}

static void note(char *example, int count, const char *name)
{
    if (count == 1)
        snprintf(example, 160, "%.159s", name);
}

/* Compares the network's names with the file's. Counts what the rules do not allow in `refused`. */
static int compare_params(const struct params *params, const struct safetensors *file,
                          const struct weights_rules *rules, struct weights_report *report)
{
    int refused = 0;
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        const struct safetensors_tensor *tensor = weights_find(file, &report->names, param);
        if (rules->new_head && param->part == PART_HEAD)
            continue;
        if (!tensor) {
            note(report->example[0], ++report->missing, param->name);
            refused += !matches(rules->allow_missing, param->name);
        } else if (!same_shape(param, tensor)) {
            char ours[64], theirs[64], text[256];
            param_shape(param, ours, sizeof ours);
            safetensors_shape_text(tensor, theirs, sizeof theirs);
            snprintf(text, sizeof text, "%s: %s in the file, [%s] in the network", param->name,
                     theirs, ours);
            note(report->example[2], ++report->mismatched, text);
            refused++;
        } else {
            report->loaded++;
        }
    }
    return refused;
}

/* The file's names that no name of the network leads to. ERR_MEMORY. */
static enum status compare_file(const struct params *params, const struct safetensors *file,
                                const struct weights_rules *rules, struct weights_report *report,
                                int *refused)
{
    bool *used = calloc(file->count + 1, sizeof *used);
    size_t prefix = strlen(report->names.prefix);
    if (!used)
        return fail(ERR_MEMORY, "%s: out of memory for its names", file->path);
    for (int i = 0; i < params->count; i++) {
        const struct safetensors_tensor *tensor =
            weights_find(file, &report->names, params->list[i]);
        if (tensor)
            used[tensor - file->tensors] = true;
    }
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name;
        bool wrapped = strncmp(name, report->names.prefix, prefix) == 0;
        if (used[i] || ends_with(name, "num_batches_tracked"))
            continue;
        note(report->example[1], ++report->unexpected, name);
        *refused += !matches(rules->allow_unexpected, name) &&
                    !(wrapped && matches(rules->allow_unexpected, name + prefix));
    }
    free(used);
    return OK;
}

void weights_report_print(const struct weights_report *r, char *text, size_t size)
{
    const char *const words[] = {"missing", "unexpected", "mismatched"};
    const int counts[] = {r->missing, r->unexpected, r->mismatched};
    snprintf(text, size, "loaded %d", r->loaded);
    for (int i = 0; i < 3; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, ", %s %d", words[i], counts[i]);
        used = strlen(text);
        if (counts[i])
            snprintf(text + used, size - used, " (%s%s)", r->example[i],
                     counts[i] > 1 ? ", ..." : "");
    }
}

static enum status copy_values(struct params *params, const struct safetensors *file,
                               const struct weights_rules *rules,
                               const struct weights_names *names)
{
    for (int i = 0; i < params->count; i++) {
        struct net_param *param = params->list[i];
        const struct safetensors_tensor *tensor = weights_find(file, names, param);
        if (!tensor || (rules->new_head && param->part == PART_HEAD)) {
            if (rules->draw)
                params_init_one(param, rules->seed);
            continue;
        }
        TRY(safetensors_copy_f32(file, tensor, param->p.data, param->p.count));
        safetensors_done(file, tensor);
        param->p.version++;
        for (size_t k = 0; k < param->p.count; k++)
            if (!isfinite(param->p.data[k]))
                return fail(ERR_NUMERIC, "%s: tensor %s holds a NaN or an infinity", file->path,
                            param->name);
    }
    return OK;
}

enum status weights_load(struct params *params, const struct safetensors *file,
                         const struct weights_rules *rules, struct weights_report *report)
{
    memset(report, 0, sizeof *report);
    TRY(weights_names_find(params, file, &report->names));
    int refused = compare_params(params, file, rules, report);
    TRY(compare_file(params, file, rules, report, &refused));
    if (refused) {
        char text[640];
        weights_report_print(report, text, sizeof text);
        return fail(ERR_FORMAT, "%s does not fit this network: %s; is it another --model or "
                    "--attention? (else see --allow-missing, --allow-unexpected)", file->path,
                    text);
    }
    return copy_values(params, file, rules, &report->names);
}

enum status weights_save(const char *path, const struct params *params,
                         const struct safetensors_pair *metadata, size_t metadata_count)
{
    struct safetensors_tensor *tensors = calloc((size_t)params->count + 1, sizeof *tensors);
    if (!tensors)
        return fail(ERR_MEMORY, "%s: out of memory for its tensor list", path);
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        CHECK(!param->dropped);
        tensors[i] = (struct safetensors_tensor){.name = param->name, .ndim = param->ndim,
                                                 .data = param->p.data};
        for (int d = 0; d < param->ndim; d++)
            tensors[i].dim[d] = param->dim[d];
    }
    enum status status =
        safetensors_write(path, tensors, (size_t)params->count, metadata, metadata_count);
    free(tensors);
    return status;
}
