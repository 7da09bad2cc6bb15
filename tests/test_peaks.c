/* Chains of calls timed link by link, the machine's peaks, and what operations cost: the parts of a
 * roofline. Time is a number that the links advance. */
#include "bench/measure/chain.h"
#include "bench/measure/peak.h"
#include "impls/base/threads.h"
#include "impls/fused/isa.h"
#include "impls/ops.h"
#include "tests/temp_dir.h"

#include <math.h>

/* ---- chains ---- */

/* A clock that links push forward, and the order in which they ran. */
struct world {
    int64_t now;
    char order[256];
    int ran;
};

struct step {
    struct world *world;
    char name;
    int64_t ns;
    bool fails;
};

static int64_t world_now(void *context)
{
    return ((struct world *)context)->now;
}

static enum status take(void *context)
{
    struct step *step = context;
    struct world *world = step->world;
    if (step->fails)
        return ERR_LIBRARY;
    world->now += step->ns;
    if (world->ran < 255)
        world->order[world->ran++] = step->name;
    return OK;
}

static void test_chain(void **state)
{
    (void)state;
    struct world world = {.now = 1000};
    const struct sample_clock clock = {world_now, &world};
    struct step step[] = {{&world, 'a', 1000000, false}, {&world, 'b', 2500000, false},
                          {&world, 'W', 9000000, false}};
    const struct sample_target links[] = {{take, &step[0]}, {take, &step[1]}};
    const struct sample_target whole = {take, &step[2]};
    struct sample_settings settings = {.samples = 100, .least = 3, .clock = &clock};
    struct chain chain;
    assert_int_equal(chain_time(links, 2, &whole, &settings, &chain), OK);
    assert_int_equal(chain.n, 100);
    for (int i = 0; i < 100; i++) {
        assert_true(fabs(chain_link(&chain, 0)[i] - 1) < 1e-12);
        assert_true(fabs(chain_link(&chain, 1)[i] - 2.5) < 1e-12);
        assert_true(fabs(chain.sum[i] - 3.5) < 1e-12 && fabs(chain.whole[i] - 9) < 1e-12);
    }
    /* One round of warm-up; then links and whole take turns in coming first. */
    assert_memory_equal(world.order, "abWabWWababWWab", 15);
    chain_free(&chain);
}

static void test_chain_ends(void **state)
{
    (void)state;
    struct world world = {.now = 0};
    const struct sample_clock clock = {world_now, &world};
    struct step step[] = {{&world, 'a', 400000000, false}, {&world, 'W', 1, false}};
    const struct sample_target link = {take, &step[0]}, whole = {take, &step[1]};
    struct sample_settings settings = {.samples = 100, .least = 3, .seconds = 1.9, .clock = &clock};
    struct chain chain;
    assert_int_equal(chain_time(&link, 1, &whole, &settings, &chain), OK);
    assert_int_equal(chain.n, 5); /* 5 times 0.4 s is the first sum that is not below 1.9 s */
    chain_free(&chain);
    settings.seconds = 0.1;
    assert_int_equal(chain_time(&link, 1, &whole, &settings, &chain), OK);
    assert_int_equal(chain.n, 3);
    chain_free(&chain);
    step[0].fails = true;
    assert_int_equal(chain_time(&link, 1, &whole, &settings, &chain), ERR_LIBRARY);
    chain_free(&chain);
}

/* ---- peaks ---- */

static void test_peak(void **state)
{
    (void)state;
    struct peak one;
    assert_int_equal(threads_set(1), OK);
    assert_int_equal(peak_measure(&one), OK);
    assert_int_equal(one.threads, 1);
    assert_true(one.memory_bytes >= 120 << 20 && one.cache_bytes < one.memory_bytes);
#ifndef SANITIZED
    /* Of any processor this runs on; far below, the loops would not be what they are said to be. */
    assert_true(one.gflops > 4 && one.gflops < 1000);
    assert_true(one.memory_gbs > 0.5 && one.memory_gbs < 1000);
    assert_true(one.cache_gbs > 0.8 * one.memory_gbs);
#endif
}

/* Half as wide numbers: not slower than f32 anywhere that has the instruction. */
static void test_peak_of_bf16(void **state)
{
    (void)state;
    struct peak one;
    assert_int_equal(threads_set(1), OK);
    assert_int_equal(peak_measure(&one), OK);
    assert_true(one.bf16_gflops == 0);
    if (!fused_isa_has_bf16()) {
        assert_int_equal(peak_measure_bf16(&one), ERR_UNSUPPORTED);
        return;
    }
    assert_int_equal(peak_measure_bf16(&one), OK);
#ifndef SANITIZED
    assert_true(one.bf16_gflops > 0.8 * one.gflops && one.bf16_gflops < 8 * one.gflops);
#endif
}

static void test_bound(void **state)
{
    (void)state;
    const struct peak peak = {.gflops = 100, .bf16_gflops = 200, .memory_gbs = 20};
    assert_true(fabs(peak_bound_ms(&peak, DTYPE_F32, 2e8, 1e6) - 2) < 1e-9);
    assert_true(fabs(peak_bound_ms(&peak, DTYPE_F32, 1e6, 6e7) - 3) < 1e-9);
    assert_true(fabs(peak_bound_ms(&peak, DTYPE_BF16, 2e8, 1e6) - 1) < 1e-9);
}

/* ---- costs ---- */

/* Counted by hand. */
static void test_flops(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double flops;
    } cases[] = {
        {"conv2d n2 h5 w6 c3 oc4 k3 p1", 2.0 * 2 * 5 * 6 * 4 * 3 * 9},
        {"linear n3 c10 oc7", 2.0 * 3 * 10 * 7},
        {"relu n2 h3 w3 c5", 90},
        {"batchnorm n2 h3 w3 c5", 180},
        {"add n1 h2 w2 c3", 12},
        {"maxpool n1 h4 w4 c2 k2 s2", 4 * 2 * 4},
        {"pool_hw n2 h4 w4 c8 max", 2 * 16 * 8},
        {"pool_c n1 h4 w4 c8 max-mean", 2 * 16 * 8},
        {"mul_channel n1 h4 w4 c8", 16 * 8},
        {"concat n1 h4 w4 c8", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct op_desc desc;
        if (op_parse(cases[i].text, &desc) != OK)
            fail_msg("%s", fail_text());
        if (op_flops(&desc) != cases[i].flops)
            fail_msg("%s: %g operations where %g are due", cases[i].text, op_flops(&desc),
                     cases[i].flops);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain), cmocka_unit_test(test_chain_ends),
        cmocka_unit_test(test_peak),  cmocka_unit_test(test_peak_of_bf16),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_flops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
