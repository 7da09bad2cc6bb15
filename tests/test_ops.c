/* Every operation of every implementation, with 1 and 2 threads, on the edge shapes of
 * tests/cases/ops.txt, against the oracle (opcheck.h). A failure prints the arguments that repeat
 * that one check:
 *     test_ops                                   everything
 *     test_ops --slack                           and the part of each bound that was used
 *     test_ops IMPL THREADS 'CASE' ['VARIANT']   one case, all its variants or one */
#include "bench/measure/case_list.h"
#include "impls/base/threads.h"
#include "tests/opcheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 2, SHOWN = 8 };

/* Worst used part of the bounds of each kind, forward and backward. */
struct slack {
    double used[OP_PRIMITIVES][2];
};

/* What one test runs: all cases of a kind on an implementation. */
struct job {
    char name[96];
    const struct impl *impl;
    int threads;
    enum op_kind kind;
    const struct case_list *cases;
    struct slack *slack;
};

/* Sets the threads and opens the implementation; fails the test when that fails. */
static struct impl_ctx *open_impl(const struct job *job)
{
    struct impl_ctx *ctx;
    if (job->threads > threads_available())
        skip();
    if (threads_set(job->threads) != OK || job->impl->open(&ctx) != OK)
        fail_msg("%s", fail_text());
    return ctx;
}

/* Runs all variants of a case; returns how many fail, printing the first few of the job. */
static int check_case(const struct job *job, struct impl_ctx *ctx, const struct op_desc *desc,
                      int failures)
{
    struct opcheck_variant variant[OPCHECK_VARIANTS];
    struct opcheck_result result;
    int count = opcheck_variants(job->impl->ops[desc->kind], desc, variant);
    for (int i = 0; i < count; i++) {
        if (!opcheck_run(job->impl, ctx, desc, &variant[i], &result) && failures++ < SHOWN)
            print_error("%s\n", result.text);
        for (int pass = 0; pass < 2; pass++)
            if (result.slack_used[pass] > job->slack->used[desc->kind][pass])
                job->slack->used[desc->kind][pass] = result.slack_used[pass];
    }
    return failures;
}

static void test_cases_of_a_kind(void **state)
{
    const struct job *job = *state;
    struct impl_ctx *ctx = open_impl(job);
    int failures = 0, cases = 0;
    for (int i = 0; i < job->cases->count; i++)
        if (job->cases->list[i].kind == job->kind) {
            failures = check_case(job, ctx, &job->cases->list[i], failures);
            cases++;
        }
    job->impl->close(ctx);
    assert_true(cases > 0);
    if (failures)
        fail_msg("%d checks of %s failed", failures, op_name(job->kind));
}

/* Report R07: what is pooled or normalised per sample must not see the rest of the batch. */
static void test_R07_images_do_not_see_each_other(void **state)
{
    const struct job *job = *state;
    struct impl_ctx *ctx = open_impl(job);
    struct opcheck_result result;
    int failures = 0;
    for (int i = 0; i < job->cases->count; i++)
        if (!opcheck_independent(job->impl, ctx, &job->cases->list[i], &result) &&
            failures++ < SHOWN)
            print_error("%s\n", result.text);
    job->impl->close(ctx);
    assert_int_equal(failures, 0);
}

/* A strided view that an entry does not take is refused when the plan is made. */
static void test_strided_views_are_taken_or_refused(void **state)
{
    const struct job *job = *state;
    struct impl_ctx *ctx = open_impl(job);
    for (int i = 0; i < job->cases->count; i++) {
        struct op_desc d = job->cases->list[i];
        struct op_plan plan;
        d.src[0].stride += 4;
        assert_int_equal(op_infer(&d), OK);
        enum status status = plan_make(&plan, job->impl, ctx, &d);
        if ((status == OK) != job->impl->ops[d.kind]->strided)
            fail_msg("%s: strided %d, plan: %s", job->impl->ops[d.kind]->name,
                     job->impl->ops[d.kind]->strided, status == OK ? "OK" : fail_text());
        if (status != OK)
            assert_int_equal(status, ERR_UNSUPPORTED);
        else
            plan_release(&plan);
    }
    job->impl->close(ctx);
}

/* A library's reference kernel must not run under the library's name. */
static void test_no_plan_runs_a_reference_kernel(void **state)
{
    const struct job *job = *state;
    struct impl_ctx *ctx = open_impl(job);
    for (int i = 0; i < 2 * job->cases->count; i++) {
        struct op_desc d = job->cases->list[i / 2];
        struct op_plan plan;
        d.train = i % 2;
        d.want_diff_src = d.train ? 1 : 0;
        if (plan_make(&plan, job->impl, ctx, &d) != OK)
            fail_msg("%s", fail_text());
        if (strstr(plan.how, "ref"))
            fail_msg("%s runs %s as %s", job->impl->name, op_name(d.kind), plan.how);
        plan_release(&plan);
    }
    job->impl->close(ctx);
}

