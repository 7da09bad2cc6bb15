/* Orientation out of EXIF data: see exif.h. Every offset comes from the file, so every read is
 * checked. */
#include "datasets/exif.h"

#include <stdbool.h>
#include <string.h>

enum { TAG_ORIENTATION = 274, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY = 12, UPRIGHT = 1 };

struct reader {
    const uint8_t *data;
    size_t size;
    bool big_endian;
};

/* A number of `bytes` bytes at `at`; 0 beyond the end, which no caller takes for an answer. */
static uint32_t number(const struct reader *r, size_t at, size_t bytes)
{
    uint32_t value = 0;
    if (at > r->size || bytes > r->size - at)
        return 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | r->data[at + (r->big_endian ? i : bytes - 1 - i)];
    return value;
}

static bool open_reader(struct reader *r, const uint8_t *tiff, size_t size)
{
    *r = (struct reader){tiff, size, false};
    if (size < 8)
        return false;
    r->big_endian = memcmp(tiff, "MM", 2) == 0;
    return (r->big_endian || memcmp(tiff, "II", 2) == 0) && number(r, 2, 2) == 42;
}

/* The value of the entry at `at`, when that is one number of a whole type; else 0. */
static uint32_t entry_value(const struct reader *r, size_t at)
{
    uint32_t type = number(r, at + 2, 2), count = number(r, at + 4, 4);
    if (count != 1 || (type != TYPE_SHORT && type != TYPE_LONG))
        return 0;
    return number(r, at + 8, type == TYPE_SHORT ? 2 : 4);
}

int exif_orientation(const uint8_t *tiff, size_t size)
{
    struct reader r;
    if (!open_reader(&r, tiff, size))
        return UPRIGHT;
    size_t directory = number(&r, 4, 4);
    size_t entries = number(&r, directory, 2);
    for (size_t i = 0; i < entries; i++) {
        size_t at = directory + 2 + i * ENTRY;
        if (number(&r, at, 2) != TAG_ORIENTATION)
            continue;
        uint32_t value = entry_value(&r, at);
        return value >= 1 && value <= 8 ? (int)value : UPRIGHT;
    }
    return UPRIGHT;
}
