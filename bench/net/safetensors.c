/* The safetensors reader: see safetensors.h. Trusts nothing in the file. Knows no network. */
#include "bench/net/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8 };

/* Where the tensors lie in the file. */
struct region {
    const char *path;
    const uint8_t *data;
    size_t bytes;
};

void safetensors_close(struct safetensors *file)
{
    json_decref(file->header);
    free(file->by_name);
    free(file->tensors);
    free(file->metadata);
    free(file->path);
    input_map_close(&file->map);
    *file = (struct safetensors){0};
}

/* Finds the JSON text behind the length, and the region of the tensors behind it. */
static enum status split_file(const struct safetensors *file, const char **text, size_t *length,
                              struct region *region)
{
    const uint8_t *start = file->map.data;
    size_t total = file->map.bytes;
    uint64_t declared;
    if (total < LENGTH_BYTES + 2)
        return fail(ERR_FORMAT, "%s: %zu bytes are too few for a safetensors file", file->path,
                    total);
    memcpy(&declared, start, sizeof declared);
    if (declared > total - LENGTH_BYTES || start[LENGTH_BYTES] != '{')
        return fail(ERR_FORMAT,
                    "%s: not a safetensors file, or cut off: a header of %" PRIu64
                    " bytes that begins with '{' was expected in a file of %zu bytes"
                    " (bench/net/pth2safetensors.py turns PyTorch's .pth files into these)",
                    file->path, declared, total);
    if (declared > SAFETENSORS_MAX_HEADER)
        return fail(ERR_FORMAT, "%s: its header has %" PRIu64 " bytes, at most %d are accepted",
                    file->path, declared, SAFETENSORS_MAX_HEADER);
    *text = (const char *)start + LENGTH_BYTES;
    *length = (size_t)declared;
    *region = (struct region){
        .path = file->path,
        .data = start + LENGTH_BYTES + declared,
        .bytes = total - LENGTH_BYTES - (size_t)declared,
    };
    return OK;
}

static enum status parse_header(struct safetensors *file, const char *text, size_t length)
{
    json_error_t error;
    file->header = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (file->header)
        return OK;
    char reason[JSON_ERROR_TEXT_LENGTH];
    safetensors_printable(error.text, reason, sizeof reason);
    return fail(ERR_FORMAT, "%s: its header is not the JSON that was expected: %s (byte %d)",
                file->path, reason, error.position);
}

static enum status check_name(const char *path, const char *name, const char *what)
{
    if (safetensors_name_ok(name))
        return OK;
    char shown[128];
    safetensors_printable(name, shown, sizeof shown);
    return fail(ERR_FORMAT, "%s: %s '%s' is empty or has control characters", path, what, shown);
}

static enum status read_metadata(struct safetensors *file, json_t *map)
{
    if (!json_is_object(map))
        return fail(ERR_FORMAT, "%s: " SAFETENSORS_METADATA_KEY " is not a map of strings",
                    file->path);
    file->metadata = calloc(json_object_size(map) + 1, sizeof *file->metadata);
    if (!file->metadata)
        return fail(ERR_MEMORY, "%s: no memory for its metadata", file->path);
    const char *key;
    json_t *value;
    json_object_foreach(map, key, value) {
        TRY(check_name(file->path, key, "metadata key"));
        if (!json_is_string(value))
            return fail(ERR_FORMAT, "%s: metadata '%.120s' is not a string", file->path, key);
        file->metadata[file->metadata_count++] =
            (struct safetensors_pair){.key = key, .value = json_string_value(value)};
    }
    return OK;
}

static enum status read_dtype(const char *path, struct safetensors_tensor *tensor,
                              const json_t *json)
{
    const char *text = json_string_value(json);
    if (!text)
        return fail(ERR_FORMAT, "%s: tensor '%.120s' has no dtype", path, tensor->name);
    for (int i = 0; i < SAFETENSORS_DTYPES; i++) {
        if (strcmp(text, safetensors_dtype_name((enum safetensors_dtype)i)) == 0) {
            tensor->dtype = (enum safetensors_dtype)i;
            return OK;
        }
    }
    char shown[64];
    safetensors_printable(text, shown, sizeof shown);
    return fail(ERR_FORMAT, "%s: tensor '%.120s' has the unknown dtype '%s'", path, tensor->name,
                shown);
}

