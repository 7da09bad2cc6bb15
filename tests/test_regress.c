/* The regression check from inside: cases, sketches of results, planted faults, and the rules on
 * synthetic times whose true difference is known. */
#include "bench/regress/accuracy.h"
#include "bench/regress/gates.h"
#include "bench/regress/launch.h"
#include "bench/regress/planted.h"
#include "bench/regress/subject.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "tests/temp_dir.h"

#include <math.h>

/* ---- cases ---- */

static void test_cases(void **state)
{
    (void)state;
    struct regress_case c;
    assert_int_equal(regress_case_parse(&c, "conv2d k3 p1 oc16 c16 h8 w8"), OK);
    assert_string_equal(c.text, "conv2d h8 w8 c16 oc16 k3 p1");
    assert_int_equal(regress_case_parse(&c, " network resnet20 cbam:r=8 i32 n2"), OK);
    assert_string_equal(c.text, "network resnet20 cbam:r=8 n2 i32 classes10");
    assert_true(c.network && c.batch == 2 && c.size == 32 && c.classes == 10);
    assert_false(c.winograd);
    assert_int_equal(regress_case_parse(&c, "network resnet20 none winograd n2"), OK);
    assert_string_equal(c.text, "network resnet20 none n2 i32 classes10 winograd");
    assert_true(c.winograd);
    static const char *const wrong[][2] = {
        {"network resnet20", "attention"}, {"network resnet20 cbam z2", "'z2'"},
        {"network resnet20 cbam n0", "'n0'"}, {"network resnet21 cbam", "resnet21"},
        {"network resnet20 cbum", "cbum"}, {"conv2d z9", "'z9'"}, {"convolve c3", "convolve"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(regress_case_parse(&c, wrong[i][0]), ERR_USAGE);
        assert_non_null(strstr(fail_text(), wrong[i][1]));
    }
}

static void put(const char *path, const char *text)
{
    file_put(path, text, strlen(text));
}

static void test_lists(void **state)
{
    const char *path = temp_dir_file(state, "cases.txt");
    struct regress_list list = {0};
    put(path, "# nothing\n\nrelu c8 # twice\nrelu n1 c8\nnetwork resnet20 none\n");
    assert_int_equal(regress_list_add(&list, path), OK);
    assert_int_equal(regress_list_add(&list, "sigmoid c8"), OK);
    assert_int_equal(list.count, 3);
    struct regress_targets targets;
    assert_int_equal(regress_targets_make(&targets, &list, impls, 1, NULL), OK);
    assert_int_equal(targets.count, 6); /* fwd and bwd; infer and step */
    regress_targets_free(&targets);
    assert_int_equal(regress_targets_make(&targets, &list, impls, 1, "bwd relu|*step*"), OK);
    assert_int_equal(targets.count, 2);
    assert_non_null(strstr(targets.list[0].name, " bwd relu c8"));
    regress_targets_free(&targets);
    put(path, "relu c8\nrelu z8\n");
    assert_int_equal(regress_list_add(&list, path), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "cases.txt, line 2"));
    put(path, "# none\n");
    assert_int_equal(regress_list_add(&list, path), OK);
    assert_int_equal(list.count, 3);
    regress_list_free(&list);
}

/* ---- sketches ---- */

enum { LONG = 5000 };

static void draw(float *x, uint64_t stream, float size)
{
    for (size_t i = 0; i < LONG; i++)
        x[i] = size * (2 * random_uniform((struct random_stream){7, stream}, i) - 1);
}

/* From 16 projections the distance is told to about 18 % (one standard deviation). */
static void test_sketch_tells_the_distance(void **state)
{
    (void)state;
    static float a[LONG], d[LONG], b[LONG];
    static const float sizes[] = {1e-5f, 1e-3f, 0.1f};
    draw(a, 1, 1);
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        struct sketch x = {0}, y = {0};
        double difference = 0, norm = 0, error;
        char reason[200];
        draw(d, 2, sizes[k]);
        for (size_t i = 0; i < LONG; i++) {
            b[i] = a[i] + d[i];
            difference += ((double)b[i] - (double)a[i]) * ((double)b[i] - (double)a[i]);
            norm += (double)a[i] * (double)a[i];
        }
        sketch_add(&x, "dst", a, LONG);
        sketch_add(&y, "dst", b, LONG);
        double told = sketch_distance(&x.out[0], &y.out[0]);
        assert_true(told > 0.5 * sqrt(difference / norm) && told < 1.6 * sqrt(difference / norm));
        assert_int_equal(sketch_agree(&x, &y, 1, &error, reason, sizeof reason), false);
        assert_true(error == told && strstr(reason, "dst differs by"));
        assert_true(sketch_agree(&x, &x, 1, &error, reason, sizeof reason) && error == 0);
    }
}