/* The text of a case is the way to repeat it: it must come back as the same description. */
static void test_case_text_comes_back(void **state)
{
    const struct job *job = *state;
    for (int i = 0; i < job->cases->count; i++) {
        char text[256], again[256];
        struct op_desc d;
        op_print(&job->cases->list[i], text, sizeof text);
        if (op_parse(text, &d) != OK)
            fail_msg("%s", fail_text());
        op_print(&d, again, sizeof again);
        assert_string_equal(text, again);
        assert_memory_equal(&d.src, &job->cases->list[i].src, sizeof d.src);
        assert_memory_equal(&d.dst, &job->cases->list[i].dst, sizeof d.dst);
    }
}

/* A test list that is built at run time; the jobs are its states. */
struct plan_of_tests {
    struct CMUnitTest *test;
    struct job *job;
    size_t count, room;
};

static void add_test(struct plan_of_tests *p, const char *name, CMUnitTestFunction function,
                     struct job job)
{
    CHECK(p->count < p->room);
    struct job *kept = &p->job[p->count];
    *kept = job;
    if (job.impl)
        snprintf(kept->name, sizeof kept->name, "%s/%s/%d", name, job.impl->name, job.threads);
    else
        snprintf(kept->name, sizeof kept->name, "%s", name);
    p->test[p->count++] = (struct CMUnitTest){kept->name, function, NULL, NULL, kept};
}

static void add_impl(struct plan_of_tests *p, struct job job)
{
    for (int k = 0; k < OP_PRIMITIVES; k++) {
        job.kind = (enum op_kind)k;
        add_test(p, op_name(job.kind), test_cases_of_a_kind, job);
    }
    add_test(p, "test_R07_images_do_not_see_each_other", test_R07_images_do_not_see_each_other,
             job);
    if (job.threads > 1)
        return;
    add_test(p, "test_strided_views_are_taken_or_refused",
             test_strided_views_are_taken_or_refused, job);
    add_test(p, "test_no_plan_runs_a_reference_kernel", test_no_plan_runs_a_reference_kernel, job);
}

static void print_slack(const struct slack *slack)
{
    printf("largest part of the bound that was used:\n%-18s forward backward\n", "");
    for (int k = 0; k < OP_PRIMITIVES; k++)
        printf("%-18s %7.3f %8.3f\n", op_name((enum op_kind)k), slack->used[k][0],
               slack->used[k][1]);
}

static int run_all(bool show_slack)
{
    struct case_list cases = {0};
    struct slack slack = {0};
    size_t impl_count = 0;
    if (case_list_add(&cases, "tests/cases/ops.txt") != OK) {
        fprintf(stderr, "%s\n", fail_text());
        return 1;
    }
    while (impls[impl_count])
        impl_count++;
    struct plan_of_tests p = {.room = 1 + impl_count * THREADS * (OP_PRIMITIVES + 3)};
    p.test = calloc(p.room, sizeof *p.test);
    p.job = calloc(p.room, sizeof *p.job);
    int failures = 1;
    if (p.test && p.job) {
        struct job job = {.cases = &cases, .slack = &slack};
        add_test(&p, "test_case_text_comes_back", test_case_text_comes_back, job);
        for (size_t i = 0; i < impl_count; i++)
            for (int threads = 1; threads <= THREADS; threads++) {
                job.impl = impls[i];
                job.threads = threads;
                add_impl(&p, job);
            }
        failures = _cmocka_run_group_tests("ops", p.test, p.count, NULL, NULL);
    }
    if (show_slack)
        print_slack(&slack);
    free(p.test);
    free(p.job);
    case_list_free(&cases);
    return failures != 0;
}

/* One case on one implementation; prints what fails. */
static int run_one(const char *name, int threads, const char *text, const char *variant_text)
{
    struct opcheck_variant variant[OPCHECK_VARIANTS];
    struct opcheck_result result;
    struct op_desc desc;
    struct impl_ctx *ctx;
    const struct impl *impl = impl_find(name);
    int count = 1, failures = 0;
    if (!impl || op_parse(text, &desc) != OK || threads_set(threads) != OK ||
        (variant_text && opcheck_variant_parse(variant_text, &variant[0]) != OK) ||
        impl->open(&ctx) != OK) {
        fprintf(stderr, "%s\n", fail_text());
        return 2;
    }
    if (!variant_text)
        count = opcheck_variants(impl->ops[desc.kind], &desc, variant);
    for (int i = 0; i < count; i++)
        if (!opcheck_run(impl, ctx, &desc, &variant[i], &result)) {
            printf("%s\n", result.text);
            failures++;
        }
    impl->close(ctx);
    printf("%d of %d variants failed\n", failures, count);
    return failures != 0;
}

int main(int argc, char **argv)
{
    threads_startup(argv);
    if (argc == 4 || argc == 5)
        return run_one(argv[1], atoi(argv[2]), argv[3], argc == 5 ? argv[4] : NULL);
    return run_all(argc == 2 && strcmp(argv[1], "--slack") == 0);
}
