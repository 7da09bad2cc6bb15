/* The safetensors writer: see safetensors.h. Knows no network. */
#include "bench/net/atomic_file.h"
#include "bench/net/safetensors.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 8, WIDEST = 8 };

/* With the longest header the file still has a size that an off_t can hold. */
static const size_t max_data = INT64_MAX - SAFETENSORS_MAX_HEADER - 8;

static enum status check_tensor(const char *path, const struct safetensors_tensor *tensor,
                                size_t *bytes)
{
    char shown[128];
    safetensors_printable(tensor->name ? tensor->name : "", shown, sizeof shown);
    if (!tensor->name || !safetensors_name_ok(tensor->name) ||
        strcmp(tensor->name, SAFETENSORS_METADATA_KEY) == 0)
        return fail(ERR_USAGE, "%s: '%s' cannot be the name of a tensor", path, shown);
    CHECK(tensor->dtype < SAFETENSORS_DTYPES);
    size_t count;
    if (tensor->ndim < 0 || tensor->ndim > SAFETENSORS_MAX_DIMS ||
        !safetensors_size(tensor, &count, bytes))
        return fail(ERR_USAGE, "%s: the shape of tensor '%s' cannot be written", path, shown);
    if (!tensor->data && *bytes > 0)
        return fail(ERR_USAGE, "%s: tensor '%s' has no data", path, shown);
    return OK;
}

static enum status header_failed(const char *path, const char *name)
{
    char shown[128];
    safetensors_printable(name, shown, sizeof shown);
    return fail(ERR_USAGE, "%s: '%s' cannot go into the header: not UTF-8, or no memory", path,
                shown);
}

static enum status add_metadata(json_t *header, const char *path,
                                const struct safetensors_pair *metadata, size_t count)
{
    if (count == 0)
        return OK;
    json_t *map = json_object();
    if (json_object_set_new(header, SAFETENSORS_METADATA_KEY, map) != 0)
        return header_failed(path, SAFETENSORS_METADATA_KEY);
    for (size_t i = 0; i < count; i++) {
        const char *key = metadata[i].key;
        if (!safetensors_name_ok(key) || json_object_get(map, key)) {
            char shown[128];
            safetensors_printable(key, shown, sizeof shown);
            return fail(ERR_USAGE, "%s: metadata key '%s' is empty, doubled or has control"
                        " characters", path, shown);
        }
        if (json_object_set_new(map, key, json_string(metadata[i].value)) != 0)
            return header_failed(path, key);
    }
    return OK;
}

static enum status add_tensor(json_t *header, const char *path,
                              const struct safetensors_tensor *tensor, size_t begin, size_t end)
{
    if (json_object_get(header, tensor->name))
        return fail(ERR_USAGE, "%s: there are two tensors named '%.120s'", path, tensor->name);
    json_t *shape = json_array();
    for (int i = 0; i < tensor->ndim; i++) {
        if (json_array_append_new(shape, json_integer(tensor->dim[i])) != 0) {
            json_decref(shape);
            return header_failed(path, tensor->name);
        }
    }
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype",
                              safetensors_dtype_name(tensor->dtype), "shape", shape,
                              "data_offsets", (json_int_t)begin, (json_int_t)end);
    if (json_object_set_new(header, tensor->name, entry) != 0)
        return header_failed(path, tensor->name);
    return OK;
}

/* begin[i]: where the data of tensor i goes. Wide elements first, so all are aligned. */
static enum status place_tensors(const char *path, const struct safetensors_tensor *tensors,
                                 size_t count, size_t *begin, size_t *end)
{
    size_t offset = 0;
    for (size_t width = WIDEST; width > 0; width /= 2) {
        for (size_t i = 0; i < count; i++) {
            size_t bytes;
            TRY(check_tensor(path, &tensors[i], &bytes));
            if (safetensors_dtype_bytes(tensors[i].dtype) != width)
                continue;
            begin[i] = offset;
            if (__builtin_add_overflow(offset, bytes, &offset) || offset > max_data)
                return fail(ERR_USAGE, "%s: its tensors are too large together", path);
            end[i] = offset;
        }
    }
    return OK;
}

static enum status build_header(json_t *header, const char *path,
                                const struct safetensors_tensor *tensors, size_t count,
                                const struct safetensors_pair *metadata, size_t metadata_count)
{
    size_t *begin = calloc(2 * count + 1, sizeof *begin), *end = begin + count;
    if (!begin)
        return fail(ERR_MEMORY, "%s: no memory for its header", path);
    enum status status = place_tensors(path, tensors, count, begin, end);
    if (status == OK)
        status = add_metadata(header, path, metadata, metadata_count);
    for (size_t i = 0; status == OK && i < count; i++)
        status = add_tensor(header, path, &tensors[i], begin[i], end[i]);
    free(begin);
    return status;
}

/* The header's text, preceded by its length, padded with spaces to a multiple of 8 bytes. */
static enum status write_header(struct atomic_file *out, const char *text)
{
    static const char spaces[] = "        ";
    uint64_t length = strlen(text);
    size_t padding = (ALIGN - length % ALIGN) % ALIGN;
    uint64_t padded = length + padding;
    if (padded > SAFETENSORS_MAX_HEADER) {
        const char *path = out->path;
        atomic_file_abort(out);
        return fail(ERR_USAGE, "%s: its header would have more than %d bytes", path,
                    SAFETENSORS_MAX_HEADER);
    }
    TRY(atomic_file_write(out, &padded, sizeof padded));
    TRY(atomic_file_write(out, text, length));
    return atomic_file_write(out, spaces, padding);
}

static enum status write_data(struct atomic_file *out, const struct safetensors_tensor *tensors,
                              size_t count)
{
    for (size_t width = WIDEST; width > 0; width /= 2) {
        for (size_t i = 0; i < count; i++) {
            size_t elements, bytes;
            bool fits = safetensors_size(&tensors[i], &elements, &bytes);
            CHECK(fits);
            if (safetensors_dtype_bytes(tensors[i].dtype) == width)
                TRY(atomic_file_write(out, tensors[i].data, bytes));
        }
    }
    return OK;
}

static enum status write_file(const char *path, const char *text,
                              const struct safetensors_tensor *tensors, size_t count)
{
    struct atomic_file out;
    TRY(atomic_file_open(&out, path));
    TRY(write_header(&out, text));
    TRY(write_data(&out, tensors, count));
    return atomic_file_commit(&out);
}

enum status safetensors_write(const char *path, const struct safetensors_tensor *tensors,
                              size_t count, const struct safetensors_pair *metadata,
                              size_t metadata_count)
{
    json_t *header = json_object();
    if (!header)
        return fail(ERR_MEMORY, "%s: no memory for its header", path);
    enum status status =
        build_header(header, path, tensors, count, metadata, metadata_count);
    char *text = status == OK ? json_dumps(header, JSON_COMPACT) : NULL;
    if (text)
        status = write_file(path, text, tensors, count);
    else if (status == OK)
        status = fail(ERR_MEMORY, "%s: no memory for its header", path);
    free(text);
    json_decref(header);
    return status;
}
