/* What impls/layer.h promises of memory, for the fused attention kernels with every instruction set
 * on 1 and 2 threads: nothing is written outside, nothing undefined is read, a repeated call gives
 * the same bits, and so do strided views and, in inference, working in place; gradients are added
 * where that is asked for. The numbers themselves are judged by test_fused_attention.c. */
#include "impls/base/threads.h"
#include "tests/attention_case.h"
#include "tests/guarded.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* One planned operation with guarded buffers for everything. */
struct stand {
    struct op_plan plan;
    struct op_args args;
    struct param param[OP_MAX_PARAM];
    struct guarded src[2], dst, diff_dst, diff_src[2], grad[OP_MAX_PARAM], save, scratch;
};

static void fill_map(struct guarded *g, uint64_t seed)
{
    for (size_t i = 0; i < tensor_count(&g->map); i++)
        *guarded_at(g, i) = (float)fused_bell(seed, i);
}

static void stand_params(struct stand *s, const struct net_node *node)
{
    for (int i = 0; i < OP_MAX_PARAM; i++) {
        if (!node->param[i])
            continue;
        s->param[i] = node->param[i]->p;
        s->args.param[i] = &s->param[i];
        if (!(s->plan.desc.want_diff_param >> i & 1))
            continue;
        attention_must(guarded_make_bytes(&s->grad[i], s->param[i].count * sizeof(float)));
        s->param[i].grad = (float *)(s->grad[i].block + s->grad[i].start);
    }
}

/* `wider`: how many channels more a pixel of each map takes than it has. */
static void stand_open(struct stand *s, const struct attention_case *site, const struct impl *impl,
                       int n, bool train, int wider)
{
    const struct net_node *node = attention_case_node(site);
    struct op_desc desc = node->desc;
    memset(s, 0, sizeof *s);
    desc.train = train;
    for (int i = 0; i < op_sources(desc.kind); i++) {
        desc.src[i].n = n;
        desc.src[i].stride = desc.src[i].c + wider;
        desc.want_diff_src |= (unsigned)train << i;
    }
    for (int i = 0; i < OP_MAX_PARAM && train; i++)
        desc.want_diff_param |= (unsigned)(node->param[i] && !node->param[i]->buffer) << i;
    desc.attention.batch_stats = train && n * desc.src[0].h * desc.src[0].w > 1;
    desc.dst = (struct tensor){.stride = desc.src[0].c + wider};
    attention_must(op_infer(&desc));
    attention_must(plan_make(&s->plan, impl, NULL, &desc));
    for (int i = 0; i < op_sources(desc.kind); i++) {
        attention_must(guarded_make_map(&s->src[i], &desc.src[i], wider / 2));
        attention_must(guarded_make_map(&s->diff_src[i], &desc.src[i], wider / 2));
        s->args.src[i] = s->src[i].map;
        s->args.diff_src[i] = s->diff_src[i].map;
    }
    attention_must(guarded_make_map(&s->dst, &desc.dst, wider / 2));
    attention_must(guarded_make_map(&s->diff_dst, &desc.dst, wider / 2));
    attention_must(guarded_make_bytes(&s->save, s->plan.save_bytes));
    attention_must(guarded_make_bytes(&s->scratch, s->plan.scratch_bytes));
    s->args.dst = s->dst.map;
    s->args.diff_dst = s->diff_dst.map;
    s->args.save = s->save.block + s->save.start;
    s->args.scratch = s->scratch.block + s->scratch.start;
    stand_params(s, node);
}

static void stand_close(struct stand *s)
{
    struct guarded *all[] = {&s->src[0], &s->src[1], &s->dst, &s->diff_dst, &s->diff_src[0],
                             &s->diff_src[1], &s->save, &s->scratch};
    plan_release(&s->plan);
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        guarded_free(all[i]);
    for (int i = 0; i < OP_MAX_PARAM; i++)
        guarded_free(&s->grad[i]);
}

