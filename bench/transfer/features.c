/* Features on disk: see features.h. */
#include "bench/transfer/features.h"

#include "bench/net/input_file.h"
#include "impls/base/threads.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t hash_int(uint64_t hash, int64_t number)
{
    return hash_bytes(hash, &number, sizeof number);
}

/* Everything that does not train, running statistics included. */
static uint64_t hash_fixed(uint64_t hash, const struct params *params)
{
    for (int i = 0; i < params->count; i++) {
        const struct net_param *param = params->list[i];
        if (param->trainable)
            continue;
        hash = hash_text(hash, param->name);
        hash = hash_bytes(hash, param->p.data, param->p.count * sizeof(float));
    }
    return hash;
}

static uint64_t hash_images(uint64_t hash, const struct features_what *what)
{
    const struct session *session = what->session;
    const struct loader_config *config = what->config;
    hash = hash_text(hash_text(hash, session->data.hash), session->split.hash);
    hash = hash_bytes(hash, what->list->index, (size_t)what->list->n * sizeof *what->list->index);
    hash = hash_bytes(hash, &session->norm, sizeof session->norm);
    hash = hash_int(hash_int(hash, config->h), config->w);
    return hash_int(hash_int(hash, config->channels), config->batch);
}

void features_path(const struct features_what *what, char path[FEATURES_PATH])
{
    const struct session *session = what->session;
    size_t bytes = what->width * (size_t)what->list->n * sizeof(float);
    char version[160] = "";
    path[0] = '\0';
    if (!session->features || bytes > FEATURES_BYTES_MAX ||
        session->algorithms.rule != ALGORITHM_DIRECT)
        return;
    session->impl->version(version, sizeof version);
    uint64_t hash = hash_text(hash_text(HASH_START, session->impl->name), version);
    hash = hash_text(hash_text(hash, session->model.text), session->model.attention.text);
    hash = hash_int(hash_int(hash_int(hash, threads_get()), session->compose), what->node);
    hash = hash_images(hash_fixed(hash, session->net->params), what);
    if (snprintf(path, FEATURES_PATH, "%s/%016" PRIx64 ".safetensors", session->features, hash) >=
        FEATURES_PATH)
        path[0] = '\0';
}

bool features_read(const char *path, const struct features_what *what, float *values)
{
    struct safetensors file;
    size_t count = what->width * (size_t)what->list->n;
    if (!path[0] || access(path, R_OK) != 0 || safetensors_open(&file, path) != OK)
        return false;
    const struct safetensors_tensor *tensor = safetensors_find(&file, "features");
    bool good = tensor && tensor->count == count &&
                safetensors_copy_f32(&file, tensor, values, count) == OK;
    safetensors_close(&file);
    return good;
}

enum status features_write(const char *path, const struct features_what *what,
                           const float *values)
{
    const struct safetensors_tensor tensor = {.name = "features", .ndim = 2,
                                              .dim = {what->list->n, (int64_t)what->width},
                                              .data = values};
    return safetensors_write(path, &tensor, 1, NULL, 0);
}
