/* Batches: see loader.h. Knows nothing of networks but the shape of their input. */
#include "datasets/loader.h"

#include "impls/base/random.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* The network's input size against the specification's. */
static enum status resolve_size(struct loader_config *config, const struct dataset *ds)
{
    if (config->h == 0)
        config->h = ds->out_h;
    if (config->w == 0)
        config->w = ds->out_w;
    if (config->channels == 0)
        config->channels = ds->channels;
    if (config->h > DATA_SIDE_MAX || config->w > DATA_SIDE_MAX)
        return fail(ERR_USAGE, "an input of %dx%d: at most %d pixels a side are accepted",
                    config->h, config->w, DATA_SIDE_MAX);
    bool fixed = ds->spec.size || ds->spec.pad;
    bool differs = config->h != ds->out_h || config->w != ds->out_w;
    if (differs && ds->spec.kind == DATA_FOLDER)
        return fail(ERR_USAGE, "the network's input is %dx%d, but the pictures are cropped to "
                    "%dx%d: say size=%d in the data specification", config->h, config->w,
                    ds->out_h, ds->out_w, config->w);
    if (fixed && differs)
        return fail(ERR_USAGE, "the network's input is %dx%d, but the data specification says "
                    "%dx%d", config->h, config->w, ds->out_h, ds->out_w);
    return OK;
}

static enum status check_config(const struct loader_config *config, const struct image_list *list)
{
    if (config->batch < 1)
        return fail(ERR_USAGE, "batch size %d: at least 1 was expected", config->batch);
    if (list->n == 0)
        return fail(ERR_USAGE, "the %s part has no image", part_name(list->part));
    if (config->augment && list->part != PART_TRAIN)
        return fail(ERR_USAGE, "augmentation was asked for the %s part: it is for training only",
                    part_name(list->part));
    return OK;
}

static enum status init(struct loader *loader)
{
    const struct dataset *ds = loader->ds;
    const struct image_list *list = loader->list;
    const struct loader_config *c = &loader->config;
    TRY(check_config(c, list));
    TRY(resolve_size(&loader->config, ds));
    TRY(transform_init(&loader->transform, ds->h, ds->w, ds->channels, c->h, c->w, c->channels,
                       c->norm ? c->norm : ds->norm));
    loader->config.norm = NULL;
    loader->order = malloc((size_t)list->n * sizeof *loader->order);
    if (!loader->order)
        return fail(ERR_MEMORY, "out of memory for the order of %d images", list->n);
    if (c->augment && list->images->pictures)
        TRY(random_crops_open(&loader->crops, ds, list));
    loader_start(loader, 0);
    return OK;
}

enum status loader_init(struct loader *loader, const struct dataset *ds,
                        const struct image_list *list, const struct loader_config *config)
{
    *loader = (struct loader){.config = *config, .ds = ds, .list = list};
    enum status status = init(loader);
    if (status != OK)
        loader_free(loader);
    return status;
}

void loader_free(struct loader *loader)
{
    random_crops_close(&loader->crops);
    free(loader->order);
    *loader = (struct loader){0};
}

void loader_start(struct loader *loader, int epoch)
{
    const struct image_list *list = loader->list;
    CHECK(epoch >= 0);
    loader->epoch = epoch;
    if (loader->config.order == ORDER_SEQUENTIAL) {
        memcpy(loader->order, list->index, (size_t)list->n * sizeof *list->index);
        return;
    }
    struct random_stream stream = {loader->config.seed,
                                   random_mix(random_name("order"), (uint64_t)epoch)};
    random_permutation(stream, list->n, loader->order);
    for (int i = 0; i < list->n; i++)
        loader->order[i] = list->index[loader->order[i]];
}

int loader_batches(const struct loader *loader)
{
    return (loader->list->n - 1) / loader->config.batch + 1;
}

int loader_batch_size(const struct loader *loader, int batch)
{
    CHECK(batch >= 0 && batch < loader_batches(loader));
    int left = loader->list->n - batch * loader->config.batch;
    return left < loader->config.batch ? left : loader->config.batch;
}

static size_t image_floats(const struct loader *loader)
{
    const struct transform *t = &loader->transform;
    return (size_t)t->out_h * (size_t)t->out_w * (size_t)t->out_c;
}

size_t loader_batch_floats(const struct loader *loader)
{
    return (size_t)loader->config.batch * image_floats(loader);
}

static void fill_random_crop(const struct loader *loader, int image, float *pixels)
{
    const struct random_crops *crops = &loader->crops;
    const struct image *whole = &crops->image[image];
    const struct random_crop drawn =
        crop_draw(loader->config.seed, loader->epoch, image, whole->h, whole->w);
    const uint8_t *planes = random_crops_make(crops, omp_get_thread_num(), image, drawn.from);
    transform_apply(&loader->transform, (struct jitter){.flip = drawn.flip}, planes, pixels);
}

static void fill_image(const struct loader *loader, int image, float *pixels)
{
    const struct loader_config *c = &loader->config;
    struct jitter jitter = {0};
    if (loader->crops.image) {
        fill_random_crop(loader, image, pixels);
        return;
    }
    if (c->augment)
        jitter = jitter_draw(c->seed, loader->epoch, image);
    transform_apply(&loader->transform, jitter,
                    dataset_image(loader->ds, loader->list->images, image), pixels);
}

int loader_fill(const struct loader *loader, int batch, float *pixels, int32_t *labels)
{
    const int n = loader_batch_size(loader, batch);
    const int *image = loader->order + (size_t)batch * (size_t)loader->config.batch;
    const size_t floats = image_floats(loader);
    const int most = omp_get_max_threads(), lanes = loader->crops.lanes;
    const int threads = lanes > 0 && lanes < most ? lanes : most;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < n; i++) {
        labels[i] = loader->list->images->labels[image[i]];
        fill_image(loader, image[i], pixels + (size_t)i * floats);
    }
    return n;
}
