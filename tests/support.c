/* A small data set, small runs on it, weight files compared: see support.h. */
#include "tests/support.h"

#include "bench/net/optimizer.h"
#include "bench/transfer/arm.h"
#include "bench/transfer/schedule.h"
#include "bench/transfer/source.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"

#include <fnmatch.h>
#include <math.h>

void support_ok(enum status status)
{
    if (status != OK)
        fail_msg("status %d: %s", (int)status, fail_text());
}

void support_refused(enum status status, enum status expected, const char *fragment1,
                     const char *fragment2)
{
    const char *text = fail_text();
    if (status != expected || strchr(text, '\n') || !strstr(text, fragment1) ||
        !strstr(text, fragment2))
        fail_msg("status %d and '%s'; %d, '%s' and '%s' were expected", (int)status, text,
                 (int)expected, fragment1, fragment2);
}

/* ---- the data set ---- */

/* Brightness of a pixel of class k: nothing, lying stripes, standing stripes, a chessboard. */
static int pattern(int k, int y, int x)
{
    bool lying = y / 2 % 2 == 0, standing = x / 2 % 2 == 0;
    return 120 * (k % 4 == 1 ? lying : k % 4 == 2 ? standing : k % 4 == 3 ? lying == standing : 0);
}

void bed_write_part(const struct bed *bed, const char *part, int classes, int per_class, int side)
{
    int n = classes * per_class;
    size_t pixels = (size_t)side * (size_t)side, size;
    uint8_t *images = fixture_idx_images(0, n, side, side, &size);
    uint8_t *labels = calloc(1, (size_t)n);
    struct random_stream stream = {1, random_name(part)};
    char name[64];
    assert_non_null(labels);
    for (int i = 0; i < n; i++) {
        labels[i] = (uint8_t)(i % classes);
        for (size_t p = 0; p < pixels; p++)
            images[16 + (size_t)i * pixels + p] =
                (uint8_t)(pattern(labels[i], (int)p / side, (int)p % side) +
                          (int)random_below(stream, (size_t)i * pixels + p, 120));
    }
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", part);
    fixture_write(&bed->folder, name, images, size);
    bed_write_labels(bed, part, labels, n);
    free(images);
    free(labels);
}

void bed_write_labels(const struct bed *bed, const char *part, const uint8_t *labels, int n)
{
    size_t size;
    char name[64];
    uint8_t *file = fixture_idx_labels(n, 1, &size);
    memcpy(file + 8, labels, (size_t)n);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", part);
    fixture_write(&bed->folder, name, file, size);
    free(file);
}

int bed_setup(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);
    if (!bed)
        return -1;
    fixture_make(&bed->folder);
    snprintf(bed->data, sizeof bed->data, "idx:%s", bed->folder.dir);
    bed_write_part(bed, "train", TINY_CLASSES, 16, TINY_SIDE);
    bed_write_part(bed, "t10k", TINY_CLASSES, 6, TINY_SIDE);
    *state = bed;
    return 0;
}

int bed_teardown(void **state)
{
    struct bed *bed = *state;
    fixture_remove(&bed->folder);
    free(bed);
    return 0;
}

const char *bed_path(struct bed *bed, const char *name)
{
    char path[FIXTURE_PATH];
    fixture_path(&bed->folder, name, path);
    return memcpy(bed->paths[bed->next_path++ % BED_PATHS], path, sizeof path);
}

/* ---- runs ---- */

void support_settings(struct train_settings *s, const struct bed *bed, const char *attention)
{
    train_defaults(s);
    snprintf(s->model, sizeof s->model, "resnet20:width=0.25");
    snprintf(s->attention, sizeof s->attention, "%s", attention);
    CHECK(strlen(bed->data) < sizeof s->data);
    memcpy(s->data, bed->data, strlen(bed->data) + 1);
    snprintf(s->schedule, sizeof s->schedule, "cosine");
    snprintf(s->impl, sizeof s->impl, "%s", impls[0]->name);
    s->threads = 1;
    s->epochs = 2;
    s->batch = 8;
    s->augment = false;
}