static void test_sketch_json(void **state)
{
    (void)state;
    static float a[LONG];
    struct sketch x = {0}, y;
    double error;
    char reason[200];
    draw(a, 3, 1);
    sketch_add(&x, "dst", a, LONG);
    sketch_add(&x, "diff_src0", a, LONG / 2);
    json_t *json = sketch_json(&x);
    assert_int_equal(sketch_from_json(json, &y), OK);
    assert_memory_equal(&x.out[1], &y.out[1], sizeof x.out[1]);
    assert_null(sketch_nonfinite(&y));
    json_decref(json);
    a[17] = NAN;
    sketch_add(&x, "diff_weight", a, LONG);
    json = sketch_json(&x);
    char *text = json_dumps(json, 0);
    assert_non_null(strstr(text, "null"));
    assert_int_equal(sketch_from_json(json, &y), OK);
    assert_string_equal(sketch_nonfinite(&y), "diff_weight");
    assert_int_equal(sketch_agree(&y, &x, 1, &error, reason, sizeof reason), false);
    x.count = 1;
    assert_false(sketch_agree(&x, &y, 1, &error, reason, sizeof reason));
    assert_true(isinf(error));
    free(text);
    json_decref(json);
}

/* ---- planted faults ---- */

/* The implementation that faults are planted into: the library-backed one where there is one. */
static const struct impl *host(void)
{
    const struct impl *found = impls[0];
    for (int i = 0; impls[i]; i++)
        if (strcmp(impls[i]->name, "onednn") == 0)
            found = impls[i];
    return found;
}

static enum status plan_reference(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(host()->ops[plan->desc.kind]->plan(ctx, plan));
    snprintf(plan->how, sizeof plan->how, "ref:any");
    return OK;
}

static enum status plan_swapped(struct impl_ctx *ctx, struct op_plan *plan)
{
    plan->desc.pool_c.planes = PLANES_MEAN_MAX;
    return host()->ops[plan->desc.kind]->plan(ctx, plan);
}

/* Off by three units of the fourth digit. */
static enum status forward_digit(const struct op_plan *plan, const struct op_args *args)
{
    TRY(host()->ops[plan->desc.kind]->forward(plan, args));
    float *to = args->dst.data;
    for (size_t i = 0; i < tensor_count(&args->dst); i++)
        to[i] *= 1.0003f;
    return OK;
}

static enum status forward_nan(const struct op_plan *plan, const struct op_args *args)
{
    TRY(host()->ops[plan->desc.kind]->forward(plan, args));
    ((float *)args->dst.data)[tensor_count(&args->dst) - 1] = NAN;
    return OK;
}

