/* Faults that people reported of attention modules and CPU libraries (their numbers are in the
 * names of the tests), each tried on the single operation of every implementation where it could
 * happen, with 1 thread and with 2. */
#include "impls/base/threads.h"
#include "tests/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { THREADS = 2 };

struct job {
    char name[96];
    const struct impl *impl;
    int threads;
    struct impl_ctx *ctx; /* open while the test runs */
};

static int open_impl(void **state)
{
    struct job *job = *state;
    int threads = job->threads < threads_available() ? job->threads : threads_available();
    return threads_set(threads) != OK || job->impl->open(&job->ctx) != OK;
}

static int close_impl(void **state)
{
    struct job *job = *state;
    job->impl->close(job->ctx);
    return 0;
}

static void make(struct probe *p, void **state, const char *text, bool train)
{
    const struct job *job = *state;
    probe_make(p, job->impl, job->ctx, text, train);
}

static void fill(double *value, size_t count, double first, double step)
{
    for (size_t i = 0; i < count; i++)
        value[i] = first + step * (double)i;
}

/* A gate stays in [0,1] and finite however large its logits are. */
static void test_R01_sigmoid_stays_between_0_and_1(void **state)
{
    static const double logits[] = {-3e38, -1e30, -1e4, -1000, -104, -90, -88, -20, -1, 0,
                                    1, 20, 88, 90, 104, 1000, 1e4, 1e30, 3e38};
    struct probe p;
    make(&p, state, "sigmoid n1 h1 w1 c19", true);
    memcpy(p.operands.src[0], logits, sizeof logits);
    fill(p.operands.diff_dst, 19, 1, 0);
    probe_forward(&p);
    for (size_t i = 0; i < 19; i++)
        assert_true(probe_dst(&p, i) >= 0 && probe_dst(&p, i) <= 1);
    probe_backward(&p);
    for (size_t i = 0; i < 19; i++)
        assert_true(probe_diff_src(&p, 0, i) >= 0 && probe_diff_src(&p, 0, i) <= 0.25f);
    probe_free(&p);
}

/* A second sigmoid would let the gate range from 0.5 to 0.731 only. */
static void test_R08_sigmoid_reaches_both_ends(void **state)
{
    struct probe p;
    make(&p, state, "sigmoid n1 h1 w1 c3", false);
    p.operands.src[0][0] = -30;
    p.operands.src[0][1] = 0;
    p.operands.src[0][2] = 30;
    probe_forward(&p);
    assert_true(probe_dst(&p, 0) < 1e-9f);
    assert_true(fabsf(probe_dst(&p, 1) - 0.5f) < 1e-6f);
    assert_true((double)probe_dst(&p, 2) > 1 - 1e-9);
    probe_free(&p);
}

static void test_R06_channel_max_is_global(void **state)
{
    struct probe p;
    make(&p, state, "pool_hw n1 h5 w9 c2 max", false);
    for (size_t spike = 0; spike < 45; spike++) {
        fill(p.operands.src[0], 90, -7, 0.01);
        p.operands.src[0][2 * spike + 1] = 9;
        probe_forward(&p);
        assert_true(probe_dst(&p, 1) == 9);
        assert_true(probe_dst(&p, 0) == (float)(-7 + 0.01 * 88));
    }
    probe_free(&p);
}

/* Ties: the whole gradient goes to the first of the equal values, whatever the value is. */
static void check_ties(void **state, const char *text, double level, const size_t *first,
                       size_t count)
{
    struct probe p;
    make(&p, state, text, true);
    fill(p.operands.src[0], p.operands.count_src[0], level, 0);
    fill(p.operands.diff_dst, p.operands.count_dst, 1, 1);
    probe_forward(&p);
    for (size_t i = 0; i < p.operands.count_dst; i++)
        assert_true(probe_dst(&p, i) == (float)level);
    probe_backward(&p);
    double mass = 0, due = 0;
    for (size_t i = 0; i < p.operands.count_src[0]; i++)
        mass += (double)probe_diff_src(&p, 0, i);
    for (size_t i = 0; i < p.operands.count_dst; i++)
        due += p.operands.diff_dst[i];
    if (mass != due)
        fail_msg("%s at %g: gradient mass %g of %g", text, level, mass, due);
    for (size_t i = 0; i < count; i++)
        if (probe_diff_src(&p, 0, first[i]) != (float)p.operands.diff_dst[i])
            fail_msg("%s at %g: element %zu got %g", text, level, first[i],
                     (double)probe_diff_src(&p, 0, first[i]));
    probe_free(&p);
}

