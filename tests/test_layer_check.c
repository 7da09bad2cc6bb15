/* The check before every timing is checked itself: right operations pass it, the deliberately wrong
 * ones of mutants.h do not, neither alone nor beside a right one. */
#include "bench/measure/layer_check.h"
#include "impls/base/threads.h"
#include "tests/mutants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 100 };

/* Faults that a plain call with fresh memory does not show; tests/test_mutants.c catches them. */
static bool is_out_of_sight(const struct mutant *mutant)
{
    static const char *const words[] = {
        "add bit",           /* nothing is accumulated here */
        "accumulated",
        "nobody cleared",
        "keep their version",
        "is gone",           /* sources are all kept */
        "capped",            /* shows at values that are not drawn */
        "overflows",
        "in one pass",       /* shows where the mean is far from zero */
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(mutant->name, words[i]))
            return true;
    return false;
}

/* What only a second implementation shows: the definition alone does not say which elements a
 * dropout keeps; pixels of equal value may share a gradient; statistics are a second output. */
static bool needs_a_partner(const struct mutant *mutant)
{
    static const char *const words[] = {"dropout", "at zero", "ties", "running"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(mutant->name, words[i]))
            return true;
    return false;
}

struct bench {
    struct layer_operands operands;
    struct layer_run runs[2];
    struct layer_verdict verdicts[2];
    struct impl_ctx *ctx;
};

/* Checks a case on the given implementations, all opened as the first one of this build. */
static void check(struct bench *b, const char *text, enum layer_pass pass,
                  const struct impl *const *list, int count)
{
    struct op_desc desc;
    memset(b, 0, sizeof *b);
    assert_int_equal(op_parse(text, &desc), OK);
    assert_int_equal(impls[0]->open(&b->ctx), OK);
    assert_int_equal(layer_operands_make(&b->operands, &desc, pass), OK);
    for (int i = 0; i < count; i++)
        if (layer_run_make(&b->runs[i], list[i], b->ctx, &b->operands) != OK)
            fail_msg("%s", fail_text());
    layer_check(&b->operands, b->runs, count, 7, b->verdicts);
    for (int i = 0; i < count; i++)
        layer_run_free(&b->runs[i]);
    layer_operands_free(&b->operands);
    impls[0]->close(b->ctx);
}

/* A mutant may show in one pass only, or only when it trains. */
static bool is_caught(const struct mutant *mutant, const struct impl *wrong, bool partner,
                      char *message, size_t size)
{
    const struct impl *list[2] = {impls[0], wrong};
    int last = partner ? 1 : 0;
    for (int pass = 0; pass < PASS_COUNT; pass++) {
        struct bench b;
        check(&b, mutant->text, (enum layer_pass)pass, partner ? list : &wrong, last + 1);
        if (partner && !b.verdicts[0].ok)
            fail_msg("the right one was blamed: %s", b.verdicts[0].message);
        snprintf(message, size, "%s", b.verdicts[last].message);
        if (!b.verdicts[last].ok)
            return true;
    }
    return false;
}

static void test_mutant_is_caught(void **state)
{
    const struct mutant *mutant = *state;
    struct op_entry entry;
    struct op_desc desc;
    char message[256];
    assert_int_equal(op_parse(mutant->text, &desc), OK);
    struct impl wrong = mutant_impl(mutant, desc.kind, &entry);
    if (!is_caught(mutant, &wrong, true, message, sizeof message))
        fail_msg("not caught beside a right one: %s", mutant->name);
    if (!needs_a_partner(mutant) && !is_caught(mutant, &wrong, false, message, sizeof message))
        fail_msg("not caught alone: %s", mutant->name);
    print_message("    caught by: %s\n", message);
}

