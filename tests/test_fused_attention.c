/* The fused attention kernels of impls/fused, with every instruction set that this processor has,
 * on 1 and 2 threads, against the composition of primitives on the first implementation: results,
 * gradients of both sources and of every parameter, running statistics, a NaN; and what is
 * refused. */
#include "bench/net/program.h"
#include "impls/base/threads.h"
#include "tests/attention_case.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum trained { TRAIN_NOTHING, TRAIN_ALL, TRAIN_FIXED_BN, TRAIN_BN_ONLY, TRAIN_SOURCES };
enum values { VALUES_NORMAL, VALUES_TIED };

static void choose_trained(const struct attention_case *site, enum trained trained)
{
    for (int i = 0; i < site->net->params->count; i++) {
        struct net_param *param = site->net->params->list[i];
        bool bn = param->kind == OP_BATCHNORM;
        bool chosen = trained == TRAIN_ALL || (trained == TRAIN_FIXED_BN && !bn) ||
                      (trained == TRAIN_BN_ONLY && bn);
        param->trainable = chosen && !param->buffer;
    }
    attention_must(params_prepare_training(site->net->params));
}

static void fill(struct tensor *t, uint64_t seed, enum values values)
{
    float *data = t->data;
    for (size_t i = 0; i < tensor_count(t); i++) {
        double x = fused_bell(seed, i);
        data[i] = (float)(values == VALUES_TIED ? fmax(0, rint(x)) : x);
    }
}

static void add_gradients(const struct attention_case *site, const struct program *program,
                          struct fused_results *r)
{
    for (int i = 0; i < (site->sum ? 2 : 1); i++) {
        struct tensor dx = program_input_gradient(program, i);
        fused_results_add(r, i ? "diff_src1" : "diff_src0", dx.data, tensor_count(&dx));
    }
    for (int i = 0; i < site->net->params->count; i++) {
        const struct net_param *param = site->net->params->list[i];
        if (param->trainable)
            fused_results_add(r, param->name, param->p.grad, param->p.count);
    }
}

/* Runs one form with fresh parameters. A NaN in a gradient that is not written shows. */
static void run_form(const struct attention_case *site, const struct net *form,
                     const struct impl *impl, int batch, enum trained trained, enum values values,
                     struct fused_results *r)
{
    struct program *program;
    fused_fill_params(site->net->params, true);
    struct program_request request = {
        .impl = impl, .ctx = site->ctx, .net = form, .batch = batch,
        .train = trained != TRAIN_NOTHING, .inputs = site->inputs,
        .input_count = site->sum ? 2 : 1, .input_gradients = trained != TRAIN_NOTHING};
    attention_must(program_compile(&program, &request));
    for (int i = 0; i < request.input_count; i++) {
        struct tensor x = program_input(program, i);
        fill(&x, (uint64_t)i + 1, values);
    }
    attention_must(program_forward(program));
    struct tensor y = program_output(program, 0);
    fused_results_add(r, "dst", y.data, tensor_count(&y));
    if (request.train) {
        struct tensor dy = program_output_gradient(program);
        fill(&dy, 7, VALUES_NORMAL);
        for (int i = 0; i < site->net->params->count; i++)
            if (site->net->params->list[i]->trainable)
                memset(site->net->params->list[i]->p.grad, 0xff,
                       site->net->params->list[i]->p.count * sizeof(float));
        attention_must(program_backward(program));
        add_gradients(site, program, r);
    }
    for (int i = 0; i < site->net->params->count; i++)
        if (site->net->params->list[i]->buffer)
            fused_results_add(r, site->net->params->list[i]->name,
                              site->net->params->list[i]->p.data, 1);
    program_free(program);
}

/* The composition once, the fused form in every way. */
static int check_mode(const struct attention_case *site, const struct impl *impl,
                      const struct fused_shape *shape, enum trained trained)
{
    static const char *const modes[] = {"inference", "all", "fixed bn", "bn alone", "sources"};
    const enum values values = trained & 1 ? VALUES_TIED : VALUES_NORMAL;
    struct fused_results due = {.count = 0};
    int wrong = 0;
    choose_trained(site, trained);
    run_form(site, site->composed, impls[0], shape->n, trained, values, &due);
    for (int w = 0; w < FUSED_WAYS; w++) {
        const struct fused_way way = fused_way_at(w);
        struct fused_results got = {.count = 0};
        char what[256];
        if (!fused_way_begin(way))
            continue;
        snprintf(what, sizeof what, "%s, %d threads, %s%s, n%d h%d w%d c%d, %s", way.isa,
                 way.threads, site->spec.text, site->sum ? " + shortcut" : "", shape->n, shape->h,
                 shape->w, shape->c, modes[trained]);
        run_form(site, site->whole, impl, shape->n, trained, values, &got);
        wrong += fused_results_compare(&due, &got, what);
        fused_results_free(&got);
    }
    fused_results_free(&due);
    return wrong;
}