static void test_R15_ties_give_the_first_the_whole_gradient(void **state)
{
    static const double levels[] = {0, 2, -2};
    for (int i = 0; i < 3; i++) {
        check_ties(state, "pool_hw n2 h3 w5 c2 max", levels[i], (size_t[]){0, 1, 30, 31}, 4);
        check_ties(state, "pool_c n1 h1 w2 c33 max", levels[i], (size_t[]){0, 33}, 2);
        check_ties(state, "maxpool n1 h4 w4 c1 k2 s2", levels[i], (size_t[]){0, 2, 8, 10}, 4);
        /* overlapping windows, padding: 5x5 -> 3x3, first on the map of each window */
        check_ties(state, "maxpool n1 h5 w5 c1 k3 s2 p1", levels[i],
                   (size_t[]){0, 1, 3, 5, 6, 8, 15, 16, 18}, 9);
    }
}

static void test_R16_max_pool_padding_never_wins(void **state)
{
    struct probe p;
    make(&p, state, "maxpool n2 h9 w7 c20 k3 s2 p1", true);
    fill(p.operands.src[0], p.operands.count_src[0], -1, -0.5);
    fill(p.operands.diff_dst, p.operands.count_dst, 1, 0);
    probe_forward(&p);
    for (size_t i = 0; i < p.operands.count_dst; i++)
        assert_true(probe_dst(&p, i) < 0);
    probe_backward(&p);
    double mass = 0;
    for (size_t i = 0; i < p.operands.count_src[0]; i++)
        mass += (double)probe_diff_src(&p, 0, i);
    assert_true(mass == (double)p.operands.count_dst);
    probe_free(&p);
}

/* A 2x2 pool with stride 2 leaves out the last row and column of an odd map. */
static void test_R17_average_pool_drops_the_odd_row(void **state)
{
    struct probe p;
    make(&p, state, "avgpool n1 h7 w7 c1 k2 s2", true);
    fill(p.operands.src[0], 49, 0, 1);
    fill(p.operands.diff_dst, 9, 4, 0);
    probe_forward(&p);
    for (size_t i = 0; i < 9; i++) /* the mean of 14y+2x and its three neighbours */
        assert_true(probe_dst(&p, i) == (float)(14 * (i / 3) + 2 * (i % 3) + 4));
    probe_backward(&p);
    for (size_t i = 0; i < 49; i++)
        assert_true(probe_diff_src(&p, 0, i) == (i / 7 < 6 && i % 7 < 6 ? 1 : 0));
    probe_free(&p);
}

static void test_R17_average_pool_counts_its_padding(void **state)
{
    struct probe p;
    make(&p, state, "avgpool n1 h2 w2 c1 k2 s2 p1", false);
    fill(p.operands.src[0], 4, 4, 4);
    probe_forward(&p);
    for (size_t i = 0; i < 4; i++)
        assert_true(probe_dst(&p, i) == (float)(i + 1));
    probe_free(&p);
}

/* Distinct values, two rows, columns and channels: feature 1 of PyTorch is channel 0, row 0,
 * column 1. */
static void test_R30_linear_flattens_channels_first(void **state)
{
    static const size_t order[] = {0, 2, 4, 6, 1, 3, 5, 7};
    struct probe p;
    make(&p, state, "linear n1 h2 w2 c2 oc8", false);
    fill(p.operands.src[0], 8, 10, 1);
    for (size_t i = 0; i < 8; i++)
        p.operands.param[0][i * 8 + i] = 1;
    probe_forward(&p);
    for (size_t i = 0; i < 8; i++)
        assert_true(probe_dst(&p, i) == (float)p.operands.src[0][order[i]]);
    probe_free(&p);
}

/* A frozen normalisation is one function, in training and in inference, and writes nothing (the
 * rig fails the run if running_* changed: reports R32 and R35). */
static void test_R33_frozen_batchnorm_is_the_same_in_training(void **state)
{
    struct probe p[2];
    for (int i = 0; i < 2; i++) {
        make(&p[i], state, "batchnorm n3 h5 w4 c19", i == 1);
        operands_fill(&p[i].operands, OPCHECK_FLOAT, 4);
        probe_forward(&p[i]);
    }
    for (size_t i = 0; i < p[0].operands.count_dst; i++)
        assert_true(probe_dst(&p[0], i) == probe_dst(&p[1], i));
    probe_free(&p[0]);
    probe_free(&p[1]);
}

