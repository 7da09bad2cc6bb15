/* `inspect`: what is in a weights file. */
#include "bench/net/safetensors.h"
#include "bench/report/table.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct options {
    const char *file;
    enum table_format format;
};

enum { KEY_FORMAT = 1000 };

static const struct argp_option keys[] = {
    {"format", KEY_FORMAT, "text|json|csv|md", 0, "how to print", 0}, {0}};

static enum status parse_key(struct options *o, int key, const char *arg)
{
    switch (key) {
    case KEY_FORMAT:
        return table_format_parse(arg, &o->format);
    case ARGP_KEY_ARG:
        if (o->file)
            return fail(ERR_USAGE, "'%s': one file at a time", arg);
        o->file = arg;
        return OK;
    default:
        return ERR_UNSUPPORTED;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    enum status status = parse_key(state->input, key, arg);
    return status == ERR_UNSUPPORTED ? ARGP_ERR_UNKNOWN : option_error(status);
}

static const struct table_column columns[] = {
    {.name = "name", .title = "tensor"},
    {.name = "dtype"},
    {.name = "shape"},
    {.name = "elements"},
    {.name = "bytes", .audience = TABLE_MACHINES},
    {.name = "checksum", .title = "FNV-1a of its bytes"},
};
enum { COLUMNS = sizeof columns / sizeof columns[0] };

static bool is_buffer(const char *name)
{
    static const char *const leaves[] = {"running_mean", "running_var", "num_batches_tracked"};
    const char *leaf = strrchr(name, '.');
    leaf = leaf ? leaf + 1 : name;
    for (int i = 0; i < 3; i++)
        if (strcmp(leaf, leaves[i]) == 0)
            return true;
    return false;
}

static void add_rows(struct table *table, const struct safetensors *file)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct safetensors_tensor *tensor = &file->tensors[i];
        char shape[256];
        safetensors_shape_text(tensor, shape, sizeof shape);
        table_row(table);
        table_text(table, "name", tensor->name);
        table_text(table, "dtype", safetensors_dtype_name(tensor->dtype));
        table_text(table, "shape", shape);
        table_number(table, "elements", (double)tensor->count);
        table_number(table, "bytes", (double)tensor->bytes);
        table_printf(table, "checksum", "%016" PRIx64, safetensors_checksum(tensor));
    }
}

static void add_metadata(struct table *table, const struct safetensors *file)
{
    json_t *metadata = json_object();
    for (size_t i = 0; i < file->metadata_count; i++) {
        const struct safetensors_pair *pair = &file->metadata[i];
        char value[400];
        json_object_set_new(metadata, pair->key, json_string(pair->value));
        safetensors_printable(pair->value, value, sizeof value);
        table_note(table, "%s: %s", pair->key, value);
    }
    table_meta(table, "metadata", metadata);
}

static void add_totals(struct table *table, const struct safetensors *file)
{
    double params = 0, buffers = 0, bytes = 0;
    for (size_t i = 0; i < file->count; i++) {
        const struct safetensors_tensor *tensor = &file->tensors[i];
        *(is_buffer(tensor->name) ? &buffers : &params) += (double)tensor->count;
        bytes += (double)tensor->bytes;
    }
    table_note(table, "%zu tensors of %.0f bytes: %.0f parameters, %.0f elements of buffers "
               "(running statistics of batch normalisation)", file->count, bytes, params, buffers);
    table_meta(table, "file", json_string(table_title(table)));
    table_meta(table, "tensors", json_integer((json_int_t)file->count));
    table_meta(table, "parameters", json_integer((json_int_t)params));
    table_meta(table, "buffers", json_integer((json_int_t)buffers));
    table_meta(table, "bytes", json_integer((json_int_t)bytes));
}

static enum status run(const struct options *o)
{
    struct safetensors file;
    char title[512];
    if (!o->file)
        return fail(ERR_USAGE, "a weights file is needed: cbam-bench inspect FILE");
    TRY(safetensors_open(&file, o->file));
    option_shown(o->file, title, sizeof title);
    struct table *table = table_new("inspect", title, columns, COLUMNS);
    add_rows(table, &file);
    add_totals(table, &file);
    add_metadata(table, &file);
    enum status status = table_write(table, o->format, stdout);
    table_free(table);
    safetensors_close(&file);
    return status;
}

int verb_inspect(int argc, char **argv)
{
    static const struct argp argp = {keys, parse, "FILE",
                                     "Tensors of a weights file (safetensors): names, types, "
                                     "shapes, checksums, metadata.", NULL, NULL, NULL};
    struct options o = {.format = TABLE_TEXT};
    enum status status = option_parse(&argp, "inspect", argc, argv, &o);
    if (status == OK)
        status = run(&o);
    return verb_fail("inspect", status);
}
