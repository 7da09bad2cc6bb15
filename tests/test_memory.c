/* Weights in memory: what plans have packed is given back layer by layer, and nothing else; a
 * file's tensors are not drawn first; the memory that the program itself then holds. The large
 * bounds are in slow_memory.c. */
#include "bench/net/weights.h"
#include "impls/base/memory.h"
#include "tests/network.h"

#include "tests/command.h"
#include "tests/memory_of.h"
#include "tests/temp_dir.h"

#include <math.h>

static void test_discard(void **state)
{
    (void)state;
    enum { BYTES = 1 << 20, EDGE = 8192 };
    unsigned char *block = memory_alloc(BYTES + 2 * EDGE);
    assert_non_null(block);
    memset(block, 7, BYTES + 2 * EDGE);
    memory_discard(block + EDGE + 1, BYTES);
    for (int i = 0; i <= EDGE; i++)
        assert_int_equal(block[i], 7);
    for (int i = EDGE + 1 + BYTES; i < BYTES + 2 * EDGE; i++)
        assert_int_equal(block[i], 7);
    assert_int_equal(block[EDGE + BYTES / 2], 0);
    memory_discard(NULL, 10);
    memory_free(block);
}

static struct program *compile(const struct network *n, const struct net *form, bool drop)
{
    struct program *program;
    const struct program_request request = {.impl = n->impl, .ctx = n->ctx, .net = form,
                                            .batch = 2, .drop_weights = drop};
    if (program_compile(&program, &request) != OK)
        fail_msg("%s", fail_text());
    network_fill(program, 3);
    return program;
}

/* The same bits with and without, in the first pass and in the second, when the weights are
 * gone. */
static void check_drop(const struct impl *impl, const char *attention, bool fused)
{
    struct network n;
    float logits[20];
    network_open(&n, impl, "resnet20", attention, 10, 32, 32);
    const struct net *form = fused ? n.inference : n.lowered;
    struct program *kept = compile(&n, form, false);
    memcpy(logits, network_run(kept, 0), sizeof logits);
    assert_true(program_dropped_bytes(kept) == 0);
    program_free(kept);
    struct program *program = compile(&n, form, true);
    for (int pass = 0; pass < 2; pass++)
        assert_memory_equal(network_run(program, 0), logits, sizeof logits);
    size_t dropped = 0;
    for (int i = 0; i < n.net->params->count; i++)
        if (n.net->params->list[i]->dropped)
            dropped += n.net->params->list[i]->p.count * sizeof(float);
    assert_true(program_dropped_bytes(program) == dropped);
    /* Every implementation packs the 3x3 convolutions: nine tenths of this network. */
    assert_true((double)dropped > 0.9 * sizeof(float) * params_count(n.net->params) || !fused);
    program_free(program);
    network_close(&n);
}

static void test_dropped_weights_change_nothing(void **state)
{
    (void)state;
    for (int i = 0; impls[i]; i++)
        for (int fused = 0; fused < 2; fused++) {
            check_drop(impls[i], "none", fused);
            check_drop(impls[i], "cbam", fused);
        }
}

/* What the file lacks is what a fresh network of that seed has, what it gives is the file's. */
static void test_only_missing_tensors_are_drawn(void **state)
{
    struct network plain, with;
    struct safetensors file;
    struct weights_report report;
    static const char *const missing[] = {"*cbam*", NULL};
    const struct weights_rules rules = {.allow_missing = missing, .draw = true, .seed = 5};
    network_open(&plain, impls[0], "resnet20", "none", 10, 32, 32);
    network_open(&with, impls[0], "resnet20", "cbam", 10, 32, 32);
    assert_int_equal(weights_save(temp_dir_file(state, "w"), plain.net->params, NULL, 0), OK);
    assert_int_equal(safetensors_open(&file, temp_dir_file(state, "w")), OK);
    struct params *params = with.net->params;
    for (int i = 0; i < params->count; i++)
        memset(params->list[i]->p.data, 0x7f, params->list[i]->p.count * sizeof(float));
    assert_int_equal(weights_load(params, &file, &rules, &report), OK);
    safetensors_close(&file);
    for (int i = 0; i < params->count; i++) {
        const struct net_param *p = params->list[i];
        const struct net_param *source = params_find(plain.net->params, p->name);
        struct net_param fresh = *p;
        float *values = calloc(p->p.count, sizeof *values);
        fresh.p.data = values;
        params_init_one(&fresh, 5);
        assert_memory_equal(p->p.data, source ? source->p.data : values,
                            p->p.count * sizeof *values);
        free(values);
    }
    network_close(&plain);
    network_close(&with);
}

/* A narrow ResNet-50, less what the program needs for next to nothing: the bounds of slow_memory.c
 * in small. */
static void test_memory_of_predict(void **state)
{
    const struct temp_dir *dir = *state;
    command_need();
#ifdef SANITIZED
    skip();
#endif
    for (int i = 0; impls[i]; i++) {
        struct memory base = memory_of_predict(dir->path, "resnet20", impls[i]->name, 32);
        struct memory m = memory_of_predict(dir->path, "resnet50:width=0.5", impls[i]->name, 64);
        double after = (m.after_mb - base.after_mb) / m.file_mb;
        double peak = (m.peak_mb - base.peak_mb) / m.file_mb;
        print_message("%s: %.1f MiB of weights; %.2f times that after, %.2f at most\n",
                      impls[i]->name, m.file_mb, after, peak);
        assert_true(after < 1.5 && peak < 2.5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discard),
        cmocka_unit_test(test_dropped_weights_change_nothing),
        cmocka_unit_test_setup_teardown(test_only_missing_tensors_are_drawn, temp_dir_make,
                                        temp_dir_remove),
        cmocka_unit_test_setup_teardown(test_memory_of_predict, temp_dir_make, temp_dir_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
