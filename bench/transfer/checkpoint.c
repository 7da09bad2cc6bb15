/* Checkpoints are safetensors files: tensors under their own names, momentum under
 * "velocity/NAME", the curve as "curve" (rows of 7 doubles), settings and position as metadata. */
#include "bench/transfer/checkpoint.h"

#include "bench/net/safetensors.h"
#include "bench/transfer/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CURVE_COLUMNS = 7 };

static const char velocity_prefix[] = "velocity/";

static void pack_curve(const struct train_result *result, double *rows)
{
    for (int i = 0; i < result->epochs; i++, rows += CURVE_COLUMNS) {
        const struct train_epoch *e = &result->curve[i];
        const double values[CURVE_COLUMNS] = {e->epoch, e->lr, e->train_loss, e->train_accuracy,
                                              e->val_loss, e->val_accuracy, e->seconds};
        memcpy(rows, values, sizeof values);
    }
}

static void unpack_curve(const double *rows, int count, struct train_result *result)
{
    result->epochs = count;
    for (int i = 0; i < count; i++, rows += CURVE_COLUMNS)
        result->curve[i] = (struct train_epoch){(int)rows[0], rows[1], rows[2], rows[3],
                                                rows[4], rows[5], rows[6]};
}

/* The tensor list of a checkpoint; names of velocities live in `names`. Returns its length. */
static size_t list_tensors(const struct params *params, struct safetensors_tensor *list,
                           char (*names)[PARAM_NAME + 16], const double *curve, int epochs)
{
    size_t count = 0;
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        struct safetensors_tensor tensor = {.name = param->name, .ndim = param->ndim,
                                            .data = param->p.data};
        for (int d = 0; d < param->ndim; d++)
            tensor.dim[d] = param->dim[d];
        list[count++] = tensor;
        if (!param->velocity)
            continue;
        snprintf(names[i], sizeof names[i], "%s%s", velocity_prefix, param->name);
        tensor.name = names[i];
        tensor.data = param->velocity;
        list[count++] = tensor;
    }
    list[count++] = (struct safetensors_tensor){.name = "curve", .dtype = SAFETENSORS_F64,
                                                .ndim = 2, .dim = {epochs, CURVE_COLUMNS},
                                                .data = curve};
    return count;
}