static void expect_inside(struct guarded *g, const char *what)
{
    long offset;
    if (g->block && guarded_touched(g, true, &offset))
        fail_msg("%s: written %ld bytes from its start", what, offset);
}

static void expect_untouched(struct guarded *g, const char *what)
{
    if (g->block && guarded_touched(g, false, NULL))
        fail_msg("%s was written to", what);
}

static void snapshot(struct stand *s)
{
    struct guarded *all[] = {&s->src[0], &s->src[1], &s->dst, &s->diff_dst, &s->diff_src[0],
                             &s->diff_src[1], &s->save, &s->scratch};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        guarded_snapshot(all[i]);
    for (int i = 0; i < OP_MAX_PARAM; i++)
        guarded_snapshot(&s->grad[i]);
}

static void expect_clean(struct stand *s)
{
    expect_untouched(&s->src[1], "src[1]");
    expect_untouched(&s->diff_dst, "diff_dst");
    expect_inside(&s->src[0], "src[0]");
    expect_inside(&s->dst, "dst");
    expect_inside(&s->diff_src[0], "diff_src[0]");
    expect_inside(&s->diff_src[1], "diff_src[1]");
    expect_inside(&s->save, "save");
    expect_inside(&s->scratch, "scratch");
    for (int i = 0; i < OP_MAX_PARAM; i++)
        expect_inside(&s->grad[i], "a parameter's gradient");
}

static void add_map(struct fused_results *r, const char *name, const struct guarded *g)
{
    size_t count = tensor_count(&g->map);
    float *dense = malloc(count * sizeof *dense);
    assert_non_null(dense);
    for (size_t i = 0; i < count; i++)
        dense[i] = *guarded_at(g, i);
    fused_results_add(r, name, dense, count);
    free(dense);
}

/* Runs both passes, everything that is undefined filled with `poison`. `base`: gradients that are
 * there already and are to be added to, NULL: overwritten. */
static void stand_run(struct stand *s, const struct attention_case *site, int poison,
                      const float *base, struct fused_results *r)
{
    const int sources = op_sources(s->plan.desc.kind);
    struct guarded *undefined[] = {&s->dst, &s->diff_src[0], &s->diff_src[1], &s->save,
                                   &s->scratch};
    fused_fill_params(site->net->params, true);
    for (size_t i = 0; i < sizeof undefined / sizeof undefined[0]; i++)
        if (undefined[i]->block)
            guarded_poison(undefined[i], poison);
    for (int i = 0; i < sources; i++)
        fill_map(&s->src[i], (uint64_t)i + 1);
    fill_map(&s->diff_dst, 9);
    for (int i = 0; i < OP_MAX_PARAM; i++)
        for (size_t k = 0; s->grad[i].block && k < s->param[i].count; k++)
            s->param[i].grad[k] = base ? *base : NAN;
    for (int i = 0; i < sources && base; i++)
        for (size_t k = 0; k < tensor_count(&s->diff_src[i].map); k++)
            *guarded_at(&s->diff_src[i], k) = *base;
    s->args.add_diff_src = base ? 3 : 0;
    s->args.add_diff_param = base ? ~0u : 0;
    snapshot(s);
    attention_must(s->plan.entry->forward(&s->plan, &s->args));
    expect_clean(s);
    expect_untouched(&s->src[0], "src[0]");
    add_map(r, "dst", &s->dst);
    if (!s->plan.desc.train)
        return;
    guarded_poison(&s->scratch, poison);
    if (sources > 1)
        guarded_poison(&s->src[1], poison);
    snapshot(s);
    attention_must(s->plan.entry->backward(&s->plan, &s->args));
    expect_clean(s);
    expect_untouched(&s->save, "save, by backward,");
    for (int i = 0; i < sources; i++)
        add_map(r, "diff_src", &s->diff_src[i]);
    for (int i = 0; i < OP_MAX_PARAM; i++)
        if (s->grad[i].block)
            fused_results_add(r, "gradient", s->param[i].grad, s->param[i].count);
}