/* Every implementation of this build, both passes, a case of each operation. */
static void test_right_ones_pass(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool exact;
    } cases[] = {
        {"conv2d n2 h9 w7 c6 oc10 k3 s2 p1 bias", true}, {"conv2d n1 h8 w8 c8 oc8 k3 p1 g8", true},
        {"linear n4 c20 oc6 bias", true},                {"linear n2 h3 w3 c5 oc7", true},
        {"batchnorm n2 h5 w5 c9", false},                {"batchnorm n2 h5 c9 batch_stats", false},
        {"relu n2 h5 w5 c9", true},                      {"sigmoid n2 h5 w5 c9", false},
        {"scale n2 h5 w5 c9 factor2 learned", true},     {"scale n2 h5 w5 c9 factor0.3", false},
        {"add n2 h5 w5 c9", true},                       {"add n2 h5 w5 c9 a0.25", false},
        {"mul_channel n2 h5 w5 c9", true},               {"mul_spatial n2 h5 w5 c9", true},
        {"maxpool n2 h9 w9 c9 k3 s2 p1", true},          {"avgpool n2 h9 w9 c9 k3 s2 p1", false},
        {"adaptive_avgpool n2 h9 w8 c5 oh4 ow3", false}, {"pool_hw n2 h7 w7 c9 mean", false},
        {"pool_hw n2 h7 w7 c9 max", true},               {"pool_c n2 h7 w7 c9 max-mean", false},
        {"pool_c n2 h7 w7 c9 mean-max", false},          {"pool_c n2 h7 w7 c9 max", true},
        {"pool_c n2 h7 w7 c9 half", false},              {"pool_c n2 h7 w7 c9 mean", false},
        {"concat n2 h5 w5 c9 c2_4", true},               {"subsample n2 h9 w9 c4 s2 before2", true},
        {"dropout n2 h5 w5 c9 rate0.5", false},          {"softmax_xent n4 c9 smoothing0.1", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int pass = 0; pass < PASS_COUNT; pass++) {
            struct bench b;
            check(&b, cases[i].text, (enum layer_pass)pass, impls, 1);
            if (!b.verdicts[0].ok)
                fail_msg("%s, pass %d: %s", cases[i].text, pass, b.verdicts[0].message);
            assert_int_equal(b.verdicts[0].exact, cases[i].exact);
            assert_true(b.verdicts[0].error < 1e-6);
        }
}

/* Sums that do not fit the integers of float are not called exact. */
static void test_exactness_has_a_limit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum layer_pass pass;
        bool exact;
    } cases[] = {
        {"conv2d n1 h7 w7 c512 oc512 k3 p1", PASS_BWD, true},
        {"mul_channel n1 h2000 w2000 c1", PASS_BWD, true},
        {"mul_channel n2 h1500 w1500 c1", PASS_BWD, false},
        {"mul_channel n2 h1500 w1500 c1", PASS_FWD, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct layer_operands o = {.pass = cases[i].pass};
        assert_int_equal(op_parse(cases[i].text, &o.desc), OK);
        if (layer_is_exact(&o) != cases[i].exact)
            fail_msg("%s", cases[i].text);
    }
}

static void test_costs_of_passes(void **state)
{
    (void)state;
    struct op_desc conv, relu;
    assert_int_equal(op_parse("conv2d n2 h8 w8 c4 oc6 k3 p1", &conv), OK);
    assert_int_equal(op_parse("relu n2 h8 w8 c4", &relu), OK);
    double x = 2 * 8 * 8 * 4, y = 2 * 8 * 8 * 6, w = 6 * 4 * 9;
    assert_true(layer_pass_macs(&conv, PASS_FWD) == y * 4 * 9);
    assert_true(layer_pass_macs(&conv, PASS_BWD) == 2 * y * 4 * 9);
    assert_true(layer_pass_bytes(&conv, PASS_FWD) == 4 * (x + y + w));
    /* reads dy, x and w; writes dx and dw */
    assert_true(layer_pass_bytes(&conv, PASS_BWD) == 4 * (y + x + w + x + w));
    /* reads dy and y; writes dx */
    assert_true(layer_pass_bytes(&relu, PASS_BWD) == 4 * (x + x + x));
    assert_true(layer_pass_macs(&relu, PASS_BWD) == 0);
}

static size_t add_tests(struct CMUnitTest *test, size_t count, const struct mutant *list)
{
    for (; list->name; list++) {
        CHECK(count < MOST);
        if (!is_out_of_sight(list))
            test[count++] = (struct CMUnitTest){list->name, test_mutant_is_caught, NULL, NULL,
                                                (void *)(uintptr_t)list};
    }
    return count;
}

int main(void)
{
    struct CMUnitTest tests[MOST] = {
        cmocka_unit_test(test_right_ones_pass),
        cmocka_unit_test(test_exactness_has_a_limit),
        cmocka_unit_test(test_costs_of_passes),
    };
    size_t count = add_tests(tests, 3, mutants_forward);
    count = add_tests(tests, count, mutants_backward);
    if (threads_set(threads_available()) != OK) {
        fprintf(stderr, "%s\n", fail_text());
        return 1;
    }
    return _cmocka_run_group_tests("layer_check", tests, count, NULL, NULL);
}