static char *settings_text(const struct train_settings *settings)
{
    json_t *json = train_settings_json(settings);
    char *text = json ? json_dumps(json, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static enum status write_lists(const char *path, const struct params *params,
                               const struct checkpoint_state *state,
                               const struct train_result *result, const char *settings,
                               struct safetensors_tensor *list, char (*names)[PARAM_NAME + 16],
                               double *curve)
{
    char position[96];
    snprintf(position, sizeof position, "%d %d %a", state->epochs_done, state->steps_done,
             state->before_accuracy);
    pack_curve(result, curve);
    size_t count = list_tensors(params, list, names, curve, result->epochs);
    const struct safetensors_pair pairs[] = {{"kind", "cbam-bench checkpoint"},
                                             {"settings", settings},
                                             {"position", position}};
    return safetensors_write(path, list, count, pairs, 3);
}

enum status checkpoint_write(const char *path, const struct train_settings *settings,
                             const struct params *params, const struct checkpoint_state *state,
                             const struct train_result *result)
{
    size_t count = (size_t)params->count;
    struct safetensors_tensor *list = calloc(2 * count + 1, sizeof *list);
    char(*names)[PARAM_NAME + 16] = calloc(count + 1, sizeof *names);
    double *curve = calloc((size_t)result->epochs * CURVE_COLUMNS + 1, sizeof *curve);
    char *text = settings_text(settings);
    enum status status = fail(ERR_MEMORY, "%s: out of memory for a checkpoint", path);
    if (list && names && curve && text)
        status = write_lists(path, params, state, result, text, list, names, curve);
    free(list);
    free(names);
    free(curve);
    free(text);
    return status;
}

/* Names the first setting in which two texts differ, as far as JSON tells. */
static enum status other_settings(const char *path, const char *ours, const char *theirs)
{
    json_t *a = json_loads(ours, 0, NULL), *b = theirs ? json_loads(theirs, 0, NULL) : NULL;
    const char *key, *found = "?";
    json_t *value;
    json_object_foreach(a, key, value)
        if (!json_equal(value, json_object_get(b, key))) {
            found = key;
            break;
        }
    json_object_foreach(b, key, value)
        if (found[0] == '?' && !json_object_get(a, key))
            found = key; /* ours has its default, and is not written */
    enum status status = fail(ERR_FORMAT, "%s is the checkpoint of another run: '%s' differs; "
                              "give the same options, or remove the file", path, found);
    json_decref(a);
    json_decref(b);
    return status;
}

static enum status read_params(const struct safetensors *file, struct params *params)
{
    for (int i = 0; i < params->count; i++) {
        struct net_param *param = params->list[i];
        char name[PARAM_NAME + 16];
        const struct safetensors_tensor *tensor = safetensors_find(file, param->name);
        if (!tensor)
            return fail(ERR_FORMAT, "%s: tensor %s is missing", file->path, param->name);
        TRY(safetensors_copy_f32(file, tensor, param->p.data, param->p.count));
        param->p.version++;
        if (!param->velocity)
            continue;
        snprintf(name, sizeof name, "%s%s", velocity_prefix, param->name);
        tensor = safetensors_find(file, name);
        if (!tensor)
            return fail(ERR_FORMAT, "%s: tensor %s is missing", file->path, name);
        TRY(safetensors_copy_f32(file, tensor, param->velocity, param->p.count));
    }
    return OK;
}

static enum status read_position(const struct safetensors *file, struct checkpoint_state *state)
{
    const char *position = safetensors_metadata(file, "position");
    *state = (struct checkpoint_state){0};
    if (!position || sscanf(position, "%d %d %la", &state->epochs_done, &state->steps_done,
                            &state->before_accuracy) != 3)
        return fail(ERR_FORMAT, "%s: no position in it", file->path);
    return OK;
}

static enum status read_curve(const struct safetensors *file, struct train_result *result)
{
    const struct safetensors_tensor *curve = safetensors_find(file, "curve");
    if (!curve || curve->dtype != SAFETENSORS_F64 || curve->ndim != 2 ||
        curve->dim[1] != CURVE_COLUMNS || curve->dim[0] > TRAIN_CURVE_MAX)
        return fail(ERR_FORMAT, "%s: no curve in it", file->path);
    double *rows = malloc(curve->bytes + 1);
    if (!rows)
        return fail(ERR_MEMORY, "%s: out of memory", file->path);
    memcpy(rows, curve->data, curve->bytes);
    unpack_curve(rows, (int)curve->dim[0], result);
    free(rows);
    return OK;
}

/* Opens a checkpoint of a run with these settings. */
static enum status open_checkpoint(struct safetensors *file, const char *path,
                                   const struct train_settings *settings)
{
    TRY(safetensors_open(file, path));
    const char *theirs = safetensors_metadata(file, "settings");
    char *ours = settings_text(settings);
    enum status status = ours ? OK : fail(ERR_MEMORY, "%s: out of memory", path);
    if (status == OK && (!theirs || strcmp(ours, theirs) != 0))
        status = other_settings(path, ours, theirs);
    free(ours);
    if (status != OK)
        safetensors_close(file);
    return status;
}

enum status checkpoint_epochs(const char *path, const struct train_settings *settings,
                              int *epochs_done)
{
    struct safetensors file;
    struct checkpoint_state state;
    TRY(open_checkpoint(&file, path, settings));
    enum status status = read_position(&file, &state);
    *epochs_done = state.epochs_done;
    safetensors_close(&file);
    return status;
}

enum status checkpoint_read(const char *path, const struct train_settings *settings,
                            struct params *params, struct checkpoint_state *state,
                            struct train_result *result)
{
    struct safetensors file;
    TRY(open_checkpoint(&file, path, settings));
    enum status status = read_position(&file, state);
    if (status == OK)
        status = read_curve(&file, result);
    if (status == OK)
        status = read_params(&file, params);
    safetensors_close(&file);
    return status;
}
