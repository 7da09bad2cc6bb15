/* Batch normalisation fused with what follows it, against its composition: every instruction set
 * and number of threads, strides, gradients that are added or not wanted, odd shapes. */
#include "impls/base/memory.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "impls/fused/bn_act.h"
#include "impls/fused/isa.h"
#include "tests/fused_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool batch_statistics(const struct fused_case *f)
{
    return f->rig.desc.train && f->rig.desc.bn.batch_stats;
}

static void compare_statistics(const struct fused_case *f)
{
    for (int i = 2; i < 4 && batch_statistics(f); i++)
        fused_case_compare(f, f->rig.param[i].name, &f->rig.data[i], f->due.next[i],
                           f->due.count_param[i]);
}

/* What the gradient buffer held before is part of what is due. */
static void add_old(const struct fused_case *f, enum operand old, struct oracle_num *due,
                    size_t count)
{
    const struct rig *r = &f->rig;
    for (size_t i = 0; i < count; i++)
        due[i].value += operand_value(&r->desc, r->variant.data, r->variant.seed, old, i);
}

static void compare_gradients(struct fused_case *f)
{
    const struct opcheck_variant *v = &f->rig.variant;
    for (int i = 0; i < op_sources(f->rig.desc.kind); i++) {
        if (v->add_src >> i & 1)
            add_old(f, (enum operand)(OPERAND_OLD_SRC + i), f->due.diff_src[i],
                    f->due.count_src[i]);
        if (v->want_src >> i & 1)
            fused_case_compare(f, i ? "diff_src[1]" : "diff_src[0]", &f->rig.diff_src[i],
                    f->due.diff_src[i], f->due.count_src[i]);
    }
    for (int i = 0; i < 2; i++) {
        if (v->add_param >> i & 1)
            add_old(f, (enum operand)(OPERAND_OLD_PARAM + i), f->due.diff_param[i],
                    f->due.count_param[i]);
        if (v->want_param >> i & 1)
            fused_case_compare(f, i ? "bias gradient" : "weight gradient", &f->rig.grad[i],
                    f->due.diff_param[i], f->due.count_param[i]);
    }
}

static void backward(struct fused_case *f, int poison)
{
    float *result = malloc(f->due.count_dst * sizeof *result);
    assert_non_null(result);
    for (size_t i = 0; i < f->due.count_dst; i++)
        result[i] = *guarded_at(&f->rig.dst, i);
    enum status status = composition_backward(&f->due, result);
    free(result);
    fused_must(status);
    fused_must_hold(f, rig_backward(&f->rig, poison, poison != FUSED_NAN_POISON));
    compare_gradients(f);
}

static struct fused_record run_bn(const char *impl, int threads, const char *text,
                                  const struct opcheck_variant *v, int poison)
{
    struct fused_case f;
    struct fused_record r = {NULL, 0};
    fused_case_open(&f, impl, threads, text, v);
    fused_case_forward(&f, poison);
    compare_statistics(&f);
    fused_record_add(&r, &f.rig.dst);
    fused_record_add(&r, &f.rig.data[2]);
    fused_record_add(&r, &f.rig.data[3]);
    if (v->want_src | v->want_param) {
        backward(&f, poison);
        for (int i = 0; i < 2; i++) {
            if (v->want_src >> i & 1)
                fused_record_add(&r, &f.rig.diff_src[i]);
            if (v->want_param >> i & 1)
                fused_record_add(&r, &f.rig.grad[i]);
        }
    }
    fused_case_close(&f);
    return r;
}

/* Every instruction set and number of threads, and a run on other garbage: all the same bits. */
static void check_bn(const char *text, const struct opcheck_variant *v)
{
    struct fused_record first = {NULL, 0};
    for (int isa = 0; isa < FUSED_ISAS; isa++)
        for (int threads = 1; threads <= 2 && fused_isa_runs((enum fused_isa)isa); threads++) {
            if (threads > threads_available())
                continue;
            setenv("CBAM_BENCH_ISA", fused_isa_name((enum fused_isa)isa), 1);
            struct fused_record r =
                run_bn(threads == 1 ? "openblas" : "onednn", threads, text, v,
                       threads == 1 ? FUSED_NAN_POISON : FUSED_OTHER_POISON);
            if (first.value && !fused_record_same(&r, &first))
                fail_msg("%s: other bits with %s and %d threads", text,
                         fused_isa_name((enum fused_isa)isa), threads);
            if (first.value)
                free(r.value);
            else
                first = r;
        }
    unsetenv("CBAM_BENCH_ISA");
    free(first.value);
}

/* Around vector lengths; few values a channel; rows of several pixels with pixels left over;
 * several chunks of rows and slices of columns; enough of them for two threads. */
