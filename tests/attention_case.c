/* What the tests of fused attention share: see attention_case.h. */
#include "tests/attention_case.h"

#include "bench/net/fuse.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "impls/fused/fused.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

const char *const fused_specs[FUSED_SPECS] = {
    "cbam", "cbam:r=2:k=3", "cbam:r=1:k=1", "cbam:bias=off:bn=off", "cbam:planes=mean-max:r=4",
    "cbam:scale=2:r=3", "cbam:cpool=avg", "cbam:cpool=max:k=9", "cbam:gate=article:r=2",
    "cbam:inner", "cbam:alpha:r=2", "cbam:spool=conv1x1:r=2", "cbam:spool=conv1x1:order=parallel",
    "cbam:spool=conv1x1:order=spatial-first:k=3", "cbam-article:r=2", "cbam-article:bn=on:k=5",
    "cbam-article:order=parallel", "cbam-article:order=spatial-first", "se", "se:r=2:inner",
    "se:alpha", "cbam-channel:r=3", "cbam-channel:gate=article", "cbam-spatial",
    "cbam-spatial:bn=off:k=3", "cbam-spatial:spool=conv1x1", "cbam-parallel:r=2",
    "cbam-spatial-first:r=2", "cbam-spatial-first:scale=2:alpha", "cbam-light:r=4",
    "cbam-light:bias=on:bn=off", "cbam-light:order=spatial-first",
};

const struct fused_shape fused_shapes[FUSED_SHAPES] = {
    {6, 1, 1, 5}, {1, 1, 1, 3}, {4, 1, 2, 1}, {3, 4, 5, 1}, {1, 7, 7, 33}, {3, 7, 6, 16},
    {1, 13, 19, 70}, {5, 9, 11, 36}, {13, 1, 1, 70}, {65, 1, 1, 509}, {21, 3, 2, 270},
    {9, 8, 8, 260}, {2, 40, 17, 260}, {1, 30, 8, 1030},
};

void attention_must(enum status status)
{
    if (status != OK)
        fail_msg("%s", fail_text());
}

struct impl fused_borrower(void)
{
    struct impl impl = *impls[0];
    impl.ops[OP_ATTENTION] = &fused_attention;
    impl.ops[OP_ATTENTION_SUM] = &fused_attention_sum;
    return impl;
}

/* Four uniform numbers added. */
double fused_bell(uint64_t stream, size_t i)
{
    const uint64_t bits = random_mix(stream, i);
    double sum = 0;
    for (int k = 0; k < 4; k++)
        sum += (double)(bits >> (16 * k) & 0xffff) / 65536 - 0.5;
    return sum * sqrt(3);
}

void fused_fill_params(const struct params *params, bool buffers_alone)
{
    for (int i = 0; i < params->count; i++) {
        struct net_param *param = params->list[i];
        const bool variance = param->kind == OP_BATCHNORM && param->slot == 3;
        const double size = 1 / sqrt(param->fan_in > 4 ? param->fan_in : 4);
        const uint64_t stream = random_name(param->name);
        for (size_t k = 0; k < param->p.count && (param->buffer || !buffers_alone); k++) {
            double value = size * fused_bell(stream, k);
            param->p.data[k] = (float)(variance ? 0.5 + fabs(value) : value);
        }
        param->p.version++;
    }
}

void attention_case_open(struct attention_case *site, const char *spec,
                         const struct fused_shape *shape, bool sum)
{
    const struct impl impl = fused_borrower();
    memset(site, 0, sizeof *site);
    attention_must(impl.open(&site->ctx));
    attention_must(attention_parse(spec, &site->spec));
    site->net = net_new();
    assert_non_null(site->net);
    site->sum = sum;
    site->inputs[0] = net_input(site->net, shape->h, shape->w, shape->c);
    if (sum)
        site->inputs[1] = net_input(site->net, shape->h, shape->w, shape->c);
    int y = attention_add(site->net, site->inputs[0], &site->spec, "");
    if (sum)
        y = net_relu(site->net, net_add(site->net, y, site->inputs[1]));
    attention_must(site->net->error);
    site->net->output = y;
    fused_fill_params(site->net->params, false);
    site->composed = net_lower(site->net);
    site->whole = net_fuse(site->net, &impl, site->ctx, true);
    if (!site->composed || !site->whole)
        fail_msg("%s", fail_text());
}