/* One value per channel has no variance: training on it is refused with a reason. */
static void test_R41_one_value_per_channel_is_refused(void **state)
{
    const struct job *job = *state;
    struct op_plan plan;
    struct op_desc desc;
    assert_int_equal(op_parse("batchnorm n1 h1 w1 c3 batch_stats", &desc), OK);
    desc.train = true;
    desc.want_diff_src = 1;
    enum status status = plan_make(&plan, job->impl, job->ctx, &desc);
    assert_int_equal(status, ERR_USAGE);
    assert_non_null(strstr(fail_text(), "one value"));
    desc.train = false;
    desc.want_diff_src = 0;
    assert_int_equal(plan_make(&plan, job->impl, job->ctx, &desc), OK);
    plan_release(&plan);
}

/* Losses are per sample, so a mean over a data set can weight each image alike. */
static void test_R42_loss_is_per_sample(void **state)
{
    struct probe all, one;
    make(&all, state, "softmax_xent n7 c5", false);
    make(&one, state, "softmax_xent n1 c5", false);
    operands_fill(&all.operands, OPCHECK_FLOAT, 3);
    probe_forward(&all);
    for (size_t i = 0; i < 7; i++) {
        memcpy(one.operands.src[0], all.operands.src[0] + 5 * i, 5 * sizeof(double));
        one.operands.labels[0] = all.operands.labels[i];
        probe_forward(&one);
        assert_true(fabsf(probe_dst(&one, 0) - probe_dst(&all, i)) < 1e-6f);
    }
    probe_free(&all);
    probe_free(&one);
}

static void test_label_out_of_range_is_refused(void **state)
{
    static const int32_t bad[] = {-1, 5, INT32_MAX, INT32_MIN};
    struct probe p;
    make(&p, state, "softmax_xent n2 c5", true);
    for (int i = 0; i < 4; i++) {
        p.operands.labels[1] = bad[i];
        rig_load(&p.rig, &p.operands);
        assert_false(rig_forward(&p.rig, 0xff));
        assert_null(strstr(p.text, "crashed"));
        assert_null(strstr(p.text, "wrote"));
    }
    probe_free(&p);
}

/* Which elements a dropout keeps: one bit each. */
static void dropout_mask(void **state, const char *text, uint64_t seed, uint64_t step,
                         unsigned char *mask, size_t count)
{
    struct probe p;
    make(&p, state, text, true);
    assert_int_equal(p.operands.count_dst, count);
    fill(p.operands.src[0], count, 1, 0);
    p.rig.args.seed = seed;
    p.rig.args.step = step;
    probe_forward(&p);
    for (size_t i = 0; i < count; i++)
        mask[i] = probe_dst(&p, i) != 0;
    probe_free(&p);
}

static size_t differences(const unsigned char *a, const unsigned char *b, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += a[i] != b[i];
    return n;
}

/* The mask is a function of seed, step and position: the same in every implementation (impls[0]
 * on one thread is the measure) and for every thread count, another for each seed and step. */
static void test_dropout_mask_follows_seed_and_step(void **state)
{
    enum { COUNT = 1024 };
    static const char text[] = "dropout n4 h4 w4 c16 rate0.5";
    unsigned char mask[COUNT], other[COUNT];
    struct job reference = {.impl = impls[0]};
    void *reference_state = &reference;
    assert_int_equal(impls[0]->open(&reference.ctx), OK);
    dropout_mask(&reference_state, text, 7, 1, other, COUNT);
    impls[0]->close(reference.ctx);
    dropout_mask(state, text, 7, 1, mask, COUNT);
    assert_int_equal(differences(mask, other, COUNT), 0);
    for (uint64_t seed = 7; seed < 9; seed++)
        for (uint64_t step = 1; step < 4; step++) {
            if (seed == 7 && step == 1)
                continue;
            dropout_mask(state, text, seed, step, other, COUNT);
            size_t n = differences(mask, other, COUNT); /* 512 expected, deviation 16 */
            assert_true(n > 400 && n < 624);
        }
    size_t n = differences(mask, mask + COUNT / 2, COUNT / 2); /* images have their own too */
    assert_true(n > 180 && n < 332);
}

/* Operations that pack their weights, each in another way. */
static const char *const packing[] = {
    "conv2d n1 h3 w3 c2 oc2 k3 p1", "linear n1 c4 oc3", "conv2d n1 h4 w4 c4 oc4 k3 g4",
    "conv2d n1 h2 w2 c16 oc16", "conv2d n2 h2 w2 c16 oc16 k3 s2 p1",
    "conv2d n33 h2 w2 c16 oc16 k3 p1", "conv2d n2 h5 w5 c16 oc32 k1 s2"};