static enum status read_shape(const char *path, struct safetensors_tensor *tensor,
                              const json_t *json)
{
    if (!json_is_array(json))
        return fail(ERR_FORMAT, "%s: tensor '%.120s' has no shape", path, tensor->name);
    if (json_array_size(json) > SAFETENSORS_MAX_DIMS)
        return fail(ERR_FORMAT, "%s: tensor '%.120s' has %zu dimensions, at most %d are accepted",
                    path, tensor->name, json_array_size(json), SAFETENSORS_MAX_DIMS);
    tensor->ndim = (int)json_array_size(json);
    for (int i = 0; i < tensor->ndim; i++) {
        const json_t *dim = json_array_get(json, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return fail(ERR_FORMAT, "%s: tensor '%.120s': dimension %d is not a size", path,
                        tensor->name, i);
        tensor->dim[i] = json_integer_value(dim);
    }
    if (!safetensors_size(tensor, &tensor->count, &tensor->bytes))
        return fail(ERR_FORMAT, "%s: tensor '%.120s': its shape overflows", path, tensor->name);
    return OK;
}

static enum status read_offsets(const struct region *region, struct safetensors_tensor *tensor,
                                const json_t *json)
{
    const json_t *first = json_array_get(json, 0), *last = json_array_get(json, 1);
    if (json_array_size(json) != 2 || !json_is_integer(first) || !json_is_integer(last))
        return fail(ERR_FORMAT, "%s: tensor '%.120s': data_offsets is not a pair of integers",
                    region->path, tensor->name);
    json_int_t begin = json_integer_value(first), end = json_integer_value(last);
    if (begin < 0 || end < begin || (size_t)end > region->bytes)
        return fail(ERR_FORMAT,
                    "%s: tensor '%.120s': data_offsets %" PRId64 " to %" PRId64
                    " do not lie in the file's %zu bytes of data",
                    region->path, tensor->name, (int64_t)begin, (int64_t)end, region->bytes);
    if ((size_t)(end - begin) != tensor->bytes) {
        char shape[200];
        safetensors_shape_text(tensor, shape, sizeof shape);
        return fail(ERR_FORMAT, "%s: tensor '%.120s' of %s %s needs %zu bytes, it has %" PRId64,
                    region->path, tensor->name, safetensors_dtype_name(tensor->dtype), shape,
                    tensor->bytes, (int64_t)(end - begin));
    }
    tensor->data = region->data + begin;
    return OK;
}

static enum status read_tensor(const struct region *region, struct safetensors_tensor *tensor,
                               const char *name, json_t *json)
{
    TRY(check_name(region->path, name, "tensor name"));
    tensor->name = name;
    /* A key that we do not know could change what the others mean: such a file is refused. */
    if (json_object_size(json) != 3 || !json_object_get(json, "data_offsets"))
        return fail(ERR_FORMAT,
                    "%s: tensor '%.120s': exactly dtype, shape and data_offsets were expected",
                    region->path, name);
    TRY(read_dtype(region->path, tensor, json_object_get(json, "dtype")));
    TRY(read_shape(region->path, tensor, json_object_get(json, "shape")));
    return read_offsets(region, tensor, json_object_get(json, "data_offsets"));
}

static enum status read_tensors(struct safetensors *file, const struct region *region)
{
    size_t most = json_object_size(file->header);
    file->tensors = calloc(most + 1, sizeof *file->tensors);
    file->by_name = calloc(most + 1, sizeof *file->by_name);
    if (!file->tensors || !file->by_name)
        return fail(ERR_MEMORY, "%s: no memory for its table of %zu tensors", file->path, most);
    const char *name;
    json_t *json;
    json_object_foreach(file->header, name, json) {
        if (strcmp(name, SAFETENSORS_METADATA_KEY) == 0) {
            TRY(read_metadata(file, json));
            continue;
        }
        struct safetensors_tensor *tensor = &file->tensors[file->count];
        TRY(read_tensor(region, tensor, name, json));
        file->by_name[file->count++] = tensor;
    }
    return OK;
}

/* Tensors without bytes go before the one that begins at the same place. */
static int compare_places(const void *left, const void *right)
{
    const struct safetensors_tensor *a = *(const struct safetensors_tensor *const *)left;
    const struct safetensors_tensor *b = *(const struct safetensors_tensor *const *)right;
    const uint8_t *p = a->data, *q = b->data;
    if (p != q)
        return p < q ? -1 : 1;
    return (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int compare_names(const void *left, const void *right)
{
    const struct safetensors_tensor *a = *(const struct safetensors_tensor *const *)left;
    const struct safetensors_tensor *b = *(const struct safetensors_tensor *const *)right;
    return strcmp(a->name, b->name);
}

/* The tensors must cover the region without a hole and without sharing a byte. */
static enum status check_cover(const struct safetensors *file, const struct region *region)
{
    qsort(file->by_name, file->count, sizeof *file->by_name, compare_places);
    const uint8_t *end = region->data;
    for (size_t i = 0; i < file->count; i++) {
        const struct safetensors_tensor *tensor = file->by_name[i];
        const uint8_t *begin = tensor->data;
        if (begin != end)
            return fail(ERR_FORMAT, "%s: tensor '%.120s' begins at byte %td of the data, %td was"
                        " expected: tensors %s", file->path, tensor->name, begin - region->data,
                        end - region->data, begin < end ? "overlap" : "leave a hole");
        end = begin + tensor->bytes;
    }
    size_t rest = region->bytes - (size_t)(end - region->data);
    if (rest > 0)
        return fail(ERR_FORMAT, "%s: %zu bytes at its end belong to no tensor", file->path, rest);
    return OK;
}

static enum status read_file(struct safetensors *file)
{
    const char *text = NULL;
    size_t length = 0;
    struct region region = {0};
    TRY(split_file(file, &text, &length, &region));
    TRY(parse_header(file, text, length));
    TRY(read_tensors(file, &region));
    TRY(check_cover(file, &region));
    qsort(file->by_name, file->count, sizeof *file->by_name, compare_names);
    return OK;
}

enum status safetensors_open(struct safetensors *file, const char *path)
{
    *file = (struct safetensors){0};
    TRY(input_map_open(&file->map, path));
    file->path = strdup(path);
    enum status status =
        file->path ? read_file(file) : fail(ERR_MEMORY, "%s: no memory to read it", path);
    if (status != OK)
        safetensors_close(file);
    return status;
}

const struct safetensors_tensor *safetensors_find(const struct safetensors *file,
                                                  const char *name)
{
    if (file->count == 0)
        return NULL;
    const struct safetensors_tensor wanted = {.name = name}, *key = &wanted;
    const struct safetensors_tensor *const *found =
        bsearch(&key, file->by_name, file->count, sizeof *file->by_name, compare_names);
    return found ? *found : NULL;
}

const char *safetensors_metadata(const struct safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0)
            return file->metadata[i].value;
    return NULL;
}
