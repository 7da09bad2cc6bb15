/* Batches of images or of features: see source.h. */
#include "bench/transfer/source.h"

#include "bench/transfer/features.h"
#include "impls/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* The fixed part of the network, from images to the values that cross. */
static enum status compile_fixed(const struct batch_source *source, struct session *session,
                                 struct program **program)
{
    const struct program_request request = {.impl = session->impl, .ctx = session->ctx,
                                            .net = session->lowered,
                                            .batch = source->loader.config.batch,
                                            .outputs = source->ids, .output_count = source->count,
                                            .algorithms = &session->algorithms};
    return program_compile(program, &request);
}

/* Runs the fixed part over the list, in list order, and keeps the crossing values. */
static enum status compute_features(struct batch_source *source, struct session *session,
                                    const struct image_list *list)
{
    struct loader_config config = source->loader.config;
    struct loader loader = {0};
    struct program *program = NULL;
    config.order = ORDER_SEQUENTIAL;
    config.augment = false;
    enum status status = loader_init(&loader, &session->data, list, &config);
    if (status == OK)
        status = compile_fixed(source, session, &program);
    for (int b = 0, done = 0; status == OK && b < loader_batches(&loader); b++) {
        struct tensor input = program_input(program, 0);
        int n = loader_fill(&loader, b, input.data, program_labels(program));
        status = program_forward(program);
        for (int i = 0; i < source->count && status == OK; i++)
            memcpy(source->features[i] + (size_t)done * source->width[i],
                   program_output(program, i).data,
                   (size_t)n * source->width[i] * sizeof(float));
        done += n;
    }
    program_free(program);
    loader_free(&loader);
    return status;
}

/* Features that cross at one value may be on disk already, from a run with the same fixed part. */
static enum status share_features(struct batch_source *source, struct session *session,
                                  const struct image_list *list)
{
    const struct features_what what = {session, list, &source->loader.config, source->ids[0],
                                       source->width[0]};
    char path[FEATURES_PATH];
    features_path(&what, path);
    if (features_read(path, &what, source->features[0]))
        return OK;
    TRY(compute_features(source, session, list));
    return path[0] ? features_write(path, &what, source->features[0]) : OK;
}

static enum status open_cache(struct batch_source *source, struct session *session,
                              const struct image_list *list)
{
    source->cached = true;
    for (int i = 0; i < source->count; i++) {
        source->features[i] = memory_alloc(source->width[i] * (size_t)list->n * sizeof(float));
        if (!source->features[i])
            return ERR_MEMORY;
    }
    source->position = malloc((size_t)list->n * sizeof *source->position);
    if (!source->position)
        return fail(ERR_MEMORY, "out of memory for %d features", list->n);
    return source->count == 1 ? share_features(source, session, list)
                              : compute_features(source, session, list);
}

static enum status open_features(struct batch_source *source, struct session *session,
                                 const struct image_list *list, size_t most)
{
    size_t bytes = 0;
    for (int i = 0; i < source->count; i++) {
        struct tensor shape = net_shape(session->lowered, source->ids[i]);
        source->width[i] = tensor_count(&shape);
        bytes += source->width[i] * (size_t)list->n * sizeof(float);
    }
    if (bytes <= most)
        return open_cache(source, session, list);
    session_note(session, "features of the fixed part would take %.3g MB, the limit is %.3g MB: "
                 "they are computed anew for every batch, which gives the same numbers",
                 (double)bytes / (1 << 20), (double)most / (1 << 20));
    return compile_fixed(source, session, &source->fixed);
}

enum status source_open(struct batch_source *source, struct session *session,
                        const struct image_list *list, const struct loader_config *config,
                        const int *cut, int cut_count, size_t most)
{
    memset(source, 0, sizeof *source);
    CHECK(cut_count <= SOURCE_INPUTS);
    source->count = cut_count > 0 ? cut_count : 1;
    source->ids[0] = session->lowered->input;
    for (int i = 0; i < cut_count; i++)
        source->ids[i] = cut[i];
    enum status status = loader_init(&source->loader, &session->data, list, config);
    if (status == OK && cut_count > 0)
        status = open_features(source, session, list, most);
    if (status != OK)
        source_close(source);
    return status;
}

enum status source_prefetch(struct batch_source *source)
{
    return source->cached ? OK : prefetch_open(&source->prefetch, &source->loader);
}

void source_close(struct batch_source *source)
{
    prefetch_close(source->prefetch);
    for (int i = 0; i < SOURCE_INPUTS; i++)
        memory_free(source->features[i]);
    free(source->position);
    program_free(source->fixed);
    loader_free(&source->loader);
    memset(source, 0, sizeof *source);
}

static int compare_int(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    return x < y ? -1 : x > y;
}

void source_start(struct batch_source *source, int epoch)
{
    const struct image_list *list = source->loader.list;
    if (source->prefetch)
        prefetch_discard(source->prefetch);
    loader_start(&source->loader, epoch);
    for (int i = 0; source->cached && i < list->n; i++) {
        const int *at = bsearch(&source->loader.order[i], list->index, (size_t)list->n,
                                sizeof *list->index, compare_int);
        CHECK(at);
        source->position[i] = (int)(at - list->index);
    }
}

/* Features that were kept. */
static void copy_features(const struct batch_source *source, int batch, struct program *program)
{
    const struct image_list *list = source->loader.list;
    int32_t *labels = program_labels(program);
    int first = batch * source->loader.config.batch;
    int n = loader_batch_size(&source->loader, batch);
    for (int i = 0; i < n; i++) {
        int place = source->position[first + i];
        labels[i] = list->images->labels[list->index[place]];
        for (int k = 0; k < source->count; k++) {
            float *to = program_input(program, k).data;
            memcpy(to + (size_t)i * source->width[k],
                   source->features[k] + (size_t)place * source->width[k],
                   source->width[k] * sizeof(float));
        }
    }
}

/* Images of a batch; those of the next begin to be prepared. A short last batch is left out:
 * whoever wants it waits for it. */
static int fill_images(const struct batch_source *source, int batch, float *pixels,
                       int32_t *labels)
{
    const struct loader *loader = &source->loader;
    if (!source->prefetch)
        return loader_fill(loader, batch, pixels, labels);
    int n = prefetch_take(source->prefetch, batch, pixels, labels);
    if ((batch + 2) * loader->config.batch <= loader->list->n)
        prefetch_begin(source->prefetch, batch + 1);
    return n;
}

static enum status compute_batch(const struct batch_source *source, int batch,
                                 struct program *program)
{
    int n = fill_images(source, batch, program_input(source->fixed, 0).data,
                        program_labels(program));
    TRY(program_forward(source->fixed));
    for (int k = 0; k < source->count; k++)
        memcpy(program_input(program, k).data, program_output(source->fixed, k).data,
               (size_t)n * source->width[k] * sizeof(float));
    return OK;
}

enum status source_fill(const struct batch_source *source, int batch, struct program *program)
{
    if (source->fixed)
        return compute_batch(source, batch, program);
    if (source->cached)
        copy_features(source, batch, program);
    else
        fill_images(source, batch, program_input(program, 0).data, program_labels(program));
    return OK;
}
