/* Per-sample independence of one operation: opcheck_independent of opcheck.h. Compares two runs of
 * the implementation with each other; the oracle only carries the operands. */
#include "tests/opcheck.h"
#include "tests/oracle.h"
#include "tests/rig.h"

#include <stdlib.h>
#include <string.h>

/* Results of one run: dst, then the gradient of each source; owned copies. */
enum { COPIES = 1 + OP_MAX_SRC };

struct run {
    float *copy[COPIES];
    size_t count[COPIES];
};

static bool copy_result(struct rig *rig, struct run *run, int i, const struct guarded *g)
{
    run->count[i] = tensor_count(&g->map);
    run->copy[i] = calloc(run->count[i], sizeof(float));
    if (!run->copy[i])
        return rig_fault(rig, "no memory");
    for (size_t k = 0; k < run->count[i]; k++)
        run->copy[i][k] = *guarded_at(g, k);
    return true;
}

static bool execute(struct rig *rig, const struct oracle *operands, struct run *run)
{
    rig_load(rig, operands);
    if (!rig_forward(rig, 0xff) || !copy_result(rig, run, 0, rig_result(rig)))
        return false;
    if (!rig_backward(rig, 0xff, false))
        return false;
    for (int i = 0; i < op_sources(rig->desc.kind); i++)
        if (!copy_result(rig, run, 1 + i, &rig->diff_src[i]))
            return false;
    return true;
}

static void change(double *value, size_t count, size_t images)
{
    for (size_t i = count / images; i < 2 * count / images; i++)
        value[i] = 3 - 2 * value[i];
}

static void change_image_1(struct oracle *o)
{
    size_t images = (size_t)o->desc.src[0].n;
    for (int k = 0; k < op_sources(o->desc.kind); k++)
        change(o->src[k], o->count_src[k], images);
    change(o->diff_dst, o->count_dst, images);
    o->labels[1] = (o->labels[1] + 1) % o->desc.src[0].c;
}

/* All images but number 1 must be as before; image 1 must not, or nothing was tested. */
static bool compare(const struct rig *rig, const struct run *before, const struct run *after)
{
    static const char *const names[COPIES] = {"dst", "diff_src[0]", "diff_src[1]"};
    for (int k = 0; k < 1 + op_sources(rig->desc.kind); k++) {
        const float *was = before->copy[k], *is = after->copy[k];
        size_t image = before->count[k] / (size_t)rig->desc.src[0].n;
        if (image > 8 && memcmp(was + image, is + image, image * sizeof *was) == 0)
            return rig_fault(rig, "%s of image 1 does not depend on image 1", names[k]);
        for (size_t i = 0; i < before->count[k]; i++)
            if (i / image != 1 && memcmp(&was[i], &is[i], sizeof *was) != 0)
                return rig_fault(rig, "%s of image %zu changed with image 1 alone: %.9g, then %.9g",
                                 names[k], i / image, (double)was[i], (double)is[i]);
    }
    return true;
}

bool opcheck_independent(const struct impl *impl, struct impl_ctx *ctx,
                         const struct op_desc *desc, struct opcheck_result *result)
{
    const struct opcheck_variant v = {.data = OPCHECK_FLOAT, .train = true, .seed = 1,
                                      .want_src = (1u << op_sources(desc->kind)) - 1};
    struct rig rig;
    struct oracle operands = {0};
    struct run before = {0}, after = {0};
    memset(result, 0, sizeof *result);
    if (desc->src[0].n < 2 || (desc->kind == OP_BATCHNORM && desc->bn.batch_stats))
        return true;
    bool good = rig_make(&rig, impl, ctx, desc, &v, &result->text);
    if (good && oracle_make(&operands, &rig.desc) != OK)
        good = rig_fault(&rig, "%s", fail_text());
    if (good) {
        operands_fill(&operands, v.data, v.seed);
        good = execute(&rig, &operands, &before);
        change_image_1(&operands);
        good = good && execute(&rig, &operands, &after) && compare(&rig, &before, &after);
    }
    for (int i = 0; i < COPIES; i++) {
        free(before.copy[i]);
        free(after.copy[i]);
    }
    oracle_free(&operands);
    rig_free(&rig);
    return good;
}