enum status support_run(const struct train_settings *s, const struct train_io *io,
                        struct train_result **result)
{
    *result = calloc(1, sizeof **result);
    assert_non_null(*result);
    return train_run(s, io, *result);
}

struct train_result *support_train(const struct train_settings *s, const char *save)
{
    const struct train_io io = {.save = save};
    struct train_result *result;
    support_ok(support_run(s, &io, &result));
    if (result->diverged)
        fail_msg("diverged at %s", result->diverged_at);
    return result;
}

void support_free(struct train_result *result)
{
    free(result->predictions);
    free(result);
}

static void open_data(struct session *session, const struct train_settings *s)
{
    *session = (struct session){0};
    support_ok(session_open_impl(session, s->impl, s->threads));
    session->compose = !s->fuse;
    support_ok(session_open_data(session, s->data, s->seed));
}

void support_source(struct bed *bed, struct train_settings *s, const char *attention)
{
    support_settings(s, bed, attention);
    snprintf(s->data, sizeof s->data, "%.200s:classes=0+1:per-class=12:val=2", bed->data);
    support_free(support_train(s, bed_path(bed, "source")));
    snprintf(s->data, sizeof s->data, "%.200s:classes=2+3:per-class=12:val=2", bed->data);
    snprintf(s->init, sizeof s->init, "%s", bed_path(bed, "source"));
    s->weight_decay = 0.01;
    s->momentum = 0.9;
}

void support_train_by_hand(struct session *session, const struct train_settings *s)
{
    const struct image_list *list = &session->split.list[PART_TRAIN];
    struct loader_config config = {.batch = s->batch, .order = ORDER_SHUFFLED, .seed = s->seed,
                                   .h = TINY_SIDE, .w = TINY_SIDE, .channels = 3,
                                   .norm = &session->norm};
    struct batch_source source;
    struct program *program;
    support_ok(arm_apply(session->net->params, s->transfer));
    support_ok(params_prepare_training(session->net->params));
    support_ok(source_open(&source, session, list, &config, NULL, 0, 0));
    const struct program_request request = {.impl = session->impl, .ctx = session->ctx,
                                            .net = session->lowered, .batch = s->batch,
                                            .train = true, .loss = true};
    support_ok(program_compile(&program, &request));
    for (int step = 0, per_epoch = list->n / s->batch; step < s->steps; step++) {
        struct rate rate = schedule_rate(s, step, s->steps, per_epoch);
        const struct sgd sgd = {.lr = rate.lr, .momentum = rate.momentum,
                                .weight_decay = s->weight_decay, .nesterov = s->nesterov};
        if (step % per_epoch == 0)
            source_start(&source, step / per_epoch);
        support_ok(source_fill(&source, step % per_epoch, program));
        support_ok(program_forward(program));
        support_ok(program_backward(program));
        sgd_step(session->net->params, &sgd);
    }
    program_free(program);
    source_close(&source);
}

void support_save_fresh(const struct train_settings *s, const char *path)
{
    struct session session;
    open_data(&session, s);
    support_ok(session_open_net(&session, s->model, s->attention, session.data.classes,
                                session_input_size(&session.data, s->size)));
    support_ok(session_init_weights(&session, s->scheme, s->seed));
    support_ok(session_save(&session, path));
    session_close(&session);
}

void support_open(struct session *session, const struct train_settings *s, const char *weights,
                  const char *allow_missing)
{
    const char *const globs[] = {allow_missing, NULL};
    const struct weights_request request = {.model = s->model, .attention = s->attention,
                                            .weights = weights, .rules.allow_missing = globs,
                                            .scheme = s->scheme, .seed = s->seed};
    open_data(session, s);
    support_ok(session_open_weights(session, &request));
}

