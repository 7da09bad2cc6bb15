/* One tensor of a safetensors file: types, sizes, names, conversion. Knows no header and no
 * file access: see safetensors.h. */
#include "bench/net/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied as they are stored");
_Static_assert(sizeof(size_t) == 8, "file offsets are kept in size_t");

static const struct {
    const char *name;
    size_t bytes;
} dtypes[SAFETENSORS_DTYPES] = {
    [SAFETENSORS_F32] = {"F32", 4},         [SAFETENSORS_F64] = {"F64", 8},
    [SAFETENSORS_F16] = {"F16", 2},         [SAFETENSORS_BF16] = {"BF16", 2},
    [SAFETENSORS_F8_E5M2] = {"F8_E5M2", 1}, [SAFETENSORS_F8_E4M3] = {"F8_E4M3", 1},
    [SAFETENSORS_I64] = {"I64", 8},         [SAFETENSORS_I32] = {"I32", 4},
    [SAFETENSORS_I16] = {"I16", 2},         [SAFETENSORS_I8] = {"I8", 1},
    [SAFETENSORS_U64] = {"U64", 8},         [SAFETENSORS_U32] = {"U32", 4},
    [SAFETENSORS_U16] = {"U16", 2},         [SAFETENSORS_U8] = {"U8", 1},
    [SAFETENSORS_BOOL] = {"BOOL", 1},
};

const char *safetensors_dtype_name(enum safetensors_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t safetensors_dtype_bytes(enum safetensors_dtype dtype)
{
    return dtypes[dtype].bytes;
}

bool safetensors_size(const struct safetensors_tensor *tensor, size_t *count, size_t *bytes)
{
    size_t product = 1;
    for (int i = 0; i < tensor->ndim; i++) {
        if (tensor->dim[i] < 0)
            return false;
        if (__builtin_mul_overflow(product, (size_t)tensor->dim[i], &product))
            return false;
    }
    *count = product;
    return !__builtin_mul_overflow(product, dtypes[tensor->dtype].bytes, bytes);
}

/* Bytes of the control character that `text` begins with; 0 when it begins with none. */
static int control_length(const char *text)
{
    unsigned char a = (unsigned char)text[0], b = (unsigned char)text[1];
    if (a < 0x20 || a == 0x7f)
        return 1;
    return a == 0xc2 && b >= 0x80 && b < 0xa0 ? 2 : 0;
}

bool safetensors_name_ok(const char *name)
{
    for (const char *at = name; *at; at++)
        if (control_length(at) > 0)
            return false;
    return *name != '\0';
}

void safetensors_printable(const char *text, char *out, size_t size)
{
    size_t used = 0;
    while (*text && used + 1 < size) {
        int control = control_length(text);
        out[used++] = control ? '?' : *text;
        text += control ? control : 1;
    }
    /* A character is not cut in two: back to its first byte, which goes too. */
    bool cut = (*text & 0xc0) == 0x80;
    while (cut && used > 0)
        cut = (out[--used] & 0xc0) == 0x80;
    out[used] = '\0';
}

void safetensors_shape_text(const struct safetensors_tensor *tensor, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (int i = 0; i < tensor->ndim && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRId64, i ? ", " : "",
                                 tensor->dim[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
}

static float float_from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16; every value is exact as a float. */
static float float_from_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0)
        return (sign ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
    return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

static void copy_half(const uint8_t *data, bool brain, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, data + 2 * i, sizeof half);
        out[i] = brain ? float_from_bits((uint32_t)half << 16) : float_from_half(half);
    }
}

/* Returns the index of the first number that a float cannot hold, `count` when there is none. */
static size_t copy_double(const uint8_t *data, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, data + 8 * i, sizeof value);
        out[i] = (float)value;
        if (isinf(out[i]) && !isinf(value))
            return i;
    }
    return count;
}

static enum status check_count(const struct safetensors *file,
                               const struct safetensors_tensor *tensor, size_t count)
{
    if (tensor->count == count)
        return OK;
    char shape[200];
    safetensors_shape_text(tensor, shape, sizeof shape);
    return fail(ERR_FORMAT, "%s: tensor '%.120s' has shape %s, %zu elements were expected",
                file->path, tensor->name, shape, count);
}

static enum status refuse_dtype(const struct safetensors *file,
                                const struct safetensors_tensor *tensor, const char *expected)
{
    return fail(ERR_FORMAT, "%s: tensor '%.120s' has type %s, %s was expected", file->path,
                tensor->name, safetensors_dtype_name(tensor->dtype), expected);
}

static enum status copy_scalar(const struct safetensors *file,
                               const struct safetensors_tensor *tensor, float *out)
{
    if (tensor->count != 1)
        return refuse_dtype(file, tensor, "F32, F64, F16 or BF16 (integers only as one number)");
    int64_t wide;
    int32_t narrow;
    if (tensor->dtype == SAFETENSORS_I64) {
        memcpy(&wide, tensor->data, sizeof wide);
        *out = (float)wide;
    } else {
        memcpy(&narrow, tensor->data, sizeof narrow);
        *out = (float)narrow;
    }
    return OK;
}

enum status safetensors_copy_f32(const struct safetensors *file,
                                 const struct safetensors_tensor *tensor, float *out,
                                 size_t count)
{
    TRY(check_count(file, tensor, count));
    switch (tensor->dtype) {
    case SAFETENSORS_F32:
        if (count > 0)
            memcpy(out, tensor->data, tensor->bytes);
        return OK;
    case SAFETENSORS_F64: {
        size_t done = copy_double(tensor->data, out, count);
        if (done < count)
            return fail(ERR_NUMERIC, "%s: tensor '%.120s': element %zu is beyond float",
                        file->path, tensor->name, done);
        return OK;
    }
    case SAFETENSORS_F16:
    case SAFETENSORS_BF16:
        copy_half(tensor->data, tensor->dtype == SAFETENSORS_BF16, out, count);
        return OK;
    case SAFETENSORS_I64:
    case SAFETENSORS_I32:
        return copy_scalar(file, tensor, out);
    default:
        return refuse_dtype(file, tensor, "F32, F64, F16 or BF16");
    }
}

void safetensors_done(const struct safetensors *file, const struct safetensors_tensor *tensor)
{
    input_map_done(&file->map, tensor->data, tensor->bytes);
}

enum status safetensors_copy_i64(const struct safetensors *file,
                                 const struct safetensors_tensor *tensor, int64_t *out,
                                 size_t count)
{
    TRY(check_count(file, tensor, count));
    if (tensor->dtype != SAFETENSORS_I64)
        return refuse_dtype(file, tensor, "I64");
    if (count > 0)
        memcpy(out, tensor->data, tensor->bytes);
    return OK;
}

uint64_t safetensors_checksum(const struct safetensors_tensor *tensor)
{
    return hash_bytes(HASH_START, tensor->data, tensor->bytes);
}