static bool is_large(const struct fused_shape *shape)
{
    return shape->n * shape->h * shape->w * shape->c > 131072;
}

static void test_equals_composition(void **state)
{
    struct impl impl = fused_borrower();
    int wrong = 0;
    (void)state;
    for (int s = 0; s < FUSED_SPECS; s++)
        for (int i = 0; i < FUSED_SHAPES; i++) {
            const struct fused_shape *shape = &fused_shapes[i];
            struct attention_case site;
            if (is_large(shape) && (s + i) % 4)
                continue;
            attention_case_open(&site, fused_specs[s], shape, (s + i) & 1);
            attention_case_node(&site);
            for (int t = TRAIN_NOTHING; t <= TRAIN_SOURCES; t++)
                if (!site.spec.bn || shape->n * shape->h * shape->w > 1 ||
                    (t != TRAIN_ALL && t != TRAIN_BN_ONLY))
                    wrong += check_mode(&site, &impl, shape, (enum trained)t);
            attention_case_close(&site);
        }
    assert_int_equal(wrong, 0);
}

/* ---- numbers that are none ---- */

static void check_nan(const struct impl *impl, const char *spec,
                      const struct fused_shape *shape, bool train)
{
    struct program *program[2];
    struct attention_case site;
    attention_case_open(&site, spec, shape, false);
    choose_trained(&site, TRAIN_FIXED_BN);
    for (int form = 0; form < 2; form++) {
        struct program_request request = {.impl = form ? impl : impls[0], .ctx = site.ctx,
                                          .batch = shape->n, .train = train,
                                          .net = form ? site.whole : site.composed,
                                          .inputs = site.inputs, .input_count = 1};
        attention_must(program_compile(&program[form], &request));
        struct tensor x = program_input(program[form], 0);
        fill(&x, 1, VALUES_NORMAL);
        ((float *)x.data)[12345 % tensor_count(&x)] = NAN;
        attention_must(program_forward(program[form]));
    }
    struct tensor due = program_output(program[0], 0), got = program_output(program[1], 0);
    for (size_t i = 0; i < tensor_count(&due); i++)
        if (!isnan(((float *)due.data)[i]) != !isnan(((float *)got.data)[i]))
            fail_msg("%s: element %zu is %g, not %g", spec, i, (double)((float *)got.data)[i],
                     (double)((float *)due.data)[i]);
    program_free(program[0]);
    program_free(program[1]);
    attention_case_close(&site);
}

/* A NaN in the map must not vanish in a maximum: the result shows it as the composition does. */
static void test_nan_shows(void **state)
{
    static const struct fused_shape several = {2, 13, 19, 70};
    static const struct fused_shape many[2] = {{13, 1, 1, 70}, {11, 2, 3, 36}};
    struct impl impl = fused_borrower();
    (void)state;
    for (int w = 0; w < FUSED_WAYS; w++)
        for (int s = 0; s < FUSED_SPECS && fused_way_begin(fused_way_at(w)); s++) {
            check_nan(&impl, fused_specs[s], &several, false);
            for (int t = 0; t < 2; t++)
                check_nan(&impl, fused_specs[s], &many[t], true);
        }
}

/* ---- refusals ---- */

static void expect_refused(const struct impl *impl, const struct op_desc *given,
                           enum status expected, const char *fragment)
{
    struct op_desc desc = *given;
    struct op_plan plan;
    attention_must(op_infer(&desc));
    enum status status = plan_make(&plan, impl, NULL, &desc);
    if (status != expected || !strstr(fail_text(), fragment))
        fail_msg("status %d, '%s' instead of '%s'", (int)status, fail_text(), fragment);
}

static void test_refusals(void **state)
{
    struct impl impl = fused_borrower();
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
        cmocka_unit_test(test_equals_composition),
        cmocka_unit_test(test_nan_shows),
        cmocka_unit_test(test_refusals),
    };
    (void)argc;
    threads_startup(argv); /* long spinning would make two threads on a busy machine crawl */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
