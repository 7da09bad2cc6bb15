/* JPEG through libjpeg-turbo: baseline, progressive and arithmetic; grey, colour and CMYK to 8-bit
 * RGB. See image_codec.h. Colour profiles are not looked at. */
#include "datasets/image_codec.h"

#include "datasets/exif.h"
#include "impls/base/memory.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

/* A progressive file may repeat its scans without end, each as costly as a whole picture. */
enum { SCANS_MAX = 500, SEGMENT_MAX = 65535 };

static const char exif_head[] = "Exif\0"; /* and the string's own NUL: six bytes */

/* All that outlives a longjmp() is here, none of it in a local variable of the function that
 * called setjmp(). */
struct job {
    struct jpeg_error_mgr errors; /* first: libjpeg hands back its address */
    struct jpeg_progress_mgr progress;
    struct jpeg_decompress_struct jpeg;
    jmp_buf jump;
    char reason[JMSG_LENGTH_MAX];
    struct image *out;
    uint8_t *line; /* a row of CMYK pixels; NULL for other pictures */
    int orientation;
};

static void stop(j_common_ptr jpeg)
{
    struct job *job = (struct job *)jpeg->err;
    job->errors.format_message(jpeg, job->reason);
    longjmp(job->jump, 1);
}

/* Warnings that leave every pixel as it was meant: an unknown transform code of the Adobe marker,
 * a newer JFIF version, odd fields of a sequential scan, stray bytes between segments. */
static bool is_harmless(int code)
{
    return code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR || code == JWRN_NOT_SEQUENTIAL ||
           code == JWRN_EXTRANEOUS_DATA;
}

/* Level -1 is a warning: libjpeg would go on with invented pixels. Others are traces. */
static void on_message(j_common_ptr jpeg, int level)
{
    if (level < 0 && !is_harmless(jpeg->err->msg_code))
        stop(jpeg);
}

static void on_progress(j_common_ptr jpeg)
{
    struct job *job = (struct job *)jpeg->err;
    if (job->jpeg.input_scan_number <= SCANS_MAX)
        return;
    snprintf(job->reason, sizeof job->reason, "more than %d scans", SCANS_MAX);
    longjmp(job->jump, 1);
}

static int find_orientation(const struct jpeg_decompress_struct *jpeg)
{
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
        if (m->data_length >= sizeof exif_head &&
            memcmp(m->data, exif_head, sizeof exif_head) == 0)
            return exif_orientation(m->data + sizeof exif_head,
                                    m->data_length - sizeof exif_head);
    return 1;
}

/* Grey and colour become RGB in libjpeg; it does not turn CMYK into RGB, but YCCK into CMYK. */
static enum status choose_colours(struct jpeg_decompress_struct *jpeg)
{
    switch (jpeg->jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_RGB:
    case JCS_YCbCr:
        jpeg->out_color_space = JCS_RGB;
        return OK;
    case JCS_CMYK:
    case JCS_YCCK:
        jpeg->out_color_space = JCS_CMYK;
        return OK;
    default:
        return fail(ERR_FORMAT, "is a JPEG of %d components: 1 (grey), 3 (colour) or 4 (CMYK) "
                    "were expected", jpeg->num_components);
    }
}

/* a b / 255, rounded to the nearest. */
static unsigned multiply(unsigned a, unsigned b)
{
    return (a * b + 127) / 255;
}

/* Files hold CMYK as Adobe writes it: 255 is no ink. So black leaves k of the light, and cyan
 * takes (255 - c) 255ths of that away from red; likewise magenta from green, yellow from blue. */
static void cmyk_to_rgb(const uint8_t *cmyk, int pixels, uint8_t *rgb)
{
    for (int x = 0; x < pixels; x++, cmyk += 4)
        for (int c = 0; c < 3; c++)
            *rgb++ = (uint8_t)(cmyk[3] - multiply(255u - cmyk[c], cmyk[3]));
}

static void read_rows(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *row = job->out->pixels + 3 * (size_t)jpeg->output_scanline * (size_t)job->out->w;
        JSAMPROW target = job->line ? job->line : row;
        if (jpeg_read_scanlines(jpeg, &target, 1) == 1 && job->line)
            cmyk_to_rgb(job->line, job->out->w, row);
    }
}

static enum status decode_image(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    TRY(image_alloc(job->out, jpeg->image_height, jpeg->image_width));
    TRY(choose_colours(jpeg));
    if (jpeg->out_color_space == JCS_CMYK) {
        job->line = memory_alloc((size_t)job->out->w * 4);
        if (!job->line)
            return ERR_MEMORY;
    }
    jpeg->dct_method = JDCT_ISLOW; /* the exact one: the same pixels as Pillow and torchvision */
    jpeg_start_decompress(jpeg);
    CHECK(jpeg->output_width == jpeg->image_width && jpeg->output_height == jpeg->image_height);
    read_rows(job);
    jpeg_finish_decompress(jpeg);
    return OK;
}

static void open_errors(struct job *job)
{
    job->jpeg.err = jpeg_std_error(&job->errors);
    job->errors.error_exit = stop;
    job->errors.emit_message = on_message;
    job->progress.progress_monitor = on_progress;
}

static enum status decode(struct job *job, const struct bytes *file)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    if (setjmp(job->jump))
        return fail(ERR_FORMAT, "is a JPEG that cannot be decoded: %s", job->reason);
    jpeg_create_decompress(jpeg);
    jpeg->progress = &job->progress;
    jpeg_mem_src(jpeg, file->data, file->size);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, SEGMENT_MAX);
    jpeg_read_header(jpeg, TRUE);
    job->orientation = find_orientation(jpeg);
    return decode_image(job);
}

enum status image_jpeg_decode(struct image *out, const struct bytes *file, int *orientation)
{
    struct job *job = memory_alloc(sizeof *job);
    if (!job)
        return ERR_MEMORY;
    job->out = out;
    open_errors(job);
    enum status status = decode(job, file);
    *orientation = job->orientation;
    jpeg_destroy_decompress(&job->jpeg);
    memory_free(job->line);
    memory_free(job);
    return status;
}
