/* Gates as files: see gate_dump.h. */
#include "bench/verbs/gate_dump.h"

#include "bench/net/npy.h"
#include "bench/report/grey_png.h"
#include "bench/report/table.h"
#include "bench/verbs/options.h"
#include "impls/base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_TEXT = 4096, VISIBLE = 224 };

struct gate_values {
    const char *site;
    int node, h, w, c;  /* shape for one image: one channel, or 1 x 1 pixels */
    bool spatial;
    float *values;      /* images x h x w x c */
};

static enum status make_folder(const char *dir)
{
    struct stat info;
    if (mkdir(dir, 0777) == 0)
        return OK;
    if (errno == EEXIST && stat(dir, &info) == 0 && S_ISDIR(info.st_mode))
        return OK;
    return fail(ERR_IO, "--dump-gates %s: the folder cannot be made: %s", dir, strerror(errno));
}

static enum status add_gate(struct gate_dump *dump, const struct net_site *site, bool spatial)
{
    int node = spatial ? site->spatial_gate : site->channel_gate;
    if (node == NO_NODE)
        return OK;
    struct tensor shape = net_shape(dump->net, node);
    struct gate_values *gate = &dump->gates[dump->count++];
    *gate = (struct gate_values){.site = site->name[0] ? site->name : "attention", .node = node,
                                 .h = shape.h, .w = shape.w, .c = shape.c, .spatial = spatial};
    gate->values = memory_alloc((size_t)dump->images * tensor_count(&shape) * sizeof(float));
    return gate->values ? OK : ERR_MEMORY;
}

static enum status add_gates(struct gate_dump *dump)
{
    dump->gates = calloc(2 * (size_t)dump->net->site_count + 1, sizeof *dump->gates);
    if (!dump->gates)
        return fail(ERR_MEMORY, "out of memory for the list of gates");
    for (int i = 0; i < dump->net->site_count; i++) {
        TRY(add_gate(dump, &dump->net->sites[i], false));
        TRY(add_gate(dump, &dump->net->sites[i], true));
    }
    if (dump->count == 0)
        return fail(ERR_USAGE, "--dump-gates: this network has no gates (--attention none)");
    return OK;
}

enum status gate_dump_open(struct gate_dump *dump, const char *dir, const struct net *net,
                           int images)
{
    int side = net_shape(net, net->input).h;
    *dump = (struct gate_dump){.dir = dir, .net = net, .images = images,
                               .least = side > VISIBLE ? side : VISIBLE};
    enum status status = add_gates(dump);
    if (status == OK)
        status = make_folder(dir);
    if (status != OK)
        gate_dump_close(dump);
    return status;
}

void gate_dump_close(struct gate_dump *dump)
{
    for (int i = 0; i < dump->count; i++)
        memory_free(dump->gates[i].values);
    free(dump->gates);
    *dump = (struct gate_dump){0};
}

int gate_dump_outputs(const struct gate_dump *dump, int *ids)
{
    for (int i = 0; ids && i < dump->count; i++)
        ids[i] = dump->gates[i].node;
    return dump->count;
}

static size_t gate_floats(const struct gate_values *gate)
{
    return (size_t)gate->h * (size_t)gate->w * (size_t)gate->c;
}

void gate_dump_take(struct gate_dump *dump, const struct program *program, int output, int image,
                    int n)
{
    CHECK(image + n <= dump->images);
    for (int i = 0; i < dump->count; i++) {
        const struct gate_values *gate = &dump->gates[i];
        struct tensor value = program_output(program, output + i);
        memcpy(gate->values + (size_t)image * gate_floats(gate), value.data,
               (size_t)n * gate_floats(gate) * sizeof(float));
    }
}

static enum status gate_path(const struct gate_dump *dump, const char *site, const char *end,
                             char path[PATH_TEXT])
{
    if (snprintf(path, PATH_TEXT, "%s/%s%s", dump->dir, site, end) < PATH_TEXT)
        return OK;
    return fail(ERR_USAGE, "--dump-gates: the name of the folder is too long");
}

static enum status write_pictures(const struct gate_dump *dump, const struct gate_values *gate,
                                  int n)
{
    for (int i = 0; i < n; i++) {
        char path[PATH_TEXT], end[64];
        snprintf(end, sizeof end, ".spatial.%04d.png", i);
        TRY(gate_path(dump, gate->site, end, path));
        TRY(grey_png_write(path, gate->values + (size_t)i * gate_floats(gate), gate->h, gate->w,
                           dump->least));
    }
    return OK;
}

static enum status write_gate(const struct gate_dump *dump, const struct gate_values *gate, int n)
{
    char path[PATH_TEXT];
    const int channel[] = {n, gate->c}, spatial[] = {n, gate->h, gate->w};
    TRY(gate_path(dump, gate->site, gate->spatial ? ".spatial.npy" : ".channel.npy", path));
    TRY(npy_write(path, gate->spatial ? 3 : 2, gate->spatial ? spatial : channel, gate->values));
    return gate->spatial ? write_pictures(dump, gate, n) : OK;
}

static enum status write_list(const struct gate_dump *dump, const char *const *names, int n)
{
    static const struct table_column columns[] = {{.name = "image"}, {.name = "file"}};
    char path[PATH_TEXT];
    TRY(gate_path(dump, "images", ".csv", path));
    struct table *table = table_new("images", "Images", columns, 2);
    for (int i = 0; i < n; i++) {
        char shown[1024];
        option_shown(names[i], shown, sizeof shown);
        table_row(table);
        table_number(table, "image", i);
        table_text(table, "file", shown);
    }
    enum status status = table_save(table, TABLE_CSV, path);
    table_free(table);
    return status;
}

enum status gate_dump_write(const struct gate_dump *dump, const char *const *names, int n)
{
    for (int i = 0; i < dump->count; i++)
        TRY(write_gate(dump, &dump->gates[i], n));
    return write_list(dump, names, n);
}