static const struct fault {
    const char *name, *text;
    enum regress_pass pass;
    enum op_kind kind;
    enum status (*plan)(struct impl_ctx *ctx, struct op_plan *plan);
    enum status (*forward)(const struct op_plan *plan, const struct op_args *args);
    const char *check;   /* what the check says */
    const char *compare; /* what the comparison with base says when nothing is checked; NULL: the
                            case is refused even then */
} faults[] = {
    {"a library's reference kernel", "conv2d h8 w8 c16 oc16 k3 p1", REGRESS_FWD, OP_CONV2D,
     plan_reference, NULL, "runs reference code: ref:any", NULL},
    {"swapped planes", "pool_c n2 h6 w5 c16 max-mean", REGRESS_FWD, OP_POOL_C, plan_swapped, NULL,
     "dst element 0", "dst differs by"},
    {"the fourth digit", "conv2d h8 w8 c16 oc16 k3 p1", REGRESS_FWD, OP_CONV2D, NULL,
     forward_digit, "dst element", "dst differs by 0.000"},
    {"the fourth digit in a network", "network resnet20:width=0.25 cbam n2 i32", REGRESS_INFER,
     OP_POOL_HW, NULL, forward_digit, NULL, "logits differs by"},
    {"a NaN", "relu h4 w4 c9", REGRESS_FWD, OP_RELU, NULL, forward_nan, "dst element", NULL},
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static enum status run_case(const struct impl *impl, const char *text, enum regress_pass pass,
                            bool check, struct side_check *answer)
{
    struct regress_case *c = calloc(1, sizeof *c);
    struct regress_subject *ready = calloc(1, sizeof *ready);
    struct impl_ctx *ctx;
    assert_true(c && ready);
    assert_int_equal(regress_case_parse(c, text), OK);
    assert_int_equal(impl->open(&ctx), OK);
    enum status status = regress_subject_make(ready, c, impl, ctx, NULL, pass, check);
    *answer = (struct side_check){.state = status == OK ? SIDE_OK : SIDE_FAILED,
                                  .results = ready->results};
    snprintf(answer->how, sizeof answer->how, "%s", ready->how);
    snprintf(answer->reason, sizeof answer->reason, "%.250s", status == OK ? "" : fail_text());
    regress_subject_free(ready);
    impl->close(ctx);
    free(ready);
    free(c);
    return status;
}

/* Every fault is caught twice: by the check of its own build, and, should that check have been
 * weakened with it, by comparison with base. */
static void test_fault(void **state)
{
    const struct fault *fault = *state;
    struct side_check base, head;
    struct regress_row row = {.difference = NAN};
    struct op_entry entry = *host()->ops[fault->kind];
    struct impl wrong = *host();
    entry.plan = fault->plan ? fault->plan : entry.plan;
    entry.forward = fault->forward ? fault->forward : entry.forward;
    wrong.ops[fault->kind] = &entry;
    assert_int_equal(run_case(host(), fault->text, fault->pass, true, &base), OK);
    assert_int_equal(run_case(host(), fault->text, fault->pass, false, &head), OK);
    assert_true(regress_compare_results(&row, &base, &head)); /* nothing planted, nothing found */
    if (fault->check) {
        assert_int_equal(run_case(&wrong, fault->text, fault->pass, true, &head), ERR_NUMERIC);
        if (!strstr(head.reason, fault->check))
            fail_msg("'%s' should say '%s'", head.reason, fault->check);
    }
    enum status status = run_case(&wrong, fault->text, fault->pass, false, &head);
    assert_int_equal(status, fault->compare ? OK : ERR_NUMERIC);
    assert_false(regress_compare_results(&row, &base, &head));
    assert_int_equal(row.state, REGRESS_FAILED);
    if (fault->compare && !strstr(row.reason, fault->compare))
        fail_msg("'%s' should say '%s'", row.reason, fault->compare);
    row.results_allowed = true;
    assert_int_equal(regress_compare_results(&row, &base, &head), fault->compare != NULL);
}

static void test_reference_names(void **state)
{
    (void)state;
    static const char *const reference[] = {"ref:any", "fwd jit:avx2 / bwd ref:any", "nspc_ref:any",
                                            "gemm:ref", "ref (no name)", "jit:avx2; ref_pool"};
    static const char *const fine[] = {"jit:avx512_core", "x64:gemm:jit", "naive direct",
                                       "brgconv:avx2, folded bn", "preferred", "im2col+sgemm", ""};
    for (size_t i = 0; i < sizeof reference / sizeof reference[0]; i++)
        assert_true(regress_is_reference(reference[i]));
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_false(regress_is_reference(fine[i]));
}

/* ---- the rules ---- */

/* One comparison of synthetic times: log-normal noise of the given size on each, one pair in ten
 * with a gross outlier on one side, and a true ratio. Ten rounds, and five more as long as it is
 * not decided, up to `most`. */
static enum regress_state judge_synthetic(double truth, double noise, int most, uint64_t trial)
{
    double base[100], head[100];
    struct random_stream s = {trial, random_name("test/judge")};
    struct ratio ratio;
    enum regress_state judged = REGRESS_INCONCLUSIVE;
    for (uint64_t i = 0; i < 100; i++) {
        base[i] = exp(noise * random_normal(s, 8 * i));
        head[i] = truth * exp(noise * random_normal(s, 8 * i + 1));
        if (random_below(s, 8 * i + 2, 10) == 0)
            *(random_below(s, 8 * i + 3, 2) ? &base[i] : &head[i]) *=
                1 + 2 * (double)random_uniform(s, 8 * i + 4);
    }
    for (int rounds = most < 10 ? most : 10; rounds <= most; rounds += 5) {
        assert_int_equal(ratio_of_pairs(base, head, rounds, trial + 1, &ratio), OK);
        judged = judge_pairs(&ratio, judge_threshold(0.002, NAN), true);
        if (judged != REGRESS_INCONCLUSIVE)
            break;
    }
    return judged;
}

static int count_synthetic(double truth, double noise, int most, enum regress_state state)
{
    int count = 0;
    for (uint64_t trial = 0; trial < 100; trial++)
        count += judge_synthetic(truth, noise, most, trial) == state;
    return count;
}

static void test_rule_of_pairs(void **state)
{
    (void)state;
    static const double noises[] = {0.004, 0.02};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(count_synthetic(1, noises[i], 30, REGRESS_REGRESSED), 0);
        assert_int_equal(count_synthetic(1, noises[i], 30, REGRESS_IMPROVED), 0);
        assert_true(count_synthetic(1, noises[i], 30, REGRESS_OK) >= 95);
        assert_true(count_synthetic(1.10, noises[i], 30, REGRESS_REGRESSED) >= 95);
        assert_int_equal(count_synthetic(1.20, noises[i], 30, REGRESS_REGRESSED), 100);
    }
    int half = count_synthetic(1.05, 0.004, 10, REGRESS_REGRESSED); /* at the threshold */
    assert_true(half > 20 && half < 80);
    assert_true(count_synthetic(1, 0.3, 10, REGRESS_OK) < 50); /* too noisy to say anything */
    assert_int_equal(count_synthetic(1.2, 0.004, 9, REGRESS_INCONCLUSIVE), 100); /* too few */
}

