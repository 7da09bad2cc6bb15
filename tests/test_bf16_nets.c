/* Whole networks in bf16: every model and form of attention, fused and composed, against f32;
 * what is promised of memory, repeated runs, changed weights and NaN; what is refused, by the
 * program too. */
#include "impls/base/threads.h"
#include "tests/bf16_case.h"
#include "tests/command.h"
#include "tests/network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* 8 bits of a number; through some tens of layers errors grow with the square root of their
 * number. */
static const double bound = 2e-2;

enum { CLASSES = 10, BATCH = 2 };

static void must(enum status status)
{
    if (status != OK)
        fail_msg("%s", fail_text());
}

static const struct impl *need_bf16(void)
{
    const struct impl *impl = bf16_impl();
    if (!impl) {
        print_message("skipped: %s\n", fail_text());
        skip();
    }
    return impl;
}

static struct program *compiled(const struct network *n, const struct net *form, enum dtype dtype)
{
    struct program *program;
    const struct program_request request = {.impl = n->impl, .ctx = n->ctx, .net = form,
                                            .batch = BATCH, .dtype = dtype};
    must(program_compile(&program, &request));
    network_fill(program, 5);
    return program;
}

static double distance(const float *got, const float *due, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)got[i] - (double)due[i];
        difference += d * d;
        norm += (double)due[i] * (double)due[i];
    }
    return sqrt(difference / norm);
}

static void check_form(const struct network *n, const struct net *form, const char *name,
                       double most)
{
    struct program *wide = compiled(n, form, DTYPE_F32), *half = compiled(n, form, DTYPE_BF16);
    const float *due = network_run(wide, 0), *got = network_run(half, 0);
    const double by = distance(got, due, BATCH * CLASSES);
    if (!(by <= most) || by == 0)
        fail_msg("%s: logits differ by %.3g of their length", name, by);
    program_free(wide);
    program_free(half);
}

static void check_network(const char *model, const char *attention, int side, double most)
{
    const struct impl *impl = need_bf16();
    struct network n;
    char name[256];
    network_open(&n, impl, model, attention, CLASSES, side, side);
    snprintf(name, sizeof name, "%s, %s", model, attention);
    check_form(&n, n.inference, name, most);
    snprintf(name, sizeof name, "%s, %s, composed", model, attention);
    check_form(&n, n.lowered, name, most);
    network_close(&n);
}

static void test_models(void **state)
{
    static const char *const models[] = {
        "resnet18:width=0.25", "resnet50:stem=small:width=0.25", "resnet20",
        "vgg16_bn:width=0.25:stem=small", "vgg16:width=0.25:stem=small", "vgg16_bn:width=0.1",
        "densenet121:width=0.25:stem=small", "mobilenet:width=0.5",
        "resnext50_32x4d:width=0.5"};
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        check_network(models[i], "none", 32, bound);
        check_network(models[i], "cbam", 32, bound);
    }
}

static void test_forms_of_attention(void **state)
{
    static const char *const forms[] = {
        "cbam:r=8:k=3", "cbam-article", "cbam-article:order=parallel", "se", "cbam-channel",
        "cbam-spatial", "cbam-parallel", "cbam-spatial-first", "cbam-light", "cbam:spool=conv1x1",
        "cbam:inner", "cbam:alpha", "control"};
    (void)state;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        check_network("resnet20", forms[i], 16, bound);
    /* Gates up to 2, which are no longer fresh here, let maps grow by 4 a block: then the gates
     * behind them are steep, and the same few roundings come out a hundred times larger, fused
     * or not. */
    check_network("resnet20", "cbam:scale=2", 16, 0.4);
}

/* ---- how ---- */

/* Convolutions are converted round once, at the input; attention and what follows never are. */
static void test_kernels_of_resnet50(void **state)
{
    const struct impl *impl = need_bf16();
    struct network n;
    int converted = 0;
    (void)state;
    network_open(&n, impl, "resnet50:width=0.25", "cbam", CLASSES, 224, 224);
    struct program *half = compiled(&n, n.inference, DTYPE_BF16);
    struct program *wide = compiled(&n, n.inference, DTYPE_F32);
    for (int i = 0; i < program_steps(half); i++) {
        const struct program_step_info step = program_step(half, i);
        converted += strstr(step.how, "->") != NULL;
        if (!strstr(step.how, "bf16"))
            fail_msg("%s runs as %s", step.name, step.how);
    }
    assert_int_equal(converted, 1);
    assert_true(strncmp(program_step(half, 0).how, "f32->bf16, ", 11) == 0);
    assert_true((double)program_bytes(half) < 0.7 * (double)program_bytes(wide));
    program_free(half);
    program_free(wide);
    network_close(&n);
}

