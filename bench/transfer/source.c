/* Batches of images or of cached features: see source.h. */
#include "bench/transfer/source.h"

#include "impls/base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Runs the fixed part over the list, in list order, and keeps the crossing values. */
static enum status compute_features(struct batch_source *source, struct session *session,
                                    const struct image_list *list)
{
    struct loader_config config = source->loader.config;
    struct loader loader = {0};
    struct program *program = NULL;
    config.order = ORDER_SEQUENTIAL;
    config.augment = false;
    struct program_request request = {.impl = session->impl, .ctx = session->ctx,
                                      .net = session->lowered, .batch = config.batch,
                                      .outputs = source->ids, .output_count = source->count};
    enum status status = loader_init(&loader, &session->data, list, &config);
    if (status == OK)
        status = program_compile(&program, &request);
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

static enum status open_cache(struct batch_source *source, struct session *session,
                              const struct image_list *list)
{
    for (int i = 0; i < source->count; i++) {
        struct tensor shape = net_shape(session->lowered, source->ids[i]);
        source->width[i] = tensor_count(&shape);
        source->features[i] = memory_alloc(source->width[i] * (size_t)list->n * sizeof(float));
        if (!source->features[i])
            return ERR_MEMORY;
    }
    source->position = malloc((size_t)list->n * sizeof *source->position);
    if (!source->position)
        return fail(ERR_MEMORY, "out of memory for %d features", list->n);
    return compute_features(source, session, list);
}

enum status source_open(struct batch_source *source, struct session *session,
                        const struct image_list *list, const struct loader_config *config,
                        const int *cut, int cut_count)
{
    memset(source, 0, sizeof *source);
    CHECK(cut_count <= SOURCE_INPUTS);
    source->cached = cut_count > 0;
    source->count = cut_count > 0 ? cut_count : 1;
    source->ids[0] = session->lowered->input;
    for (int i = 0; i < cut_count; i++)
        source->ids[i] = cut[i];
    enum status status = loader_init(&source->loader, &session->data, list, config);
    if (status == OK && source->cached)
        status = open_cache(source, session, list);
    if (status != OK)
        source_close(source);
    return status;
}

void source_close(struct batch_source *source)
{
    for (int i = 0; i < SOURCE_INPUTS; i++)
        memory_free(source->features[i]);
    free(source->position);
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
    loader_start(&source->loader, epoch);
    for (int i = 0; source->cached && i < list->n; i++) {
        const int *at = bsearch(&source->loader.order[i], list->index, (size_t)list->n,
                                sizeof *list->index, compare_int);
        CHECK(at);
        source->position[i] = (int)(at - list->index);
    }
}

int source_fill(const struct batch_source *source, int batch, struct program *program)
{
    const struct image_list *list = source->loader.list;
    int32_t *labels = program_labels(program);
    int first = batch * source->loader.config.batch;
    int n = loader_batch_size(&source->loader, batch);
    if (!source->cached)
        return loader_fill(&source->loader, batch, program_input(program, 0).data, labels);
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
    return n;
}