static const char *const bn_shapes[] = {
    "n9 h1 w1 c1",    "n2 h5 w3 c3",   "n3 h7 w5 c4",   "n2 h9 w7 c8",     "n2 h6 w5 c20",
    "n1 h4 w4 c16",   "n3 h3 w5 c33",  "n2 h7 w7 c64",  "n1 h2 w1 c600",   "n2 h13 w11 c35",
    "n3 h33 w31 c1",  "n3 h56 w57 c8", "n1 h19 w17 c272", "n1 h3 w3 c1040",
};
enum { BN_SHAPES = sizeof bn_shapes / sizeof bn_shapes[0] };

enum { STRIDED_ALL = 1 | 2 | OPCHECK_STRIDED_DST };

static const struct opcheck_variant bn_variants[] = {
    {.data = OPCHECK_FLOAT},
    {.data = OPCHECK_FLOAT, .strided = 1},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3, .want_param = 3},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 1, .want_param = 1},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 2, .want_param = 2},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 2},
    {.data = OPCHECK_FLOAT, .train = true, .want_param = 3, .add_param = 1},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3, .want_param = 3, .add_src = 3,
     .add_param = 3},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3, .want_param = 3, .add_src = 1,
     .strided = 1},
    {.data = OPCHECK_FLOAT, .train = true, .want_src = 3, .want_param = 3, .add_src = 2,
     .strided = STRIDED_ALL},
    {.data = OPCHECK_INTEGER, .train = true, .want_src = 3, .want_param = 3},
};
enum { BN_VARIANTS = sizeof bn_variants / sizeof bn_variants[0] };

static void check_bn_kind(const char *kind, unsigned sources)
{
    for (int shape = 0; shape < BN_SHAPES; shape++)
        for (int i = 0; i < 2 * BN_VARIANTS; i++) {
            char text[96];
            struct opcheck_variant v = bn_variants[i / 2];
            v.seed = 7;
            v.want_src &= sources;
            v.add_src &= sources;
            v.strided &= sources | OPCHECK_STRIDED_DST;
            snprintf(text, sizeof text, "%s %s eps0.001%s", kind, bn_shapes[shape],
                     i % 2 ? " momentum0.3 batch_stats" : "");
            if (!v.train || v.want_src || v.want_param)
                check_bn(text, &v);
        }
}

static void test_bn_act_equals_its_composition(void **state)
{
    (void)state;
    check_bn_kind("bn_act", 1);
}

static void test_bn_sum_act_equals_its_composition(void **state)
{
    (void)state;
    check_bn_kind("bn_sum_act", 3);
}

static void test_bn_act_of_one_value_a_channel_is_refused(void **state)
{
    (void)state;
    static const char *const kinds[] = {"batchnorm", "bn_act", "bn_sum_act"};
    const struct op_entry *const entries[] = {&fused_batchnorm, &fused_bn_act, &fused_bn_sum_act};
    for (int i = 0; i < 3; i++) {
        struct op_plan plan = {.entry = entries[i]};
        char text[64];
        snprintf(text, sizeof text, "%s n1 h1 w1 c8 batch_stats", kinds[i]);
        fused_must(op_parse(text, &plan.desc));
        fused_must(entries[i]->plan(NULL, &plan));
        entries[i]->release(&plan);
        plan.desc.train = true;
        assert_int_equal(entries[i]->plan(NULL, &plan), ERR_USAGE);
        assert_non_null(strstr(fail_text(), "more than one value per channel"));
    }
}

static void test_an_unknown_instruction_set_is_refused(void **state)
{
    (void)state;
    struct op_plan plan = {.entry = &fused_bn_act};
    fused_must(op_parse("bn_act n1 h2 w2 c8", &plan.desc));
    setenv("CBAM_BENCH_ISA", "avx7", 1);
    enum status status = fused_bn_act.plan(NULL, &plan);
    unsetenv("CBAM_BENCH_ISA");
    assert_int_equal(status, ERR_USAGE);
    assert_non_null(strstr(fail_text(), "CBAM_BENCH_ISA=avx7"));
}

/* A mean a thousand times the deviation, over as many pixels as a stage of a batch has. */
static void test_a_mean_far_from_zero_does_not_spoil_the_variance(void **state)
{
    (void)state;
    const struct opcheck_variant v = {.data = OPCHECK_OFFSET, .train = true, .want_src = 1,
                                      .want_param = 3, .seed = 7};
    struct fused_record r =
        run_bn("openblas", 1, "bn_act n32 h56 w56 c4 batch_stats", &v, FUSED_NAN_POISON);
    free(r.value);
}

/* ---- maps that are written past the caches ---- */

