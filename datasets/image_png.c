/* PNG through libpng: any bit depth and colour type to 8-bit RGB, transparency laid on white. See
 * image_codec.h. Gamma, colour profiles and background chunks are not looked at. */
#include "datasets/image_codec.h"

#include "datasets/exif.h"
#include "impls/base/memory.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* All that outlives a longjmp() is here, none of it in a local variable of the function that
 * called setjmp(). */
struct job {
    jmp_buf jump;
    char reason[128];
    const struct bytes *file;
    size_t position;
    png_structp png;
    png_infop info;
    struct image *out;
    uint8_t *pixels; /* `channels` bytes a pixel: out->pixels, or a buffer of its own with alpha */
    png_bytep *rows;
    int channels;
    int orientation;
};

static void on_error(png_structp png, png_const_charp message)
{
    struct job *job = png_get_error_ptr(png);
    snprintf(job->reason, sizeof job->reason, "%s", message);
    longjmp(job->jump, 1);
}

/* libpng warns of what does not touch the pixels. */
static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct job *job = png_get_io_ptr(png);
    if (n > job->file->size - job->position)
        png_error(png, "it is cut off");
    memcpy(to, job->file->data + job->position, n);
    job->position += n;
}

/* Text, profiles and the like are skipped unread: they can be huge when unpacked. A wrong checksum
 * is an error anywhere. */
static void set_rules(struct job *job)
{
    png_set_read_fn(job->png, job, on_read);
    png_set_crc_action(job->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_user_limits(job->png, IMAGE_SIDE_MAX, IMAGE_SIDE_MAX);
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep)"eXIf", 1);
}

/* Everything becomes 8-bit RGB, or RGBA where there is transparency; 16 bits lose the low byte. */
static void set_transforms(struct job *job)
{
    png_set_expand(job->png);
    png_set_strip_16(job->png);
    png_set_gray_to_rgb(job->png);
    png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    job->channels = png_get_channels(job->png, job->info);
    CHECK(job->channels == 3 || job->channels == 4);
    CHECK(png_get_rowbytes(job->png, job->info) ==
          (size_t)job->out->w * (size_t)job->channels);
}

static enum status allocate(struct job *job)
{
    const size_t row = (size_t)job->out->w * (size_t)job->channels;
    job->pixels = job->out->pixels;
    if (job->channels == 4)
        job->pixels = memory_alloc(row * (size_t)job->out->h);
    job->rows = memory_alloc((size_t)job->out->h * sizeof *job->rows);
    if (!job->pixels || !job->rows)
        return ERR_MEMORY;
    for (int y = 0; y < job->out->h; y++)
        job->rows[y] = job->pixels + (size_t)y * row;
    return OK;
}

static enum status read_head(struct job *job)
{
    if (setjmp(job->jump))
        return fail(ERR_FORMAT, "is a damaged PNG: %s", job->reason);
    job->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning);
    job->info = job->png ? png_create_info_struct(job->png) : NULL;
    if (!job->info)
        return fail(ERR_MEMORY, "no memory for libpng");
    set_rules(job);
    png_read_info(job->png, job->info);
    TRY(image_alloc(job->out, png_get_image_height(job->png, job->info),
                    png_get_image_width(job->png, job->info)));
    set_transforms(job);
    return OK;
}

/* eXIf may stand behind the pixels. */
static void find_orientation(struct job *job)
{
    png_uint_32 size = 0;
    png_bytep data = NULL;
    if (png_get_eXIf_1(job->png, job->info, &size, &data) && data)
        job->orientation = exif_orientation(data, size);
}

static enum status read_pixels(struct job *job)
{
    if (setjmp(job->jump))
        return fail(ERR_FORMAT, "is a damaged PNG: %s", job->reason);
    png_read_image(job->png, job->rows);
    png_read_end(job->png, job->info);
    find_orientation(job);
    return OK;
}

/* a v + (1 - a) white, rounded to the nearest. */
static uint8_t on_white(unsigned value, unsigned alpha)
{
    return (uint8_t)((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

static void lay_on_white(const struct job *job)
{
    const size_t pixels = (size_t)job->out->h * (size_t)job->out->w;
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < 3; c++)
            job->out->pixels[3 * p + c] = on_white(job->pixels[4 * p + c], job->pixels[4 * p + 3]);
}

static enum status decode(struct job *job)
{
    TRY(read_head(job));
    TRY(allocate(job));
    TRY(read_pixels(job));
    if (job->channels == 4)
        lay_on_white(job);
    return OK;
}

enum status image_png_decode(struct image *out, const struct bytes *file, int *orientation)
{
    struct job job = {.file = file, .out = out, .orientation = 1};
    enum status status = decode(&job);
    if (job.png)
        png_destroy_read_struct(&job.png, &job.info, NULL);
    if (job.pixels != out->pixels)
        memory_free(job.pixels);
    memory_free(job.rows);
    *orientation = job.orientation;
    return status;
}
