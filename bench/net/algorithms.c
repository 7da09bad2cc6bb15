/* Choosing the algorithms of convolutions: see algorithms.h. */
#include "bench/net/algorithms.h"

#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "impls/ops.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* By the rule of `winograd`: 4x4 tiles, but 2x2 where so few of them cover the map that their many
 * transformed weights cost more than the multiplications that they save. */
enum { FEW_TILES = 12, FEW_CHANNELS = 8 };

const char *algorithm_name(enum conv_algorithm algorithm)
{
    static const char *const names[CONV_ALGORITHMS] = {"direct", "winograd2", "winograd4"};
    return names[algorithm];
}

void algorithms_name(const struct algorithms *algorithms, char name[ALGORITHM_NAME])
{
    uint64_t digest = 0;
    if (!algorithms || algorithms->rule != ALGORITHM_AUTO) {
        const bool winograd = algorithms && algorithms->rule == ALGORITHM_WINOGRAD;
        snprintf(name, ALGORITHM_NAME, "%s", winograd ? "winograd" : "direct");
        return;
    }
    for (int i = 0; i < algorithms->count; i++) {
        const struct decision *d = &algorithms->list[i];
        char text[2 * ALGORITHM_TEXT];
        snprintf(text, sizeof text, "%s|%s|%d|%u|%s", d->text, d->impl, d->threads, d->gradients,
                 algorithm_name(d->algorithm));
        digest += random_name(text);
    }
    snprintf(name, ALGORITHM_NAME, "auto-%016" PRIx64, digest);
}

enum status algorithms_parse(const char *option, const char *text, struct algorithms *out)
{
    *out = (struct algorithms){.rule = ALGORITHM_DIRECT};
    if (strcmp(text, "direct") == 0)
        return OK;
    if (strcmp(text, "winograd") == 0) {
        out->rule = ALGORITHM_WINOGRAD;
        return OK;
    }
    const bool file = strncmp(text, "auto:", 5) == 0 && text[5];
    if (strcmp(text, "auto") != 0 && !file)
        return fail(ERR_USAGE, "%s %s: direct, winograd, auto or auto:FILE was expected", option,
                    text);
    out->rule = ALGORITHM_AUTO;
    out->path = file ? text + 5 : NULL;
    return file && access(out->path, F_OK) == 0 ? algorithms_read(out, out->path) : OK;
}

void algorithms_free(struct algorithms *algorithms)
{
    free(algorithms->list);
    *algorithms = (struct algorithms){.rule = ALGORITHM_DIRECT};
}

static enum conv_algorithm by_rule(const struct op_desc *d)
{
    const int tiles = d->dst.n * ((d->dst.h + 3) / 4) * ((d->dst.w + 3) / 4);
    if (!op_fits_winograd(d) || d->src[0].c < FEW_CHANNELS || d->conv.oc < FEW_CHANNELS)
        return CONV_DIRECT;
    return tiles < FEW_TILES ? CONV_WINOGRAD2 : CONV_WINOGRAD4;
}

static void describe(const struct impl *impl, const struct op_desc *desc, struct decision *out)
{
    *out = (struct decision){.threads = threads_get(), .algorithm = CONV_DIRECT,
                             .gradients = desc->train ? (desc->want_diff_src & 1u) |
                                                            (desc->want_diff_param & 1u) << 1
                                                      : 0};
    for (int i = 0; i < CONV_ALGORITHMS; i++)
        out->ms[i] = out->error[i] = NAN;
    snprintf(out->impl, sizeof out->impl, "%s", impl->name);
    op_print(desc, out->text, sizeof out->text);
}

static const struct decision *find(const struct algorithms *algorithms,
                                   const struct decision *wanted)
{
    for (int i = 0; i < algorithms->count; i++) {
        const struct decision *d = &algorithms->list[i];
        if (d->threads == wanted->threads && d->gradients == wanted->gradients &&
            strcmp(d->text, wanted->text) == 0 && strcmp(d->impl, wanted->impl) == 0)
            return d;
    }
    return NULL;
}

static enum status add(struct algorithms *algorithms, const struct decision *decision)
{
    struct decision *list =
        realloc(algorithms->list, ((size_t)algorithms->count + 1) * sizeof *list);
    if (!list)
        return fail(ERR_MEMORY, "out of memory for the algorithms of convolutions");
    algorithms->list = list;
    list[algorithms->count++] = *decision;
    return algorithms->path ? algorithms_write(algorithms, algorithms->path) : OK;
}

enum status algorithms_choose(struct algorithms *algorithms, const struct impl *impl,
                              struct impl_ctx *ctx, const struct op_desc *desc,
                              enum conv_algorithm *algorithm)
{
    struct decision wanted;
    *algorithm = CONV_DIRECT;
    if (!algorithms || algorithms->rule == ALGORITHM_DIRECT || !op_fits_winograd(desc))
        return OK;
    if (algorithms->rule == ALGORITHM_WINOGRAD) {
        *algorithm = by_rule(desc);
        return OK;
    }
    describe(impl, desc, &wanted);
    const struct decision *known = find(algorithms, &wanted);
    if (!known && (algorithms->fixed || !algorithms->decide))
        return OK;
    if (!known) {
        TRY(algorithms->decide(impl, ctx, desc, &wanted));
        TRY(add(algorithms, &wanted));
        known = &wanted;
    }
    *algorithm = known->algorithm;
    return OK;
}