void attention_case_close(struct attention_case *site)
{
    net_free(site->composed);
    net_free(site->whole);
    net_free(site->net);
    impls[0]->close(site->ctx);
}

const struct net_node *attention_case_node(const struct attention_case *site)
{
    const struct net_node *found = NULL;
    for (int i = 0; i < site->whole->count; i++)
        if (site->whole->nodes[i].type == NODE_OP)
            found = found ? NULL : &site->whole->nodes[i];
    assert_non_null(found);
    assert_int_equal(found->desc.kind, site->sum ? OP_ATTENTION_SUM : OP_ATTENTION);
    return found;
}

void fused_results_add(struct fused_results *r, const char *name, const float *data, size_t count)
{
    struct fused_outcome *o = &r->list[r->count++];
    assert_true(r->count <= FUSED_OUTCOMES);
    snprintf(o->name, sizeof o->name, "%s", name);
    o->count = count;
    o->data = malloc(count * sizeof *data);
    assert_non_null(o->data);
    memcpy(o->data, data, count * sizeof *data);
}

void fused_results_free(struct fused_results *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->list[i].data);
    r->count = 0;
}

static double norm_of(const struct fused_outcome *o)
{
    double sum = 0;
    for (size_t i = 0; i < o->count; i++)
        sum += (double)o->data[i] * (double)o->data[i];
    return sqrt(sum);
}

/* A gradient of few numbers may cancel: behind batch statistics that of a bias or of the only
 * weight is zero but for rounding. It is measured by the largest gradient of all parameters. */
static bool may_cancel(const struct fused_outcome *o)
{
    return strchr(o->name, '.') && (o->count <= 32 || strstr(o->name, "conv"));
}

static double scale_of(const struct fused_results *r, int i)
{
    double scale = norm_of(&r->list[i]);
    for (int k = 0; k < r->count && may_cancel(&r->list[i]); k++)
        if (strchr(r->list[k].name, '.') && !strstr(r->list[k].name, "running"))
            scale = fmax(scale, norm_of(&r->list[k]));
    return scale;
}

int fused_results_compare(const struct fused_results *due, const struct fused_results *got,
                          const char *what)
{
    int wrong = 0;
    assert_int_equal(due->count, got->count);
    for (int i = 0; i < due->count; i++) {
        const struct fused_outcome *a = &due->list[i], *b = &got->list[i];
        double sum = 0;
        assert_string_equal(a->name, b->name);
        for (size_t k = 0; k < a->count; k++) {
            double apart = (double)a->data[k] - (double)b->data[k];
            sum += apart * apart;
        }
        if (!(sqrt(sum) <= 1e-5 * scale_of(due, i)) && wrong++ < 4)
            print_error("%s: %s differs by %.2g of %.2g\n", what, a->name, sqrt(sum),
                        scale_of(due, i));
    }
    return wrong;
}

static const char *const isas[] = {"baseline", "avx2", "avx512"};

struct fused_way fused_way_at(int i)
{
    return (struct fused_way){isas[i / 2], 1 + i % 2};
}

bool fused_way_begin(struct fused_way way)
{
    struct impl impl = fused_borrower();
    struct op_desc desc = {.kind = OP_ATTENTION, .src = {tensor_dense(NULL, 1, 3, 3, 4)}};
    struct op_plan plan;
    char how[32];
    if (way.threads > threads_available())
        return false;
    attention_must(threads_set(way.threads));
    setenv("CBAM_BENCH_ISA", way.isa, 1);
    desc.attention.spatial = true;
    desc.attention.k = 3;
    attention_must(op_infer(&desc));
    if (plan_make(&plan, &impl, NULL, &desc) != OK)
        return false;
    snprintf(how, sizeof how, "fused attention:%s", way.isa);
    assert_string_equal(plan.how, how);
    plan_release(&plan);
    return true;
}