static void test_rule_with_control(void **state)
{
    (void)state;
    struct ratio slow = {10, 1.12, 1.10, 1.14}, same = {10, 1.00, 0.99, 1.01};
    struct ratio quiet = {10, 1.0, 0.985, 1.019}, shaken = {10, 1.0, 0.97, 1.01};
    assert_true(judge_control_quiet(&quiet));
    assert_false(judge_control_quiet(&shaken));
    shaken = (struct ratio){10, 1.0, NAN, NAN};
    assert_false(judge_control_quiet(&shaken));
    quiet.n = 9;
    assert_false(judge_control_quiet(&quiet));
    assert_int_equal(judge_pairs(&slow, 0.05, true), REGRESS_REGRESSED);
    assert_int_equal(judge_pairs(&slow, 0.05, false), REGRESS_INCONCLUSIVE);
    assert_int_equal(judge_pairs(&slow, judge_threshold(0.05, NAN), true), REGRESS_OK);
    assert_int_equal(judge_pairs(&slow, judge_threshold(0, 0.20), true), REGRESS_OK);
    assert_int_equal(judge_pairs(&same, 0.05, false), REGRESS_OK);
    assert_true(judge_threshold(0, NAN) == 0.05 && judge_threshold(0, 0.01) == 0.05);
    assert_true(fabs(judge_threshold(0.03, NAN) - 0.09) < 1e-12);
}

static void test_rule_of_counts(void **state)
{
    (void)state;
    double ours = judge_count_bound("naive", NAN), library = judge_count_bound("onednn", NAN);
    assert_true(ours == 0.01 && library == 0.02);
    assert_int_equal(judge_count(1000, 1010, ours), REGRESS_OK);
    assert_int_equal(judge_count(1000, 1011, ours), REGRESS_REGRESSED);
    assert_int_equal(judge_count(1000, 1011, library), REGRESS_OK);
    assert_int_equal(judge_count(1000, 1021, library), REGRESS_REGRESSED);
    assert_int_equal(judge_count(1000, 1021, judge_count_bound("onednn", 0.05)), REGRESS_OK);
    assert_int_equal(judge_count(1000, 700, ours), REGRESS_IMPROVED);
    assert_int_equal(judge_count(NAN, 700, ours), REGRESS_FAILED);
    assert_int_equal(judge_count(1000, NAN, ours), REGRESS_FAILED);
    assert_int_equal(judge_count(1000, 0, ours), REGRESS_FAILED);
    assert_int_equal(judge_count(1000, INFINITY, ours), REGRESS_FAILED);
}

static struct accuracy_curve some_curve(void)
{
    struct accuracy_curve curve = {.steps = ACCURACY_STEPS, .test_loss = 0.3,
                                   .test_accuracy = 0.8, .test_images = 128};
    for (int i = 0; i < curve.steps; i++)
        curve.loss[i] = 1.4 - 0.03 * i;
    return curve;
}

static void test_rule_of_accuracy(void **state)
{
    (void)state;
    struct accuracy_curve a = some_curve(), b = a;
    double worst;
    char reason[200] = "";
    for (int i = 0; i < b.steps; i++)
        b.loss[i] *= 1 + 0.9 * accuracy_bound(i + 1);
    b.test_accuracy += 3.0 / 128;
    assert_true(accuracy_agree(&a, &b, &worst, reason, sizeof reason));
    assert_true(worst > 0.02 && worst < 0.03);
    b = a;
    b.loss[0] *= 1 + 3e-6; /* a wrong digit somewhere shows in the very first loss */
    assert_false(accuracy_agree(&a, &b, &worst, reason, sizeof reason));
    assert_non_null(strstr(reason, "loss of step 1"));
    b = a;
    b.loss[9] = NAN;
    assert_false(accuracy_agree(&a, &b, &worst, reason, sizeof reason));
    b = a;
    b.test_accuracy -= 4.0 / 128;
    assert_false(accuracy_agree(&a, &b, &worst, reason, sizeof reason));
    assert_non_null(strstr(reason, "accuracy on the test images"));
    b = a;
    b.test_loss = NAN;
    assert_false(accuracy_agree(&a, &b, &worst, reason, sizeof reason));
    b = a;
    b.steps--;
    assert_false(accuracy_agree(&a, &b, &worst, reason, sizeof reason));
}

