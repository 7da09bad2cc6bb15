/* Whole pictures and crops of them: see random_crops.h. */
#include "datasets/random_crops.h"

#include "datasets/folder.h"
#include "datasets/resize.h"
#include "impls/base/memory.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t plane_bytes(const struct random_crops *crops)
{
    return memory_round((size_t)crops->size * (size_t)crops->size * 3);
}

/* The most is known before a picture is read: the data set holds the sizes. */
static enum status check_total(const struct image_list *list)
{
    size_t total = 0;
    for (int i = 0; i < list->n; i++) {
        const struct picture *p = &list->images->pictures[list->index[i]];
        total += (size_t)p->h * (size_t)p->w * 3;
    }
    if (total > FILE_BYTES_MAX)
        return fail(ERR_USAGE, "random crops need the %d whole training pictures in memory: they "
                    "take %zu MiB, at most %d are accepted; use fewer (per-class=), smaller files, "
                    "or no augmentation", list->n, total >> 20, FILE_BYTES_MAX >> 20);
    return OK;
}

static enum status read_images(struct random_crops *crops, const struct dataset *ds,
                               const struct image_list *list)
{
    enum status status = OK;
    char reason[512] = "";
    int first = list->n;
#pragma omp parallel for schedule(dynamic, 4)
    for (int i = 0; i < list->n; i++) {
        const int image = list->index[i];
        enum status one = folder_read_whole(ds, list->images, image, &crops->image[image]);
        if (one == OK)
            continue;
        /* Messages belong to a thread: the caller's has to hear of the first picture's. */
#pragma omp critical(random_crops_failure)
        if (i < first) {
            first = i;
            status = one;
            snprintf(reason, sizeof reason, "%s", fail_text());
        }
    }
    return status == OK ? OK : fail(status, "%s", reason);
}

static struct resize make_resize(const struct random_crops *crops, const struct image *source,
                                 struct crop from)
{
    return (struct resize){.source = source, .from = from, .full_h = crops->size,
                           .full_w = crops->size, .to = {0, 0, crops->size, crops->size}};
}

/* Room for a crop as high as the highest picture and as wide as the widest. */
static enum status allocate_scratch(struct random_crops *crops)
{
    int h = 1, w = 1;
    for (int i = 0; i < crops->images; i++) {
        h = crops->image[i].h > h ? crops->image[i].h : h;
        w = crops->image[i].w > w ? crops->image[i].w : w;
    }
    const struct resize largest = make_resize(crops, NULL, (struct crop){0, 0, h, w});
    crops->lanes = omp_get_max_threads();
    crops->lane_bytes = plane_bytes(crops) + resize_scratch_bytes(&largest);
    crops->scratch = memory_alloc((size_t)crops->lanes * crops->lane_bytes);
    return crops->scratch ? OK : ERR_MEMORY;
}

static enum status load(struct random_crops *crops, const struct dataset *ds,
                        const struct image_list *list)
{
    crops->image = calloc((size_t)crops->images, sizeof *crops->image);
    if (!crops->image)
        return fail(ERR_MEMORY, "out of memory for %d pictures", crops->images);
    TRY(read_images(crops, ds, list));
    return allocate_scratch(crops);
}

enum status random_crops_open(struct random_crops *crops, const struct dataset *ds,
                              const struct image_list *list)
{
    CHECK(list->images->pictures && ds->h == ds->w);
    *crops = (struct random_crops){.images = list->images->n, .size = ds->h};
    TRY(check_total(list));
    enum status status = load(crops, ds, list);
    if (status != OK)
        random_crops_close(crops);
    return status;
}

void random_crops_close(struct random_crops *crops)
{
    for (int i = 0; crops->image && i < crops->images; i++)
        image_free(&crops->image[i]);
    free(crops->image);
    memory_free(crops->scratch);
    *crops = (struct random_crops){0};
}

const uint8_t *random_crops_make(const struct random_crops *crops, int lane, int image,
                                 struct crop from)
{
    CHECK(lane >= 0 && lane < crops->lanes && image >= 0 && image < crops->images);
    const struct resize resize = make_resize(crops, &crops->image[image], from);
    uint8_t *planes = crops->scratch + (size_t)lane * crops->lane_bytes;
    resize_run(&resize, planes + plane_bytes(crops), planes);
    return planes;
}
