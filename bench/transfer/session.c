/* Opening and closing what a run needs: see session.h. */
#include "bench/transfer/session.h"

#include "bench/net/fuse.h"
#include "impls/base/threads.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void session_note(struct session *session, const char *format, ...)
{
    size_t used = strlen(session->notes);
    va_list args;
    va_start(args, format);
    vsnprintf(session->notes + used, sizeof session->notes - used, format, args);
    va_end(args);
    used = strlen(session->notes);
    if (used + 1 < sizeof session->notes)
        strcpy(session->notes + used, "\n");
}

enum status session_open_impl(struct session *session, const char *impl, int threads)
{
    session->impl = impl_find(impl);
    if (!session->impl)
        return ERR_USAGE;
    TRY(threads_set(threads > 0 ? threads : threads_available()));
    return session->impl->open(&session->ctx);
}

int session_input_size(const struct dataset *data, int size)
{
    if (size > 0)
        return size;
    return data->out_h == 28 && data->spec.kind != DATA_FOLDER ? 32 : data->out_h;
}

enum status session_open_data(struct session *session, const char *data, uint64_t seed)
{
    TRY(dataset_open(&session->data, data));
    session->has_data = true;
    session->norm = *session->data.norm;
    if (session->data.note[0])
        session_note(session, "%s", session->data.note);
    return split_make(&session->split, &session->data, seed);
}

static struct net *lower(const struct session *session, bool train)
{
    if (session->compose || !session->impl)
        return net_lower(session->net);
    return net_fuse(session->net, session->impl, session->ctx, train);
}

static enum status build(struct session *session, int classes, int height, int size)
{
    if (classes > 0)
        session->model.classes = classes;
    if (size > 0)
        session->model.input_h = session->model.input_w = size;
    if (height > 0)
        session->model.input_h = height;
    TRY(model_build(&session->model, &session->net));
    session->lowered = lower(session, true);
    session->inference = lower(session, false);
    return session->lowered && session->inference ? OK : ERR_MEMORY;
}

static void drop_net(struct session *session)
{
    net_free(session->lowered);
    net_free(session->inference);
    net_free(session->net);
    session->net = session->lowered = session->inference = NULL;
}

enum status session_open_net(struct session *session, const char *model, const char *attention,
                             int classes, int size)
{
    TRY(model_parse(model, attention, &session->model));
    return build(session, classes, 0, size);
}

/* The classes of a file: rows of the last head parameter that has two dimensions. */
static int classes_in_file(const struct net *net, const struct safetensors *file)
{
    int classes = 0;
    for (int i = 0; i < net->params->count; i++) {
        const struct net_param *param = net->params->list[i];
        const struct safetensors_tensor *tensor = safetensors_find(file, param->name);
        if (param->part == PART_HEAD && param->ndim == 2 && tensor && tensor->ndim == 2)
            classes = (int)tensor->dim[0];
    }
    return classes;
}

/* Three numbers of a metadata value; false when it is not there or not three numbers. */
static bool metadata_triple(const struct safetensors *file, const char *key, float out[3])
{
    const char *text = safetensors_metadata(file, key);
    return text && sscanf(text, "%f %f %f", &out[0], &out[1], &out[2]) == 3;
}

static void read_metadata(struct session *session, const struct safetensors *file)
{
    struct normalisation found = *normalisation_find("imagenet");
    bool has = metadata_triple(file, "mean", found.mean) && metadata_triple(file, "std", found.std);
    if (has)
        found.name = "of the weights file";
    else
        session_note(session, "%s says nothing of mean and deviation: torchvision's are used "
                     "(0.485 0.456 0.406, 0.229 0.224 0.225)", file->path);
    session->norm = found;
    const char *const keys[] = {"model", "attention"};
    const char *const ours[] = {session->model.text, session->model.attention.text};
    for (int i = 0; i < 2; i++) {
        const char *theirs = safetensors_metadata(file, keys[i]);
        if (theirs && strcmp(theirs, ours[i]) != 0)
            session_note(session, "warning: %s was written for --%s %s, not %s", file->path,
                         keys[i], theirs, ours[i]);
    }
}

/* Input side of the metadata "input" ("32x32"); 0 when it says nothing. */
static int metadata_input(const struct safetensors *file)
{
    const char *text = safetensors_metadata(file, "input");
    int h = 0, w = 0;
    return text && sscanf(text, "%dx%d", &h, &w) == 2 && h == w && h > 0 && h <= 4096 ? h : 0;
}

static enum status open_weights(struct session *session, const struct safetensors *file,
                                const struct weights_request *request)
{
    int size = request->size ? request->size : metadata_input(file);
    TRY(build(session, request->classes, request->height, size));
    int theirs = request->rules.new_head ? 0 : classes_in_file(session->net, file);
    if (theirs > 0 && theirs != session->model.classes) {
        drop_net(session);
        TRY(build(session, theirs, request->height, size));
    }
    read_metadata(session, file);
    TRY(session_init_weights(session, request->scheme, request->seed));
    return weights_load(session->net->params, file, &request->rules, &session->loaded);
}

enum status session_open_weights(struct session *session, const struct weights_request *request)
{
    struct safetensors file;
    TRY(model_parse(request->model, request->attention, &session->model));
    TRY(safetensors_open(&file, request->weights));
    enum status status = open_weights(session, &file, request);
    safetensors_close(&file);
    return status;
}

enum status session_init_weights(struct session *session, const char *scheme, uint64_t seed)
{
    if (scheme && scheme[0])
        TRY(params_scheme(session->net->params, scheme));
    params_init(session->net->params, seed);
    return OK;
}

void session_close(struct session *session)
{
    drop_net(session);
    split_free(&session->split);
    if (session->has_data)
        dataset_close(&session->data);
    if (session->ctx)
        session->impl->close(session->ctx);
    memset(session, 0, sizeof *session);
}

/* Class names as a JSON array; NULL without data. */
static char *class_names(const struct session *session)
{
    if (!session->has_data)
        return NULL;
    json_t *list = json_array();
    for (int i = 0; i < session->data.classes; i++)
        json_array_append_new(list, json_string(session->data.class_names[i]));
    char *text = json_dumps(list, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(list);
    return text;
}

enum status session_save(const struct session *session, const char *path)
{
    char input[32], mean[64], std[64], classes[16];
    const float *m = session->norm.mean, *s = session->norm.std;
    snprintf(input, sizeof input, "%dx%d", session->model.input_h, session->model.input_w);
    snprintf(mean, sizeof mean, "%.9g %.9g %.9g", (double)m[0], (double)m[1], (double)m[2]);
    snprintf(std, sizeof std, "%.9g %.9g %.9g", (double)s[0], (double)s[1], (double)s[2]);
    snprintf(classes, sizeof classes, "%d", session->model.classes);
    char *names = class_names(session);
    struct data_rule rule = dataset_rule(&session->data);
    const struct safetensors_pair pairs[] = {
        {"format", "pt"},        {"model", session->model.text},
        {"attention", session->model.attention.text}, {"classes", classes},
        {"input", input},        {"resize", rule.resize},
        {"interpolation", rule.interpolation}, {"crop", rule.crop}, {"scale", "1/255"},
        {"mean", mean},          {"std", std},
        {"class_names", names ? names : "[]"},
    };
    enum status status =
        weights_save(path, session->net->params, pairs, sizeof pairs / sizeof pairs[0]);
    free(names);
    return status;
}
