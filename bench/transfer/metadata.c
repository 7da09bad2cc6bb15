/* The metadata of weights files: see metadata.h; pictures are in picture_rule.c. */
#include "bench/transfer/metadata.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE_MAX = 4096 };

static enum status not_understood(const struct safetensors *file, const char *key,
                                  const char *expected)
{
    char value[96];
    safetensors_printable(safetensors_metadata(file, key), value, sizeof value);
    return fail(ERR_FORMAT, "%s: its metadata '%s' is '%s': %s was expected", file->path, key,
                value, expected);
}

/* Three numbers into `out`; *there tells whether the key is. */
static enum status read_triple(const struct safetensors *file, const char *key, bool positive,
                               float out[3], bool *there)
{
    const char *text = safetensors_metadata(file, key);
    char rest;
    *there = text != NULL;
    if (!text)
        return OK;
    bool sound = sscanf(text, "%f %f %f %c", &out[0], &out[1], &out[2], &rest) == 3;
    for (int i = 0; i < 3 && sound; i++)
        sound = isfinite(out[i]) && (!positive || out[i] > 0);
    return sound ? OK : not_understood(file, key, positive ? "three finite numbers above 0"
                                                           : "three finite numbers");
}

static enum status read_norm(const struct safetensors *file, struct weights_metadata *m)
{
    bool mean, std;
    m->norm = *normalisation_find("imagenet");
    TRY(read_triple(file, "mean", false, m->norm.mean, &mean));
    TRY(read_triple(file, "std", true, m->norm.std, &std));
    if (mean != std)
        return fail(ERR_FORMAT, "%s: its metadata have mean or std, not both", file->path);
    m->has_norm = mean;
    if (mean)
        m->norm.name = "of the weights file";
    return OK;
}

/* "28x28" into *h and *w, which stay 0 when the key is not there. */
static enum status read_size(const struct safetensors *file, const char *key, int *h, int *w)
{
    const char *text = safetensors_metadata(file, key);
    char rest;
    *h = *w = 0;
    if (!text || (sscanf(text, "%dx%d%c", h, w, &rest) == 2 && *h > 0 && *w > 0 &&
                  *h <= SIDE_MAX && *w <= SIDE_MAX))
        return OK;
    return not_understood(file, key, "HEIGHTxWIDTH in pixels");
}

static enum status read_class_names(const struct safetensors *file, struct weights_metadata *m)
{
    const char *text = safetensors_metadata(file, "class_names");
    json_t *list = text ? json_loads(text, 0, NULL) : NULL;
    size_t count = json_array_size(list);
    enum status status = OK;
    if (text && !json_is_array(list))
        status = not_understood(file, "class_names", "a JSON array of strings");
    if (status == OK && count > 0)
        m->class_names = calloc(count, sizeof *m->class_names);
    if (status == OK && count > 0 && !m->class_names)
        status = fail(ERR_MEMORY, "%s: out of memory for its class names", file->path);
    for (size_t i = 0; i < count && status == OK; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name)
            status = not_understood(file, "class_names", "a JSON array of strings");
        else
            safetensors_printable(name, m->class_names[i], CLASS_NAME_MAX);
    }
    m->class_count = (int)count;
    json_decref(list);
    return status;
}

static void read_words(const struct safetensors *file, const char *key,
                       char words[RULE_WORDS_MAX])
{
    const char *text = safetensors_metadata(file, key);
    safetensors_printable(text ? text : "", words, RULE_WORDS_MAX);
}

static enum status read_all(const struct safetensors *file, struct weights_metadata *m)
{
    int h, w;
    TRY(read_size(file, "input", &h, &w));
    m->input = h == w ? h : 0;
    TRY(read_size(file, "images", &m->stored_h, &m->stored_w));
    read_words(file, "resize", m->resize);
    read_words(file, "crop", m->crop);
    TRY(read_norm(file, m));
    return read_class_names(file, m);
}

enum status metadata_read(const struct safetensors *file, struct weights_metadata *metadata)
{
    *metadata = (struct weights_metadata){0};
    enum status status = read_all(file, metadata);
    if (status != OK)
        metadata_free(metadata);
    return status;
}

void metadata_free(struct weights_metadata *metadata)
{
    free(metadata->class_names);
    *metadata = (struct weights_metadata){0};
}