static void test_repeated_runs_give_the_same_bits(void **state)
{
    const struct impl *impl = need_bf16();
    (void)state;
    for (int threads = 1; threads <= 2 && threads <= threads_available(); threads++) {
        struct network n;
        float first[BATCH * CLASSES];
        network_open(&n, impl, "resnet20", "cbam", CLASSES, 32, 32);
        must(threads_set(threads));
        for (int run = 0; run < 3; run++) {
            struct program *program = compiled(&n, n.inference, DTYPE_BF16);
            const float *got = network_run(program, 0);
            if (run == 0)
                memcpy(first, got, sizeof first);
            assert_memory_equal(got, first, sizeof first);
            assert_memory_equal(network_run(program, 0), first, sizeof first);
            program_free(program);
        }
        network_close(&n);
    }
}

static void test_changed_weights_are_packed_anew(void **state)
{
    const struct impl *impl = need_bf16();
    struct network n;
    (void)state;
    network_open(&n, impl, "resnet20:width=0.5", "cbam", CLASSES, 16, 16);
    struct program *used = compiled(&n, n.inference, DTYPE_BF16);
    network_run(used, 0);
    for (int i = 0; i < n.net->params->count; i++) {
        struct param *p = &n.net->params->list[i]->p;
        for (size_t k = 0; k < p->count; k++)
            p->data[k] *= 1.25f;
        p->version++;
    }
    struct program *fresh = compiled(&n, n.inference, DTYPE_BF16);
    const float *due = network_run(fresh, 0), *got = network_run(used, 0);
    assert_memory_equal(got, due, BATCH * CLASSES * sizeof(float));
    program_free(used);
    program_free(fresh);
    network_close(&n);
}

/* What one image is made of reaches no other. */
static void test_nan_stays_in_its_image(void **state)
{
    const struct impl *impl = need_bf16();
    struct network n;
    (void)state;
    network_open(&n, impl, "densenet121:width=0.25:stem=small", "none", CLASSES, 32, 32);
    struct program *program = compiled(&n, n.lowered, DTYPE_BF16);
    struct tensor input = program_input(program, 0);
    ((float *)input.data)[tensor_count(&input) / 2] = NAN; /* the second image's first pixel */
    const float *got = network_run(program, 0);
    int nan[BATCH] = {0};
    for (int i = 0; i < BATCH * CLASSES; i++)
        nan[i / CLASSES] += isnan(got[i]);
    assert_int_equal(nan[0], 0);
    program_free(program);
    network_close(&n);
}

/* The value of a node, asked for beside the logits, in f32 whatever the program's dtype. */
static float *value_of(const struct network *n, int id, enum dtype dtype, size_t *count)
{
    const int outputs[2] = {n->lowered->output, id};
    const struct program_request request = {.impl = n->impl, .ctx = n->ctx, .net = n->lowered,
                                            .batch = 1, .outputs = outputs, .output_count = 2,
                                            .dtype = dtype};
    struct program *program;
    must(program_compile(&program, &request));
    network_fill(program, 5);
    must(program_forward(program));
    const struct tensor value = program_output(program, 1);
    assert_int_equal(value.dtype, DTYPE_F32);
    *count = tensor_count(&value);
    float *copy = malloc(*count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, value.data, *count * sizeof *copy);
    program_free(program);
    return copy;
}

static void check_value(const struct network *n, int id, const char *model)
{
    size_t count;
    float *due = value_of(n, id, DTYPE_F32, &count), *got = value_of(n, id, DTYPE_BF16, &count);
    const double by = distance(got, due, count);
    if (!(by <= bound))
        fail_msg("%s, %s: differs by %.3g", model, n->lowered->nodes[id].name, by);
    free(due);
    free(got);
}

/* Inside a growing map and an attention site, too. */
static void test_outputs_are_f32(void **state)
{
    const struct impl *impl = need_bf16();
    static const char *const models[] = {"resnet20:width=0.5", "densenet121:width=0.25:stem=small"};
    (void)state;
    for (int m = 0; m < 2; m++) {
        struct network n;
        network_open(&n, impl, models[m], "cbam", CLASSES, 32, 32);
        const int last = n.lowered->count - 1;
        for (int id = 1; id < last; id += 1 + last / 16)
            if (n.lowered->nodes[id].type == NODE_OP)
                check_value(&n, id, models[m]);
        network_close(&n);
    }
}

