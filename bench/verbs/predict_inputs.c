/* The inputs of `predict`: see predict_inputs.h. */
#include "bench/verbs/predict_inputs.h"

#include "bench/net/input_file.h"
#include "bench/verbs/options.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC = 6 };

/* By name, or by content where the file can be read. */
static bool is_npy(const char *path)
{
    struct input_file file;
    char magic[MAGIC];
    size_t length = strlen(path);
    if (length > 4 && strcmp(path + length - 4, ".npy") == 0)
        return true;
    bool found = input_file_open(&file, path) == OK && file.bytes >= MAGIC &&
                 input_file_read(&file, magic, MAGIC) == OK &&
                 memcmp(magic, "\x93NUMPY", MAGIC) == 0;
    input_file_close(&file);
    return found;
}

static enum status check_array(const struct npy_array *array, const char *path)
{
    if (array->ndim != 4)
        return fail(ERR_FORMAT, "%s: 4 dimensions N,C,H,W are needed, it has %d", path,
                    array->ndim);
    if (array->count == 0)
        return fail(ERR_FORMAT, "%s: it holds no image", path);
    if (array->dim[1] != 3)
        return fail(ERR_FORMAT, "%s: the network takes 3 channels, it has %d", path,
                    array->dim[1]);
    return OK;
}

enum status predict_inputs_open(struct predict_inputs *inputs, const char *const *paths,
                                int path_count)
{
    *inputs = (struct predict_inputs){.paths = paths, .path_count = path_count,
                                      .count = path_count};
    for (int i = 0; i < path_count; i++) {
        if (!is_npy(paths[i]))
            continue;
        if (path_count > 1)
            return fail(ERR_USAGE, "%s: a .npy file is an input of its own: no other beside it",
                        paths[i]);
        inputs->is_npy = true;
    }
    if (!inputs->is_npy)
        return OK;
    TRY(npy_read(&inputs->array, paths[0]));
    enum status status = check_array(&inputs->array, paths[0]);
    inputs->count = inputs->array.dim[0];
    if (status != OK)
        predict_inputs_close(inputs);
    return status;
}

void predict_inputs_close(struct predict_inputs *inputs)
{
    npy_release(&inputs->array);
    *inputs = (struct predict_inputs){0};
}

/* One image from C,H,W planes to H,W,C pixels. */
static void to_nhwc(const float *planes, int c, int pixels, float *out)
{
    for (int p = 0; p < pixels; p++)
        for (int k = 0; k < c; k++)
            out[(size_t)p * (size_t)c + (size_t)k] =
                planes[(size_t)k * (size_t)pixels + (size_t)p];
}

/* Reads image `number`; says what is wrong with it. */
static bool read_image(struct predict_inputs *inputs, int number, float *out)
{
    const int *dim = inputs->array.dim;
    struct image image = {0};
    if (inputs->is_npy) {
        size_t floats = (size_t)dim[1] * (size_t)dim[2] * (size_t)dim[3];
        to_nhwc(inputs->array.data + (size_t)number * floats, dim[1], dim[2] * dim[3], out);
        return true;
    }
    enum status status = image_read(&image, inputs->paths[number]);
    if (status == OK)
        status = picture_rule_apply(&inputs->rule, &image, out);
    image_free(&image);
    if (status != OK) {
        verb_fail("predict", status);
        inputs->failed++;
    }
    return status == OK;
}

int predict_inputs_fill(struct predict_inputs *inputs, int batch, float *images, int *numbers)
{
    const struct npy_array *array = &inputs->array;
    size_t floats = inputs->is_npy
                        ? (size_t)array->dim[1] * (size_t)array->dim[2] * (size_t)array->dim[3]
                        : (size_t)inputs->rule.input * (size_t)inputs->rule.input * 3;
    int n = 0;
    for (; n < batch && inputs->next < inputs->count; inputs->next++) {
        if (!read_image(inputs, inputs->next, images + (size_t)n * floats))
            continue;
        numbers[n++] = inputs->next;
    }
    return n;
}

void predict_inputs_name(const struct predict_inputs *inputs, int i, char *text, size_t size)
{
    char path[1024];
    option_shown(inputs->paths[inputs->is_npy ? 0 : i], path, sizeof path);
    if (inputs->is_npy)
        snprintf(text, size, "%s[%d]", path, i);
    else
        snprintf(text, size, "%s", path);
}
