/* Training, validation and test members: see split.h. */
#include "datasets/split.h"

#include "datasets/file.h"
#include "impls/base/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct keyed {
    uint64_t key;
    int index;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

const char *part_name(enum part part)
{
    static const char *const names[PARTS] = {"train", "val", "test"};
    return names[part];
}

static uint64_t random_key(struct random_stream stream, uint64_t index)
{
    uint32_t word[4];
    random_block(stream, index, word);
    return (uint64_t)word[0] << 32 | word[1];
}

/* The random key of image i, the rank-th of class k. A picture file has a name of its own, which
 * stays when others come and go; the others have nothing but their place. */
static uint64_t member_key(const struct dataset *ds, uint64_t seed, int k, int i, int rank)
{
    if (ds->train.pictures)
        return random_key((struct random_stream){seed, random_name(ds->train.pictures[i].path)}, 0);
    char name[64];
    snprintf(name, sizeof name, "split/class%d", ds->class_stored[k]);
    return random_key((struct random_stream){seed, random_name(name)}, (uint64_t)rank);
}

/* The members of class k with their random keys into `order`; returns how many. */
static int key_members(const struct dataset *ds, uint64_t seed, int k, struct keyed *order)
{
    int n = 0;
    for (int i = 0; i < ds->train.n; i++) {
        if (ds->train.labels[i] != k)
            continue;
        order[n] = (struct keyed){member_key(ds, seed, k, i, n), i};
        n++;
    }
    return n;
}

/* Marks in part[] the training and validation members of class k. */
static void draw_class(const struct dataset *ds, uint64_t seed, int k, struct keyed *order,
                       uint8_t *part)
{
    int n = key_members(ds, seed, k, order);
    int labelled = ds->spec.per_class ? ds->spec.per_class : n;
    int val = ds->spec.val;
    CHECK(labelled <= n && val < labelled);
    qsort(order, (size_t)n, sizeof *order, by_key);
    for (int i = 0; i < labelled - val; i++)
        part[order[i].index] = PART_TRAIN;
    for (int i = n - val; i < n; i++)
        part[order[i].index] = PART_VAL;
}

static void draw_test(const struct dataset *ds, uint8_t *part)
{
    int taken[DATA_CLASSES_MAX] = {0};
    for (int i = 0; i < ds->test.n; i++) {
        int k = ds->test.labels[i];
        if (k < 0 || (ds->spec.test_per_class && taken[k] == ds->spec.test_per_class))
            continue;
        taken[k]++;
        part[i] = PART_TEST;
    }
}

static enum status collect(struct image_list *list, enum part wanted, const struct image_set *set,
                           const uint8_t *part)
{
    int n = 0;
    for (int i = 0; i < set->n; i++)
        n += part[i] == wanted;
    *list = (struct image_list){.part = wanted, .images = set, .n = n,
                                .index = calloc((size_t)n + 1, sizeof *list->index)};
    if (!list->index)
        return fail(ERR_MEMORY, "out of memory for a list of %d images", n);
    for (int i = 0, member = 0; i < set->n; i++)
        if (part[i] == wanted)
            list->index[member++] = i;
    return OK;
}

static enum status split_train(struct split *split, const struct dataset *ds, uint64_t seed)
{
    uint8_t *part = malloc((size_t)ds->train.n);
    struct keyed *order = malloc((size_t)ds->train.n * sizeof *order);
    enum status status = part && order ? OK : fail(ERR_MEMORY, "out of memory for a split");
    if (status == OK) {
        memset(part, PARTS, (size_t)ds->train.n);
        for (int k = 0; k < ds->classes; k++)
            draw_class(ds, seed, k, order, part);
        status = collect(&split->list[PART_TRAIN], PART_TRAIN, &ds->train, part);
    }
    if (status == OK)
        status = collect(&split->list[PART_VAL], PART_VAL, &ds->train, part);
    free(order);
    free(part);
    return status;
}

static enum status split_test(struct split *split, const struct dataset *ds)
{
    uint8_t *part = malloc((size_t)ds->test.n);
    if (!part)
        return fail(ERR_MEMORY, "out of memory for a split");
    memset(part, PARTS, (size_t)ds->test.n);
    draw_test(ds, part);
    enum status status = collect(&split->list[PART_TEST], PART_TEST, &ds->test, part);
    free(part);
    return status;
}

static void hash_lists(struct split *split)
{
    uint64_t hash = FILE_HASH_START;
    for (int p = 0; p < PARTS; p++) {
        hash = file_hash_number(hash, (uint64_t)split->list[p].n);
        for (int i = 0; i < split->list[p].n; i++)
            hash = file_hash_number(hash, (uint64_t)split->list[p].index[i]);
    }
    snprintf(split->hash, sizeof split->hash, "%016" PRIx64, hash);
}

enum status split_make(struct split *split, const struct dataset *ds, uint64_t seed)
{
    *split = (struct split){0};
    enum status status = split_train(split, ds, seed);
    if (status == OK)
        status = split_test(split, ds);
    if (status == OK)
        hash_lists(split);
    else
        split_free(split);
    return status;
}

void split_free(struct split *split)
{
    for (int p = 0; p < PARTS; p++)
        free(split->list[p].index);
    *split = (struct split){0};
}

static uint64_t image_hash(const struct dataset *ds, const struct image_set *set, int i)
{
    return file_hash(FILE_HASH_START, dataset_image(ds, set, i), dataset_image_bytes(ds));
}

/* Whether the image is, byte for byte, one of the n hashed and sorted ones of list a. */
static bool is_among(const struct dataset *ds, const struct image_list *a,
                     const struct keyed *sorted, uint64_t key, const uint8_t *image)
{
    int low = 0, high = a->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (sorted[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < a->n && sorted[low].key == key; low++)
        if (memcmp(dataset_image(ds, a->images, sorted[low].index), image,
                   dataset_image_bytes(ds)) == 0)
            return true;
    return false;
}

enum status split_shared(const struct dataset *ds, const struct image_list *a,
                         const struct image_list *b, int *count)
{
    struct keyed *sorted = malloc(((size_t)a->n + 1) * sizeof *sorted);
    if (!sorted)
        return fail(ERR_MEMORY, "out of memory for %d hashes", a->n);
    for (int i = 0; i < a->n; i++)
        sorted[i] = (struct keyed){image_hash(ds, a->images, a->index[i]), a->index[i]};
    qsort(sorted, (size_t)a->n, sizeof *sorted, by_key);
    *count = 0;
    for (int i = 0; i < b->n; i++) {
        uint64_t key = image_hash(ds, b->images, b->index[i]);
        *count += is_among(ds, a, sorted, key, dataset_image(ds, b->images, b->index[i]));
    }
    free(sorted);
    return OK;
}