/* ---- processes and planted work ---- */

static void test_launch(void **state)
{
    (void)state;
    static const char *const set[] = {"HELLO=there", NULL};
    char **environment = launch_environment(true, set);
    struct launch_result r;
    const char *const good[] = {"sh", "-c", "echo $HELLO; echo first >&2; echo last >&2; exit 7",
                                NULL};
    const char *const killed[] = {"sh", "-c", "kill -9 $$", NULL}, *const slow[] = {"sleep", "60",
                                                                                    NULL};
    const char *const none[] = {"/no/such/program", NULL};
    assert_int_equal(launch_run(good, environment, 30, &r), OK);
    assert_true(r.code == 7 && !r.late);
    assert_string_equal(r.out, "there\n");
    assert_string_equal(r.error, "last");
    launch_free(&r);
    assert_int_equal(launch_run(killed, environment, 30, &r), OK);
    assert_int_equal(r.code, 128 + 9);
    launch_free(&r);
    assert_int_equal(launch_run(slow, environment, 0.1, &r), OK);
    assert_true(r.late);
    launch_free(&r);
    assert_int_equal(launch_run(none, environment, 30, &r), ERR_IO);
    launch_free(&r);
    free(environment);
}

static void test_launch_empty_environment(void **state)
{
    (void)state;
    static const char *const set[] = {"ONE=1", NULL};
    setenv("CBAM_TEST_LEAK", "1", 1);
    char **environment = launch_environment(false, set);
    bool leak = false, one = false, path = false;
    for (char **v = environment; *v; v++) {
        leak = leak || strncmp(*v, "CBAM_TEST_LEAK", 14) == 0;
        one = one || strcmp(*v, "ONE=1") == 0;
        path = path || strncmp(*v, "PATH=", 5) == 0;
    }
    assert_true(one && path && !leak);
    free(environment);
    unsetenv("CBAM_TEST_LEAK");
}

static enum status count_call(void *count)
{
    ++*(int *)count;
    return OK;
}

static void test_planted_work(void **state)
{
    (void)state;
    int calls = 0;
    double share;
    struct planted planted = {.target = {count_call, &calls}, .share = 0.15};
    for (int i = 0; i < 200; i++)
        assert_int_equal(planted_run(&planted), OK);
    assert_true(calls >= 229 && calls <= 230);
    setenv(PLANTED_VARIABLE, "15 naive fwd relu c8", 1);
    assert_int_equal(planted_share("naive fwd relu c8", &share), OK);
    assert_true(fabs(share - 0.15) < 1e-12);
    assert_int_equal(planted_share("naive bwd relu c8", &share), OK);
    assert_true(share == 0);
    setenv(PLANTED_VARIABLE, "naive", 1);
    assert_int_equal(planted_share("naive", &share), ERR_USAGE);
    unsetenv(PLANTED_VARIABLE);
    assert_int_equal(planted_share("naive", &share), OK);
    assert_true(share == 0);
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[32] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test_setup_teardown(test_lists, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_sketch_tells_the_distance),
        cmocka_unit_test(test_sketch_json),
        cmocka_unit_test(test_reference_names),
        cmocka_unit_test(test_rule_of_pairs),
        cmocka_unit_test(test_rule_with_control),
        cmocka_unit_test(test_rule_of_counts),
        cmocka_unit_test(test_rule_of_accuracy),
        cmocka_unit_test(test_launch),
        cmocka_unit_test(test_launch_empty_environment),
        cmocka_unit_test(test_planted_work),
    };
    size_t count = 12;
    (void)argc;
    threads_startup(argv);
    if (threads_set(1) != OK)
        return 1;
    for (size_t i = 0; i < FAULTS; i++)
        tests[count++] = (struct CMUnitTest){faults[i].name, test_fault, NULL, NULL,
                                             (void *)(uintptr_t)&faults[i]};
    return _cmocka_run_group_tests("regress", tests, count, NULL, NULL) != 0;
}
