/* The fused attention kernels of impls/fused, with every instruction set that this processor has,
 * on 1 and 2 threads, against the composition of primitives on the first implementation: results,
 * gradients of both sources and of every parameter, running statistics; and what impls/layer.h
 * promises of memory: nothing is written outside, nothing undefined is read, a repeated call gives
 * the same bits, in place and on strided views too. */
#include "bench/net/attention.h"
#include "bench/net/fuse.h"
#include "bench/net/program.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "impls/fused/fused.h"
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

enum { SLOTS = OP_MAX_PARAM };

static const char *const isas[] = {"baseline", "avx2", "avx512"};
enum { ISAS = sizeof isas / sizeof isas[0] };

static void must(enum status status)
{
    if (status != OK)
        fail_msg("%s", fail_text());
}

/* ---- sites ---- */

static const char *const specs[] = {
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
enum { SPECS = sizeof specs / sizeof specs[0] };

static const struct shape {
    int n, h, w, c;
} shapes[] = {
    {6, 1, 1, 5}, {1, 1, 1, 3}, {4, 1, 2, 1}, {3, 4, 5, 1}, {1, 7, 7, 33}, {3, 7, 6, 16},
    {1, 13, 19, 70}, {5, 9, 11, 36}, {2, 40, 17, 260}, {1, 30, 8, 1030},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

enum trained { TRAIN_NOTHING, TRAIN_ALL, TRAIN_FIXED_BN, TRAIN_BN_ONLY, TRAIN_SOURCES };
enum values { VALUES_NORMAL, VALUES_TIED };

/* One site: y = attention(x) or relu(attention(x) + s), in both forms. */
struct site {
    struct attention_spec spec;
    struct net *net, *composed, *whole;
    int inputs[2];
    bool sum;
};

/* The first implementation, whose table borrows the fused entries. */
static struct impl borrower(void)
{
    struct impl impl = *impls[0];
    impl.ops[OP_ATTENTION] = &fused_attention;
    impl.ops[OP_ATTENTION_SUM] = &fused_attention_sum;
    return impl;
}

/* A number of a bell-shaped distribution with deviation 1, cheap enough for millions: four uniform
 * ones added. */
static double bell(uint64_t stream, size_t i)
{
    const uint64_t bits = random_mix(stream, i);
    double sum = 0;
    for (int k = 0; k < 4; k++)
        sum += (double)(bits >> (16 * k) & 0xffff) / 65536 - 0.5;
    return sum * sqrt(3);
}

/* Values of their own for parameters, none of them 0 or 1 by chance. Weights are as small as their
 * fan-in asks for: a saturated gate would make every rounding error large. */
static void fill_params(const struct params *params, bool buffers_alone)
{
    for (int i = 0; i < params->count; i++) {
        struct net_param *param = params->list[i];
        const bool variance = param->kind == OP_BATCHNORM && param->slot == 3;
        const double size = 1 / sqrt(param->fan_in > 4 ? param->fan_in : 4);
        const uint64_t stream = random_name(param->name);
        for (size_t k = 0; k < param->p.count && (param->buffer || !buffers_alone); k++) {
            double value = size * bell(stream, k);
            param->p.data[k] = (float)(variance ? 0.5 + fabs(value) : value);
        }
        param->p.version++;
    }
}

static void site_open(struct site *site, const struct impl *impl, const char *spec,
                      const struct shape *shape, bool sum)
{
    memset(site, 0, sizeof *site);
    must(attention_parse(spec, &site->spec));
    site->net = net_new();
    assert_non_null(site->net);
    site->sum = sum;
    site->inputs[0] = net_input(site->net, shape->h, shape->w, shape->c);
    if (sum)
        site->inputs[1] = net_input(site->net, shape->h, shape->w, shape->c);
    int y = attention_add(site->net, site->inputs[0], &site->spec, "");
    if (sum)
        y = net_relu(site->net, net_add(site->net, y, site->inputs[1]));
    must(site->net->error);
    site->net->output = y;
    fill_params(site->net->params, false);
    site->composed = net_lower(site->net);
    site->whole = net_fuse(site->net, impl, NULL, true);
    if (!site->composed || !site->whole)
        fail_msg("%s", fail_text());
}

static void site_close(struct site *site)
{
    net_free(site->composed);
    net_free(site->whole);
    net_free(site->net);
}

/* The one node of the fused form. */
static const struct net_node *site_node(const struct site *site)
{
    const struct net_node *found = NULL;
    for (int i = 0; i < site->whole->count; i++)
        if (site->whole->nodes[i].type == NODE_OP)
            found = found ? NULL : &site->whole->nodes[i];
    assert_non_null(found);
    assert_int_equal(found->desc.kind, site->sum ? OP_ATTENTION_SUM : OP_ATTENTION);
    return found;
}

static void choose_trained(const struct site *site, enum trained trained)
{
    for (int i = 0; i < site->net->params->count; i++) {
        struct net_param *param = site->net->params->list[i];
        bool bn = param->kind == OP_BATCHNORM;
        bool chosen = trained == TRAIN_ALL || (trained == TRAIN_FIXED_BN && !bn) ||
                      (trained == TRAIN_BN_ONLY && bn);
        param->trainable = chosen && !param->buffer;
    }
    must(params_prepare_training(site->net->params));
}

/* ---- what a run gives ---- */

struct outcome {
    float *data;
    size_t count;
    char name[PARAM_NAME];
};

enum { OUTCOMES = 3 + 2 * SLOTS };

struct results {
    struct outcome list[OUTCOMES];
    int count;
};

static void results_add(struct results *r, const char *name, const float *data, size_t count)
{
    struct outcome *o = &r->list[r->count++];
    assert_true(r->count <= OUTCOMES);
    snprintf(o->name, sizeof o->name, "%s", name);
    o->count = count;
    o->data = malloc(count * sizeof *data);
    assert_non_null(o->data);
    memcpy(o->data, data, count * sizeof *data);
}

static void results_free(struct results *r)
{
    for (int i = 0; i < r->count; i++)
        free(r->list[i].data);
    r->count = 0;
}

static void fill(struct tensor *t, uint64_t seed, enum values values)
{
    float *data = t->data;
    for (size_t i = 0; i < tensor_count(t); i++) {
        double x = bell(seed, i);
        data[i] = (float)(values == VALUES_TIED ? fmax(0, rint(x)) : x);
    }
}

static void add_gradients(const struct site *site, const struct program *program,
                          struct results *r)
{
    for (int i = 0; i < (site->sum ? 2 : 1); i++) {
        struct tensor dx = program_input_gradient(program, i);
        results_add(r, i ? "diff_src1" : "diff_src0", dx.data, tensor_count(&dx));
    }
    for (int i = 0; i < site->net->params->count; i++) {
        const struct net_param *param = site->net->params->list[i];
        if (param->trainable)
            results_add(r, param->name, param->p.grad, param->p.count);
    }
}

/* Runs one form with fresh parameters. A NaN in a gradient that is not written shows. */
static void run_form(const struct site *site, const struct net *form, const struct impl *impl,
                     int batch, enum trained trained, enum values values, struct results *r)
{
    struct program *program;
    fill_params(site->net->params, true);
    struct program_request request = {
        .impl = impl, .net = form, .batch = batch, .train = trained != TRAIN_NOTHING,
        .inputs = site->inputs, .input_count = site->sum ? 2 : 1,
        .input_gradients = trained != TRAIN_NOTHING};
    must(program_compile(&program, &request));
    for (int i = 0; i < request.input_count; i++) {
        struct tensor x = program_input(program, i);
        fill(&x, (uint64_t)i + 1, values);
    }
    must(program_forward(program));
    struct tensor y = program_output(program, 0);
    results_add(r, "dst", y.data, tensor_count(&y));
    if (request.train) {
        struct tensor dy = program_output_gradient(program);
        fill(&dy, 7, VALUES_NORMAL);
        for (int i = 0; i < site->net->params->count; i++)
            if (site->net->params->list[i]->trainable)
                memset(site->net->params->list[i]->p.grad, 0xff,
                       site->net->params->list[i]->p.count * sizeof(float));
        must(program_backward(program));
        add_gradients(site, program, r);
    }
    for (int i = 0; i < site->net->params->count; i++)
        if (site->net->params->list[i]->buffer)
            results_add(r, site->net->params->list[i]->name, site->net->params->list[i]->p.data, 1);
    program_free(program);
}

static double norm_of(const struct outcome *o)
{
    double sum = 0;
    for (size_t i = 0; i < o->count; i++)
        sum += (double)o->data[i] * (double)o->data[i];
    return sqrt(sum);
}

/* A gradient of few numbers may cancel: behind batch statistics that of a bias or of the only weight
 * is zero but for rounding. It is measured by the largest gradient of all parameters. */
static bool may_cancel(const struct outcome *o)
{
    return strchr(o->name, '.') && (o->count <= 32 || strstr(o->name, "conv"));
}

static double scale_of(const struct results *r, int i)
{
    double scale = norm_of(&r->list[i]);
    for (int k = 0; k < r->count && may_cancel(&r->list[i]); k++)
        if (strchr(r->list[k].name, '.') && !strstr(r->list[k].name, "running"))
            scale = fmax(scale, norm_of(&r->list[k]));
    return scale;
}

static int compare(const struct results *due, const struct results *got, const char *what)
{
    int wrong = 0;
    assert_int_equal(due->count, got->count);
    for (int i = 0; i < due->count; i++) {
        const struct outcome *a = &due->list[i], *b = &got->list[i];
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

/* ---- instruction sets and threads ---- */

struct way {
    const char *isa;
    int threads;
};

enum { WAYS = 2 * ISAS };

static struct way way_at(int i)
{
    return (struct way){isas[i / 2], 1 + i % 2};
}

/* False where this machine has no such threads or instructions. */
static bool way_begin(struct way way)
{
    struct impl impl = borrower();
    struct op_desc desc = {.kind = OP_ATTENTION, .src = {tensor_dense(NULL, 1, 3, 3, 4)}};
    struct op_plan plan;
    char how[32];
    if (way.threads > threads_available())
        return false;
    must(threads_set(way.threads));
    setenv("CBAM_BENCH_ISA", way.isa, 1);
    desc.attention.spatial = true;
    desc.attention.k = 3;
    must(op_infer(&desc));
    if (plan_make(&plan, &impl, NULL, &desc) != OK)
        return false;
    snprintf(how, sizeof how, "fused attention:%s", way.isa);
    assert_string_equal(plan.how, how);
    plan_release(&plan);
    return true;
}

/* ---- against the composition ---- */

/* The composition once, the fused form in every way. */
static int check_mode(const struct site *site, const struct impl *impl, const struct shape *shape,
                      enum trained trained)
{
    static const char *const modes[] = {"inference", "all", "fixed bn", "bn alone", "sources"};
    const enum values values = trained & 1 ? VALUES_TIED : VALUES_NORMAL;
    struct results due = {.count = 0};
    int wrong = 0;
    choose_trained(site, trained);
    run_form(site, site->composed, impls[0], shape->n, trained, values, &due);
    for (int w = 0; w < WAYS; w++) {
        const struct way way = way_at(w);
        struct results got = {.count = 0};
        char what[256];
        if (!way_begin(way))
            continue;
        snprintf(what, sizeof what, "%s, %d threads, %s%s, n%d h%d w%d c%d, %s", way.isa,
                 way.threads, site->spec.text, site->sum ? " + shortcut" : "", shape->n, shape->h,
                 shape->w, shape->c, modes[trained]);
        run_form(site, site->whole, impl, shape->n, trained, values, &got);
        wrong += compare(&due, &got, what);
        results_free(&got);
    }
    results_free(&due);
    return wrong;
}

static bool is_large(const struct shape *shape)
{
    return shape->h * shape->w * shape->c > 65536;
}

static void test_equals_composition(void **state)
{
    struct impl impl = borrower();
    int wrong = 0;
    (void)state;
    for (int s = 0; s < SPECS; s++)
        for (int i = 0; i < SHAPES; i++) {
            const struct shape *shape = &shapes[i];
            struct site site;
            if (is_large(shape) && (s + i) % 4)
                continue;
            site_open(&site, &impl, specs[s], shape, (s + i) & 1);
            site_node(&site);
            for (int t = TRAIN_NOTHING; t <= TRAIN_SOURCES; t++)
                if (!site.spec.bn || shape->n * shape->h * shape->w > 1 ||
                    (t != TRAIN_ALL && t != TRAIN_BN_ONLY))
                    wrong += check_mode(&site, &impl, shape, (enum trained)t);
            site_close(&site);
        }
    assert_int_equal(wrong, 0);
}

/* ---- memory ---- */

/* One planned operation with guarded buffers for everything. */
struct stand {
    struct op_plan plan;
    struct op_args args;
    struct param param[SLOTS];
    struct guarded src[2], dst, diff_dst, diff_src[2], grad[SLOTS], save, scratch;
};

static void fill_map(struct guarded *g, uint64_t seed)
{
    for (size_t i = 0; i < tensor_count(&g->map); i++)
        *guarded_at(g, i) = (float)bell(seed, i);
}

static void stand_params(struct stand *s, const struct net_node *node)
{
    for (int i = 0; i < SLOTS; i++) {
        if (!node->param[i])
            continue;
        s->param[i] = node->param[i]->p;
        s->args.param[i] = &s->param[i];
        if (!(s->plan.desc.want_diff_param >> i & 1))
            continue;
        must(guarded_make_bytes(&s->grad[i], s->param[i].count * sizeof(float)));
        s->param[i].grad = (float *)(s->grad[i].block + s->grad[i].start);
    }
}

/* `wider`: how many channels more a pixel of each map takes than it has. */
static void stand_open(struct stand *s, const struct site *site, const struct impl *impl, int n,
                       bool train, int wider)
{
    const struct net_node *node = site_node(site);
    struct op_desc desc = node->desc;
    memset(s, 0, sizeof *s);
    desc.train = train;
    for (int i = 0; i < op_sources(desc.kind); i++) {
        desc.src[i].n = n;
        desc.src[i].stride = desc.src[i].c + wider;
        desc.want_diff_src |= (unsigned)train << i;
    }
    for (int i = 0; i < SLOTS && train; i++)
        desc.want_diff_param |= (unsigned)(node->param[i] && !node->param[i]->buffer) << i;
    desc.attention.batch_stats = train && n * desc.src[0].h * desc.src[0].w > 1;
    desc.dst = (struct tensor){.stride = desc.src[0].c + wider};
    must(op_infer(&desc));
    must(plan_make(&s->plan, impl, NULL, &desc));
    for (int i = 0; i < op_sources(desc.kind); i++) {
        must(guarded_make_map(&s->src[i], &desc.src[i], wider / 2));
        must(guarded_make_map(&s->diff_src[i], &desc.src[i], wider / 2));
        s->args.src[i] = s->src[i].map;
        s->args.diff_src[i] = s->diff_src[i].map;
    }
    must(guarded_make_map(&s->dst, &desc.dst, wider / 2));
    must(guarded_make_map(&s->diff_dst, &desc.dst, wider / 2));
    must(guarded_make_bytes(&s->save, s->plan.save_bytes));
    must(guarded_make_bytes(&s->scratch, s->plan.scratch_bytes));
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
    for (int i = 0; i < SLOTS; i++)
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
    for (int i = 0; i < SLOTS; i++)
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
    for (int i = 0; i < SLOTS; i++)
        expect_inside(&s->grad[i], "a parameter's gradient");
}

static void add_map(struct results *r, const char *name, const struct guarded *g)
{
    size_t count = tensor_count(&g->map);
    float *dense = malloc(count * sizeof *dense);
    assert_non_null(dense);
    for (size_t i = 0; i < count; i++)
        dense[i] = *guarded_at(g, i);
    results_add(r, name, dense, count);
    free(dense);
}

/* Runs both passes, everything that is undefined filled with `poison`. `base`: gradients that are
 * there already and are to be added to, NULL: overwritten. */
static void stand_run(struct stand *s, const struct site *site, int poison, const float *base,
                      struct results *r)
{
    const int sources = op_sources(s->plan.desc.kind);
    struct guarded *undefined[] = {&s->dst, &s->diff_src[0], &s->diff_src[1], &s->save,
                                   &s->scratch};
    fill_params(site->net->params, true);
    for (size_t i = 0; i < sizeof undefined / sizeof undefined[0]; i++)
        if (undefined[i]->block)
            guarded_poison(undefined[i], poison);
    for (int i = 0; i < sources; i++)
        fill_map(&s->src[i], (uint64_t)i + 1);
    fill_map(&s->diff_dst, 9);
    for (int i = 0; i < SLOTS; i++)
        for (size_t k = 0; s->grad[i].block && k < s->param[i].count; k++)
            s->param[i].grad[k] = base ? *base : NAN;
    for (int i = 0; i < sources && base; i++)
        for (size_t k = 0; k < tensor_count(&s->diff_src[i].map); k++)
            *guarded_at(&s->diff_src[i], k) = *base;
    s->args.add_diff_src = base ? 3 : 0;
    s->args.add_diff_param = base ? ~0u : 0;
    snapshot(s);
    must(s->plan.entry->forward(&s->plan, &s->args));
    expect_clean(s);
    expect_untouched(&s->src[0], "src[0]");
    add_map(r, "dst", &s->dst);
    if (!s->plan.desc.train)
        return;
    guarded_poison(&s->scratch, poison);
    if (sources > 1)
        guarded_poison(&s->src[1], poison);
    snapshot(s);
    must(s->plan.entry->backward(&s->plan, &s->args));
    expect_clean(s);
    expect_untouched(&s->save, "save, by backward,");
    for (int i = 0; i < sources; i++)
        add_map(r, "diff_src", &s->diff_src[i]);
    for (int i = 0; i < SLOTS; i++)
        if (s->grad[i].block)
            results_add(r, "gradient", s->param[i].grad, s->param[i].count);
}

static void expect_equal_bits(const struct results *a, const struct results *b, const char *what)
{
    assert_int_equal(a->count, b->count);
    for (int i = 0; i < a->count; i++)
        if (memcmp(a->list[i].data, b->list[i].data, a->list[i].count * sizeof(float)) != 0)
            fail_msg("%s: %s %d differs", what, a->list[i].name, i);
}

static void add_to_all(struct results *r, float base)
{
    for (int i = 1; i < r->count; i++) /* all but dst */
        for (size_t k = 0; k < r->list[i].count; k++)
            r->list[i].data[k] += base;
}

static void check_memory(const struct impl *impl, const char *spec, const struct shape *shape,
                         bool sum, bool train)
{
    const float base = 0.25f;
    struct results first = {.count = 0}, again = {.count = 0}, apart = {.count = 0};
    struct results added = {.count = 0};
    struct site site;
    struct stand dense, strided;
    site_open(&site, impl, spec, shape, sum);
    stand_open(&dense, &site, impl, shape->n, train, 0);
    stand_open(&strided, &site, impl, shape->n, train, 6);
    stand_run(&dense, &site, 0xff, NULL, &first);
    stand_run(&dense, &site, 0x7f, NULL, &again);
    expect_equal_bits(&first, &again, "repeated");
    stand_run(&strided, &site, 0xff, NULL, &apart);
    expect_equal_bits(&first, &apart, "strided");
    stand_run(&dense, &site, 0xff, &base, &added);
    add_to_all(&first, base);
    assert_int_equal(compare(&first, &added, "gradients that are added to"), 0);
    stand_close(&dense);
    stand_close(&strided);
    site_close(&site);
    results_free(&first);
    results_free(&again);
    results_free(&apart);
    results_free(&added);
}

static void test_memory(void **state)
{
    struct impl impl = borrower();
    (void)state;
    for (int w = 0; w < WAYS; w++) {
        if (!way_begin(way_at(w)))
            continue;
        for (int s = 0; s < SPECS; s++)
            for (int i = 0; i < SHAPES; i++)
                if ((s + i + w) % 4 == 0)
                    check_memory(&impl, specs[s], &shapes[i], (s + i) & 1, (s + w / 2) & 1);
    }
}

static void check_in_place(const struct impl *impl, const char *spec, const struct shape *shape,
                           bool sum)
{
    struct results apart = {.count = 0}, in_place = {.count = 0};
    struct site site;
    struct stand stand;
    site_open(&site, impl, spec, shape, sum);
    stand_open(&stand, &site, impl, shape->n, false, 0);
    stand_run(&stand, &site, 0xff, NULL, &apart);
    stand.args.dst = stand.src[0].map;
    must(stand.plan.entry->forward(&stand.plan, &stand.args));
    add_map(&in_place, "dst", &stand.src[0]);
    expect_equal_bits(&apart, &in_place, spec);
    stand_close(&stand);
    site_close(&site);
    results_free(&apart);
    results_free(&in_place);
}

static void test_in_place(void **state)
{
    struct impl impl = borrower();
    (void)state;
    for (int w = 0; w < WAYS; w++)
        for (int s = 0; s < SPECS && way_begin(way_at(w)); s++)
            check_in_place(&impl, specs[s], &shapes[SHAPES - 1 - (s + w) % 4], s & 1);
}

/* ---- numbers that are none ---- */

static void check_nan(const struct impl *impl, const char *spec)
{
    struct program *program[2];
    struct site site;
    site_open(&site, impl, spec, &shapes[6], false);
    for (int form = 0; form < 2; form++) {
        struct program_request request = {.impl = form ? impl : impls[0], .batch = 2,
                                          .net = form ? site.whole : site.composed,
                                          .inputs = site.inputs, .input_count = 1};
        must(program_compile(&program[form], &request));
        struct tensor x = program_input(program[form], 0);
        fill(&x, 1, VALUES_NORMAL);
        ((float *)x.data)[12345 % tensor_count(&x)] = NAN;
        must(program_forward(program[form]));
    }
    struct tensor due = program_output(program[0], 0), got = program_output(program[1], 0);
    for (size_t i = 0; i < tensor_count(&due); i++)
        if (!isnan(((float *)due.data)[i]) != !isnan(((float *)got.data)[i]))
            fail_msg("%s: element %zu is %g, not %g", spec, i, (double)((float *)got.data)[i],
                     (double)((float *)due.data)[i]);
    program_free(program[0]);
    program_free(program[1]);
    site_close(&site);
}

/* A NaN in the map must not vanish in a maximum: the result shows it as the composition does. */
static void test_nan_shows(void **state)
{
    struct impl impl = borrower();
    (void)state;
    for (int w = 0; w < WAYS; w++)
        for (int s = 0; s < SPECS && way_begin(way_at(w)); s++)
            check_nan(&impl, specs[s]);
}

/* ---- refusals ---- */

static void expect_refused(const struct impl *impl, const struct op_desc *given,
                           enum status expected, const char *fragment)
{
    struct op_desc desc = *given;
    struct op_plan plan;
    must(op_infer(&desc));
    enum status status = plan_make(&plan, impl, NULL, &desc);
    if (status != expected || !strstr(fail_text(), fragment))
        fail_msg("status %d, '%s' instead of '%s'", (int)status, fail_text(), fragment);
}

static void test_refusals(void **state)
{
    struct impl impl = borrower();
    struct op_desc desc = {.kind = OP_ATTENTION, .train = true,
                           .src = {tensor_dense(NULL, 1, 1, 1, 4)}};
    (void)state;
    unsetenv("CBAM_BENCH_ISA");
    desc.attention.spatial = true;
    desc.attention.k = 4;
    expect_refused(&impl, &desc, ERR_UNSUPPORTED, "kernel size 4");
    desc.attention.k = 3;
    desc.attention.with_bn = desc.attention.batch_stats = true;
    expect_refused(&impl, &desc, ERR_USAGE, "more than one value");
    desc.train = false;
    setenv("CBAM_BENCH_ISA", "avx1024", 1);
    expect_refused(&impl, &desc, ERR_USAGE, "CBAM_BENCH_ISA=avx1024");
    unsetenv("CBAM_BENCH_ISA");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equals_composition), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_in_place),           cmocka_unit_test(test_nan_shows),
        cmocka_unit_test(test_refusals),
    };
    (void)argc;
    threads_startup(argv); /* long spinning would make two threads on a busy machine crawl */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