enum { PACKING = sizeof packing / sizeof packing[0] };

/* Weights are packed again when their version changes, and the plan keeps no state otherwise. */
static void test_new_weights_are_used_when_the_version_changes(void **state)
{
    for (int t = 0; t < PACKING; t++) {
        struct probe p;
        make(&p, state, packing[t], true);
        fill(p.operands.src[0], p.operands.count_src[0], 1, 0);
        fill(p.operands.diff_dst, p.operands.count_dst, 1, 0);
        for (int round = 0; round < 3; round++) {
            fill(p.operands.param[0], p.operands.count_param[0], 1 + round, 0);
            oracle_forward(&p.operands);
            oracle_backward(&p.operands);
            probe_forward(&p);
            assert_true(probe_dst(&p, 1) == (float)p.operands.dst[1].value);
            probe_backward(&p);
            assert_true(probe_diff_src(&p, 0, 1) == (float)p.operands.diff_src[0][1].value);
        }
        probe_free(&p);
    }
}

/* And when they are others, whose version is the same by chance. */
static void test_new_weights_are_used_when_they_are_elsewhere(void **state)
{
    enum { MOST_WEIGHTS = 16 * 16 * 9 };
    static float other[MOST_WEIGHTS];
    for (int t = 0; t < PACKING; t++) {
        struct probe p;
        make(&p, state, packing[t], true);
        fill(p.operands.src[0], p.operands.count_src[0], 1, 0);
        fill(p.operands.diff_dst, p.operands.count_dst, 1, 0);
        fill(p.operands.param[0], p.operands.count_param[0], 1, 0);
        probe_forward(&p);
        probe_backward(&p);
        struct param *weight = &p.rig.param[0];
        float *own = weight->data;
        assert_true(weight->count <= MOST_WEIGHTS);
        for (size_t i = 0; i < weight->count; i++)
            other[i] = own[i] + 1;
        weight->data = other;
        probe_forward(&p);
        const float dst = probe_dst(&p, 1);
        probe_backward(&p);
        const float diff_src = probe_diff_src(&p, 0, 1);
        weight->data = own;
        fill(p.operands.param[0], p.operands.count_param[0], 2, 0);
        oracle_forward(&p.operands);
        oracle_backward(&p.operands);
        assert_true(dst == (float)p.operands.dst[1].value);
        assert_true(diff_src == (float)p.operands.diff_src[0][1].value);
        probe_free(&p);
    }
}

#define TEST(function) {#function, function}
static const struct {
    const char *name;
    CMUnitTestFunction function;
} properties[] = {
    TEST(test_R01_sigmoid_stays_between_0_and_1),
    TEST(test_R08_sigmoid_reaches_both_ends),
    TEST(test_R06_channel_max_is_global),
    TEST(test_R15_ties_give_the_first_the_whole_gradient),
    TEST(test_R16_max_pool_padding_never_wins),
    TEST(test_R17_average_pool_drops_the_odd_row),
    TEST(test_R17_average_pool_counts_its_padding),
    TEST(test_R30_linear_flattens_channels_first),
    TEST(test_R33_frozen_batchnorm_is_the_same_in_training),
    TEST(test_R41_one_value_per_channel_is_refused),
    TEST(test_R42_loss_is_per_sample),
    TEST(test_label_out_of_range_is_refused),
    TEST(test_dropout_mask_follows_seed_and_step),
    TEST(test_new_weights_are_used_when_the_version_changes),
    TEST(test_new_weights_are_used_when_they_are_elsewhere),
};
enum { PROPERTIES = sizeof properties / sizeof properties[0], MOST = 3 * THREADS * PROPERTIES };

int main(int argc, char **argv)
{
    static struct job job[MOST];
    static struct CMUnitTest test[MOST];
    size_t count = 0;
    (void)argc;
    threads_startup(argv);
    for (int i = 0; impls[i]; i++)
        for (int threads = 1; threads <= THREADS; threads++)
            for (int k = 0; k < PROPERTIES; k++) {
                CHECK(count < MOST);
                struct job *j = &job[count];
                j->impl = impls[i];
                j->threads = threads;
                snprintf(j->name, sizeof j->name, "%s/%s/%d", properties[k].name, impls[i]->name,
                         threads);
                test[count++] = (struct CMUnitTest){j->name, properties[k].function, open_impl,
                                                    close_impl, j};
            }
    return _cmocka_run_group_tests("reports of faults, single operations", test, count, NULL,
                                   NULL) != 0;
}