enum { LARGE_IMAGES = 9, LARGE_SIDE = 64, LARGE_CHANNELS = 64 };

/* The maps and parameters of one operation. */
struct large {
    float *map[OP_MAX_SRC], *dst, *diff_dst, *diff[OP_MAX_SRC];
    struct param param[4];
    float value[4][LARGE_CHANNELS];
};

static size_t image_floats(void)
{
    return (size_t)LARGE_SIDE * LARGE_SIDE * LARGE_CHANNELS;
}

static float *random_map(uint64_t seed)
{
    float *map = memory_alloc(LARGE_IMAGES * image_floats() * sizeof *map);
    assert_non_null(map);
    for (size_t i = 0; i < LARGE_IMAGES * image_floats(); i++)
        map[i] = (float)(random_mix(seed, i) % 2001) / 500 - 2;
    return map;
}

static void make_large(struct large *l)
{
    for (int i = 0; i < OP_MAX_SRC; i++) {
        l->map[i] = random_map(1 + (uint64_t)i);
        l->diff[i] = random_map(3);
    }
    l->dst = random_map(3);
    l->diff_dst = random_map(4);
    for (int i = 0; i < 4; i++) {
        l->param[i] = (struct param){.data = l->value[i], .count = LARGE_CHANNELS};
        for (int c = 0; c < LARGE_CHANNELS; c++)
            l->value[i][c] = 0.5f + (float)((c + i) % 7) / 4;
    }
}

static void free_large(struct large *l)
{
    for (int i = 0; i < OP_MAX_SRC; i++) {
        memory_free(l->map[i]);
        memory_free(l->diff[i]);
    }
    memory_free(l->dst);
    memory_free(l->diff_dst);
}

/* Forward and backward, with constant statistics, of `images` images from `first` on. */
static void run_images(struct large *l, int first, int images)
{
    struct op_plan plan = {.entry = &fused_bn_sum_act};
    struct op_desc *d = &plan.desc;
    size_t at = (size_t)first * image_floats();
    *d = (struct op_desc){.kind = OP_BN_SUM_ACT, .train = true, .want_diff_src = 3,
                          .bn.eps = 1e-5f};
    d->src[0] = tensor_dense(NULL, images, LARGE_SIDE, LARGE_SIDE, LARGE_CHANNELS);
    d->src[1] = d->src[0];
    fused_must(op_infer(d));
    fused_must(plan.entry->plan(NULL, &plan));
    assert_int_equal(plan.save_bytes + plan.scratch_bytes, 0);
    struct op_args args = {.dst = d->dst, .diff_dst = d->dst};
    for (int i = 0; i < OP_MAX_SRC; i++) {
        args.src[i] = args.diff_src[i] = d->src[i];
        args.src[i].data = l->map[i] + at;
        args.diff_src[i].data = l->diff[i] + at;
    }
    args.dst.data = l->dst + at;
    args.diff_dst.data = l->diff_dst + at;
    for (int i = 0; i < 4; i++)
        args.param[i] = &l->param[i];
    fused_must(plan.entry->forward(&plan, &args));
    fused_must(plan.entry->backward(&plan, &args));
    plan.entry->release(&plan);
}

/* Constant statistics make the images independent: all of them at once (more than 8 MB, written
 * past the caches) must give the bits that one after the other gives. */
static void test_large_maps_give_the_bits_of_small_ones(void **state)
{
    (void)state;
    struct large whole, each;
    fused_must(threads_set(threads_available() < 2 ? 1 : 2));
    make_large(&whole);
    make_large(&each);
    run_images(&whole, 0, LARGE_IMAGES);
    for (int i = 0; i < LARGE_IMAGES; i++)
        run_images(&each, i, 1);
    size_t bytes = LARGE_IMAGES * image_floats() * sizeof(float);
    assert_true(bytes > 8 << 20);
    assert_memory_equal(whole.dst, each.dst, bytes);
    assert_memory_equal(whole.diff[0], each.diff[0], bytes);
    assert_memory_equal(whole.diff[1], each.diff[1], bytes);
    free_large(&whole);
    free_large(&each);
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bn_act_equals_its_composition),
        cmocka_unit_test(test_bn_sum_act_equals_its_composition),
        cmocka_unit_test(test_bn_act_of_one_value_a_channel_is_refused),
        cmocka_unit_test(test_an_unknown_instruction_set_is_refused),
        cmocka_unit_test(test_a_mean_far_from_zero_does_not_spoil_the_variance),
        cmocka_unit_test(test_large_maps_give_the_bits_of_small_ones),
    };
    return cmocka_run_group_tests_name("fused batch normalisation", tests, NULL, NULL);
}
