/* Opening and closing what a run needs: see session.h. */
#include "bench/transfer/session.h"

#include "bench/net/fuse.h"
#include "bench/net/input_file.h"
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

enum status session_open_algorithms(struct session *session, const struct train_settings *settings)
{
    const char *text = settings->algorithm[0] ? settings->algorithm : "direct";
    return algorithms_parse("--algorithm", text, &session->algorithms);
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

enum status session_note_shared(struct session *session)
{
    static const enum part pairs[][2] = {
        {PART_TRAIN, PART_VAL}, {PART_TRAIN, PART_TEST}, {PART_VAL, PART_TEST}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        const struct image_list *a = &session->split.list[pairs[i][0]];
        const struct image_list *b = &session->split.list[pairs[i][1]];
        int shared = 0;
        if (a->n > 0 && b->n > 0)
            TRY(split_shared(&session->data, a, b, &shared));
        if (shared > 0)
            session_note(session, "%d of the %d %s images are, pixel by pixel, among the %s images",
                         shared, b->n, part_name(b->part), part_name(a->part));
    }
    return OK;
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
static int classes_in_file(const struct net *net, const struct safetensors *file,
                           const struct weights_names *names)
{
    int classes = 0;
    for (int i = 0; i < net->params->count; i++) {
        const struct net_param *param = net->params->list[i];
        const struct safetensors_tensor *tensor = weights_find(file, names, param);
        if (param->part == PART_HEAD && param->ndim == 2 && tensor && tensor->ndim == 2 &&
            tensor->dim[0] <= INT32_MAX)
            classes = (int)tensor->dim[0];
    }
    return classes;
}

int session_class_difference(const struct session *session)
{
    const struct weights_metadata *m = &session->metadata;
    if (!session->has_data || m->class_count != session->data.classes)
        return -1;
    for (int i = 0; i < m->class_count; i++)
        if (strcmp(m->class_names[i], session->data.class_names[i]) != 0)
            return i;
    return -1;
}

static void note_metadata(struct session *session, const struct safetensors *file)
{
    const char *const keys[] = {"model", "attention"};
    const char *const ours[] = {session->model.text, session->model.attention.text};
    if (!session->metadata.has_norm)
        session_note(session, "%s says nothing of mean and deviation: torchvision's are used "
                     "(0.485 0.456 0.406, 0.229 0.224 0.225)", file->path);
    for (int i = 0; i < 2; i++) {
        const char *theirs = safetensors_metadata(file, keys[i]);
        char shown[128];
        safetensors_printable(theirs ? theirs : "", shown, sizeof shown);
        if (theirs && strcmp(theirs, ours[i]) != 0)
            session_note(session, "warning: %s was written for --%s %s, not %s", file->path,
                         keys[i], shown, ours[i]);
    }
}

/* Says what becomes of a head of `theirs` classes in the file (0: it has none). */
static void note_head(struct session *session, const struct safetensors *file, int theirs,
                      bool new_head)
{
    int ours = session->model.classes;
    if (!new_head) {
        int i = session_class_difference(session);
        if (i >= 0)
            session_note(session, "warning: class %d is '%s' in %s and '%s' in the data", i,
                         session->metadata.class_names[i], file->path,
                         session->data.class_names[i]);
    } else if (theirs == 0)
        session_note(session, "the head is new, for %d classes: %s has none", ours, file->path);
    else if (theirs != ours)
        session_note(session, "the head is new, for %d classes: that of %s is for %d", ours,
                     file->path, theirs);
    else
        session_note(session, "the head is new, although that of %s is for %d classes too "
                     "(--keep-head on keeps it)", file->path, ours);
}

static void note_names(struct session *session, const struct safetensors *file)
{
    const struct weights_names *names = &session->loaded.names;
    if (names->prefix[0])
        session_note(session, "%s has '%s' in front of its names: it was left off", file->path,
                     names->prefix);
    if (names->dotted)
        session_note(session, "%s has DenseNet's old names (norm.1, conv.2): taken as norm1, conv2",
                     file->path);
}

static enum status choose_scheme(const struct session *session, const char *scheme)
{
    return scheme && scheme[0] ? params_scheme(session->net->params, scheme) : OK;
}

static enum status open_weights(struct session *session, const struct safetensors *file,
                                const struct weights_request *request)
{
    struct weights_names names;
    metadata_free(&session->metadata);
    TRY(metadata_read(file, &session->metadata));
    int size = request->size ? request->size : session->metadata.input;
    TRY(build(session, request->classes, request->height, size));
    TRY(weights_names_find(session->net->params, file, &names));
    int theirs = classes_in_file(session->net, file, &names);
    int named = session->metadata.class_count;
    if (theirs > 0 && named > 0 && named != theirs)
        return fail(ERR_FORMAT, "%s has a head for %d classes and names for %d", file->path, theirs,
                    named);
    if (theirs > 0 && theirs != session->model.classes && !request->rules.new_head) {
        drop_net(session);
        TRY(build(session, theirs, request->height, size));
    }
    session->norm = session->metadata.norm;
    struct weights_rules rules = request->rules;
    rules.draw = true;
    rules.seed = request->seed;
    TRY(choose_scheme(session, request->scheme));
    TRY(weights_load(session->net->params, file, &rules, &session->loaded));
    note_metadata(session, file);
    note_names(session, file);
    note_head(session, file, theirs, request->rules.new_head);
    return OK;
}

enum status session_open_weights(struct session *session, const struct weights_request *request)
{
    struct safetensors file;
    TRY(model_parse(request->model, request->attention, &session->model));
    char path[4096];
    TRY(input_file_find(request->weights, path, sizeof path));
    TRY(safetensors_open(&file, path));
    enum status status = open_weights(session, &file, request);
    safetensors_close(&file);
    return status;
}

enum status session_init_weights(struct session *session, const char *scheme, uint64_t seed)
{
    TRY(choose_scheme(session, scheme));
    params_init(session->net->params, seed);
    return OK;
}

void session_close_network(struct session *session)
{
    drop_net(session);
    algorithms_free(&session->algorithms);
    if (session->ctx)
        session->impl->close(session->ctx);
    session->impl = NULL;
    session->ctx = NULL;
    metadata_free(&session->metadata);
    memset(&session->metadata, 0, sizeof session->metadata);
}

void session_close(struct session *session)
{
    session_close_network(session);
    split_free(&session->split);
    if (session->has_data)
        dataset_close(&session->data);
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
    char input[32], mean[64], std[64], classes[16], images[32];
    const float *m = session->norm.mean, *s = session->norm.std;
    snprintf(input, sizeof input, "%dx%d", session->model.input_h, session->model.input_w);
    snprintf(mean, sizeof mean, "%.9g %.9g %.9g", (double)m[0], (double)m[1], (double)m[2]);
    snprintf(std, sizeof std, "%.9g %.9g %.9g", (double)s[0], (double)s[1], (double)s[2]);
    snprintf(classes, sizeof classes, "%d", session->model.classes);
    snprintf(images, sizeof images, "%dx%d",
             session->has_data ? session->data.h : session->model.input_h,
             session->has_data ? session->data.w : session->model.input_w);
    char *names = class_names(session);
    struct data_rule rule = dataset_rule(&session->data);
    const struct safetensors_pair pairs[] = {
        {"format", "pt"},        {"model", session->model.text},
        {"attention", session->model.attention.text}, {"classes", classes},
        {"input", input},        {"images", images}, {"resize", rule.resize},
        {"interpolation", rule.interpolation}, {"crop", rule.crop}, {"scale", "1/255"},
        {"mean", mean},          {"std", std},
        {"class_names", names ? names : "[]"},
    };
    enum status status =
        weights_save(path, session->net->params, pairs, sizeof pairs / sizeof pairs[0]);
    free(names);
    return status;
}