/* ---- refusals ---- */

static void refuse(const struct program_request *request, const char *words)
{
    struct program *program;
    assert_int_equal(program_compile(&program, request), ERR_UNSUPPORTED);
    if (!strstr(fail_text(), words))
        fail_msg("'%s' does not say '%s'", fail_text(), words);
}

static void test_programs_refuse(void **state)
{
    (void)state;
    for (int i = 0; impls[i]; i++) {
        struct algorithms winograd = {.rule = ALGORITHM_WINOGRAD};
        struct network n;
        network_open(&n, impls[i], "resnet20:width=0.5", "none", CLASSES, 16, 16);
        struct program_request request = {.impl = n.impl, .ctx = n.ctx, .net = n.inference,
                                          .batch = 1, .dtype = DTYPE_BF16};
        if (!n.impl->bf16)
            refuse(&request, "does not offer bf16: onednn does");
        request.algorithms = &winograd;
        refuse(&request, "--algorithm winograd");
        request.train = true;
        refuse(&request, "training stays in f32");
        network_close(&n);
    }
}

static void test_the_program_refuses(void **state)
{
    (void)state;
    struct command c;
    command_need();
#define TINY "latency --model resnet20 --input 16 --threads 1 --samples 3 "
    command_refused(2, "--dtype bf17", "f32 or bf16", TINY "--dtype bf17");
    command_refused(2, "--dtype", "twice", TINY "--dtype bf16,bf16");
    command_refused(2, "--dtype bf16", "training stays in f32", TINY "--dtype bf16 --train");
    command_refused(1, "naive does not offer bf16", "onednn", TINY "--impl naive --dtype bf16");
    need_bf16();
    command_refused(2, "--dtype bf16", "--algorithm winograd",
                    TINY "--impl onednn --dtype bf16 --algorithm winograd");
    command_shell(&c, "ONEDNN_MAX_CPU_ISA=AVX512_CORE \"$CBAM_BENCH\" " TINY
                  "--impl onednn --dtype bf16");
    assert_int_equal(c.status, 1);
    assert_non_null(strstr(c.err, "bf16 needs AVX512_BF16: oneDNN uses no more than avx512_core"));
    command_free(&c);
    command_shell(&c, "CBAM_BENCH_ISA=avx2 \"$CBAM_BENCH\" " TINY "--impl onednn --dtype bf16");
    assert_int_equal(c.status, 1);
    assert_non_null(strstr(c.err, "CBAM_BENCH_ISA keeps it"));
    command_free(&c);
}

/* Both dtypes in turns in one process; a row says which. */
static void test_latency_rows(void **state)
{
    (void)state;
    struct command c;
    command_need();
    need_bf16();
    command_ok(&c, TINY "--attention none,cbam --impl onednn --dtype f32,bf16 --format json");
    json_t *json = command_json(&c), *rows = command_member(json, "rows"), *row;
    size_t i;
    assert_int_equal(json_array_size(rows), 4);
    json_array_foreach(rows, i, row)
    {
        const bool half = i % 2;
        assert_string_equal(json_string_value(command_member(row, "dtype")), half ? "bf16" : "f32");
        assert_true((strstr(json_string_value(command_member(row, "how")), "_bf16") != NULL) ==
                    half);
    }
    json_array_foreach(command_member(json, "ratios"), i, row)
        assert_string_equal(json_string_value(command_member(row, "dtype")), i ? "bf16" : "f32");
    json_decref(json);
    command_free(&c);
}

int main(int argc, char **argv)
{
    (void)argc;
    threads_startup(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_forms_of_attention),
        cmocka_unit_test(test_kernels_of_resnet50),
        cmocka_unit_test(test_repeated_runs_give_the_same_bits),
        cmocka_unit_test(test_changed_weights_are_packed_anew),
        cmocka_unit_test(test_nan_stays_in_its_image),
        cmocka_unit_test(test_outputs_are_f32),
        cmocka_unit_test(test_programs_refuse),
        cmocka_unit_test(test_the_program_refuses),
        cmocka_unit_test(test_latency_rows),
    };
    return cmocka_run_group_tests_name("networks in bf16", tests, NULL, NULL);
}
