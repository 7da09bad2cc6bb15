/* Memory of the program itself: see memory_of.h. */
#include "tests/memory_of.h"

#include "bench/models/model.h"
#include "bench/net/npy.h"
#include "bench/net/weights.h"
#include "tests/command.h"
#include "tests/temp_dir.h"

static void write_weights(const char *path, const char *model)
{
    static struct model_spec spec; /* the network points into it */
    struct net *net = NULL;
    if (model_parse(model, "none", &spec) != OK || model_build(&spec, &net) != OK)
        fail_msg("%s: %s", model, fail_text());
    params_init(net->params, 1);
    if (weights_save(path, net->params, NULL, 0) != OK)
        fail_msg("%s", fail_text());
    net_free(net);
}

static void write_image(const char *path, int size)
{
    const int shape[] = {1, 3, size, size};
    float *pixels = calloc(3 * (size_t)size * (size_t)size, sizeof *pixels);
    assert_non_null(pixels);
    assert_int_equal(npy_write(path, 4, shape, pixels), OK);
    free(pixels);
}

struct memory memory_of_predict(const char *folder, const char *model, const char *impl, int size)
{
    struct command c;
    struct stat info;
    char weights[600], image[600];
    snprintf(weights, sizeof weights, "%s/w", folder);
    snprintf(image, sizeof image, "%s/x.npy", folder);
    write_weights(weights, model);
    write_image(image, size);
    command_ok(&c, "predict --model %s --weights '%s' --impl %s --threads 1 --format json '%s'",
               model, weights, impl, image);
    json_t *json = command_json(&c);
    assert_int_equal(stat(weights, &info), 0);
    struct memory memory = {command_number(json, "rss_mb"), command_number(json, "peak_rss_mb"),
                            (double)info.st_size / (1 << 20)};
    json_decref(json);
    command_free(&c);
    return memory;
}

struct memory memory_of_latency(const char *options)
{
    struct command c;
    command_ok(&c, "latency --samples 1 --format json %s", options);
    json_t *json = command_json(&c);
    const json_t *row = json_array_get(command_member(json, "rows"), 0);
    struct memory memory = {command_number(row, "rss_mb"), command_number(row, "peak_rss_mb"), 0};
    json_decref(json);
    command_free(&c);
    return memory;
}