static void expect_equal_bits(const struct fused_results *a, const struct fused_results *b,
                              const char *what)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++)
        if (memcmp(a->list[i].data, b->list[i].data, a->list[i].count * sizeof(float)) != 0)
            fail_msg("%s: %s %d differs", what, a->list[i].name, i);
}

static void add_to_all(struct fused_results *r, float base)
{
    for (int i = 1; i < r->count; i++) /* all but dst */
        for (size_t k = 0; k < r->list[i].count; k++)
            r->list[i].data[k] += base;
}

static void check_memory(const struct impl *impl, const char *spec, const struct fused_shape *shape,
                         bool sum, bool train)
{
    const float base = 0.25f;
    struct fused_results first = {.count = 0}, again = {.count = 0}, apart = {.count = 0};
    struct fused_results added = {.count = 0};
    struct attention_case site;
    struct stand dense, strided;
    attention_case_open(&site, spec, shape, sum);
    stand_open(&dense, &site, impl, shape->n, train, 0);
    stand_open(&strided, &site, impl, shape->n, train, 6);
    stand_run(&dense, &site, 0xff, NULL, &first);
    stand_run(&dense, &site, 0x7f, NULL, &again);
    expect_equal_bits(&first, &again, "repeated");
    stand_run(&strided, &site, 0xff, NULL, &apart);
    expect_equal_bits(&first, &apart, "strided");
    stand_run(&dense, &site, 0xff, &base, &added);
    add_to_all(&first, base);
    assert_int_equal(fused_results_compare(&first, &added, "gradients that are added to"), 0);
    stand_close(&dense);
    stand_close(&strided);
    attention_case_close(&site);
    fused_results_free(&first);
    fused_results_free(&again);
    fused_results_free(&apart);
    fused_results_free(&added);
}

static void test_memory(void **state)
{
    struct impl impl = fused_borrower();
    (void)state;
    for (int w = 0; w < FUSED_WAYS; w++) {
        if (!fused_way_begin(fused_way_at(w)))
            continue;
        for (int s = 0; s < FUSED_SPECS; s++)
            for (int i = 0; i < FUSED_SHAPES; i++)
                if ((s + i + w) % 4 == 0)
                    check_memory(&impl, fused_specs[s], &fused_shapes[i], (s + i) & 1,
                                 (s + w / 2) & 1);
    }
}

static void check_in_place(const struct impl *impl, const char *spec,
                           const struct fused_shape *shape, bool sum)
{
    struct fused_results apart = {.count = 0}, in_place = {.count = 0};
    struct attention_case site;
    struct stand stand;
    attention_case_open(&site, spec, shape, sum);
    stand_open(&stand, &site, impl, shape->n, false, 0);
    stand_run(&stand, &site, 0xff, NULL, &apart);
    stand.args.dst = stand.src[0].map;
    attention_must(stand.plan.entry->forward(&stand.plan, &stand.args));
    add_map(&in_place, "dst", &stand.src[0]);
    expect_equal_bits(&apart, &in_place, spec);
    stand_close(&stand);
    attention_case_close(&site);
    fused_results_free(&apart);
    fused_results_free(&in_place);
}

static void test_in_place(void **state)
{
    struct impl impl = fused_borrower();
    (void)state;
    for (int w = 0; w < FUSED_WAYS; w++)
        for (int s = 0; s < FUSED_SPECS && fused_way_begin(fused_way_at(w)); s++)
            check_in_place(&impl, fused_specs[s], &fused_shapes[FUSED_SHAPES - 1 - (s + w) % 4],
                           s & 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_in_place),
    };
    (void)argc;
    threads_startup(argv); /* long spinning would make two threads on a busy machine crawl */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