float *support_logits(struct session *session, int batch, struct evaluation *result)
{
    const struct image_list *list = &session->split.list[PART_TEST];
    float *logits = calloc((size_t)list->n * (size_t)session->model.classes, sizeof *logits);
    assert_non_null(logits);
    support_ok(evaluate(session, list, batch, result, NULL, logits));
    return logits;
}

/* ---- weight files ---- */

static bool matches(const char *const *globs, const char *name)
{
    for (; globs && *globs; globs++)
        if (fnmatch(*globs, name, 0) == 0)
            return true;
    return false;
}

/* The tensor of that name in the other file, which must have the same shape. */
static const struct safetensors_tensor *partner(const struct safetensors *file,
                                                const struct safetensors_tensor *tensor)
{
    const struct safetensors_tensor *found = safetensors_find(file, tensor->name);
    if (!found || found->bytes != tensor->bytes)
        fail_msg("%s: tensor %s is missing or has another size", file->path, tensor->name);
    return found;
}

static void open_both(struct safetensors *a, struct safetensors *b, const char *path_a,
                      const char *path_b)
{
    support_ok(safetensors_open(a, path_a));
    support_ok(safetensors_open(b, path_b));
    assert_int_equal(a->count, b->count);
    assert_true(a->count > 0);
}

int support_compare(const char *before, const char *after, const char *const *may_change)
{
    struct safetensors a, b;
    int changed = 0;
    open_both(&a, &b, before, after);
    for (size_t i = 0; i < a.count; i++) {
        const struct safetensors_tensor *tensor = &a.tensors[i];
        if (memcmp(tensor->data, partner(&b, tensor)->data, tensor->bytes) == 0)
            continue;
        if (!matches(may_change, tensor->name))
            fail_msg("%s changed between %s and %s", tensor->name, before, after);
        changed++;
    }
    safetensors_close(&a);
    safetensors_close(&b);
    return changed;
}

int support_count_matching(const char *path, const char *const *globs)
{
    struct safetensors file;
    int count = 0;
    support_ok(safetensors_open(&file, path));
    for (size_t i = 0; i < file.count; i++)
        count += matches(globs, file.tensors[i].name);
    safetensors_close(&file);
    return count;
}

void support_same(const char *a, const char *b)
{
    assert_int_equal(support_compare(a, b, NULL), 0);
}

bool support_changed(const char *before, const char *after, const char *name)
{
    struct safetensors a, b;
    support_ok(safetensors_open(&a, before));
    support_ok(safetensors_open(&b, after));
    const struct safetensors_tensor *tensor = safetensors_find(&a, name);
    if (!tensor)
        fail_msg("%s: no tensor %s", before, name);
    bool changed = memcmp(tensor->data, partner(&b, tensor)->data, tensor->bytes) != 0;
    safetensors_close(&a);
    safetensors_close(&b);
    return changed;
}

float *support_tensor(const char *path, const char *name, size_t *count)
{
    struct safetensors file;
    support_ok(safetensors_open(&file, path));
    const struct safetensors_tensor *tensor = safetensors_find(&file, name);
    if (!tensor)
        fail_msg("%s: no tensor %s", path, name);
    float *values = calloc(tensor->count + 1, sizeof *values);
    assert_non_null(values);
    support_ok(safetensors_copy_f32(&file, tensor, values, tensor->count));
    *count = tensor->count;
    safetensors_close(&file);
    return values;
}

double support_difference(const char *a, const char *b)
{
    struct safetensors file;
    double most = 0;
    support_ok(safetensors_open(&file, a));
    for (size_t i = 0; i < file.count; i++) {
        size_t count, other;
        float *x = support_tensor(a, file.tensors[i].name, &count);
        float *y = support_tensor(b, file.tensors[i].name, &other);
        assert_int_equal(count, other);
        for (size_t k = 0; k < count; k++)
            most = fmax(most, fabs((double)x[k] - (double)y[k]));
        free(x);
        free(y);
    }
    safetensors_close(&file);
    return most;
}
