/* The program from outside: help of every verb, describe, predict, eval and train in the forms that
 * people type, and what each of them refuses, in one line and with which exit status. Needs
 * $CBAM_BENCH, the path of the program. */
#include "bench/net/npy.h"
#include "impls/base/threads.h"
#include "tests/support.h"

#include "tests/command.h"

#include <math.h>

static const char net[] = "--model resnet20:width=0.25 --attention cbam";

static const char *const verbs[] = {"doctor", "describe", "predict", "eval",
                                    "train",  "layers",   "latency", "study"};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

/* ---- every verb ---- */

static void check_help(const char *verb)
{
    struct command c;
    command_ok(&c, "%s --help", verb);
    assert_non_null(strstr(c.out, "Usage: cbam-bench "));
    assert_non_null(strstr(c.out, verb));
    assert_string_equal(c.err, "");
    command_free(&c);
}

/* Every verb that the program lists, and at least those known here, has help of its own. */
static void test_help(void **state)
{
    struct command c;
    int listed = 0;
    (void)state;
    command_need();
    command_ok(&c, "--help");
    assert_string_equal(c.err, "");
    for (int i = 0; i < VERBS; i++)
        assert_non_null(strstr(c.out, verbs[i]));
    for (char *rest, *line = strtok_r(c.out, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char verb[32];
        if (strncmp(line, "  ", 2) != 0 || sscanf(line, "%31s", verb) != 1)
            continue;
        check_help(verb);
        listed++;
    }
    assert_true(listed >= VERBS);
    command_free(&c);
}

static void test_version(void **state)
{
    struct command c;
    (void)state;
    command_need();
    command_ok(&c, "--version");
    assert_memory_equal(c.out, "cbam-bench ", 11);
    for (int i = 0; impls[i]; i++)
        assert_non_null(strstr(c.out, impls[i]->name));
    command_free(&c);
}

static void test_unknown_verbs(void **state)
{
    struct command c;
    (void)state;
    command_need();
    command_refused(2, "'trian'", "train", "trian --epochs 1");
    command_refused(2, "'--epochs'", "train", "--epochs 1");
    command_run(&c, " ");
    assert_int_equal(c.status, 2);
    assert_string_equal(c.out, "");
    assert_non_null(strstr(c.err, "Usage: cbam-bench VERB"));
    command_free(&c);
}

static void test_unknown_options_and_words(void **state)
{
    (void)state;
    command_need();
    for (int i = 0; i < VERBS; i++) {
        bool takes_words = strcmp(verbs[i], "study") == 0 || strcmp(verbs[i], "predict") == 0;
        command_refused(2, verbs[i], "'--nonsense'", "%s %s--nonsense", verbs[i],
                        strcmp(verbs[i], "study") == 0 ? "run " : "");
        if (!takes_words)
            command_refused(2, verbs[i], "'stray'", "%s stray", verbs[i]);
    }
    command_refused(2, "study", "'stray'", "study stray");
}

/* ---- describe ---- */

static double sum_of(const json_t *rows, const char *key)
{
    double sum = 0;
    for (size_t i = 0; i < json_array_size(rows); i++)
        sum += command_number(json_array_get(rows, i), key);
    return sum;
}

static void test_describe_json(void **state)
{
    (void)state;
    command_need();
    json_t *plain = command_describe("--model resnet50 --attention none --classes 1000 "
                                     "--input 224");
    json_t *with = command_describe("--model resnet50 --attention cbam --classes 1000 "
                                    "--input 224 --layers");
    const json_t *sites = command_member(with, "sites"), *first = json_array_get(sites, 0);
    assert_true(command_number(plain, "params") == 25557032);
    assert_true(command_number(with, "params") == 28089624);
    assert_int_equal(json_array_size(command_member(plain, "sites")), 0);
    assert_int_equal(json_array_size(sites), 16);
    assert_string_equal(json_string_value(command_member(first, "name")), "layer1.0.cbam");
    assert_true(command_number(first, "channels") == 256 && command_number(first, "hidden") == 16);
    assert_true(command_number(first, "params") == 8564);
    assert_true(command_number(first, "macs") == 2 * 2 * 256 * 16 + 2 * 49 * 56 * 56);
    assert_true(sum_of(sites, "params") == 28089624 - 25557032);
    assert_true(sum_of(sites, "macs") ==
                command_number(with, "macs") - command_number(plain, "macs"));
    assert_true(sum_of(command_member(with, "layers"), "params") == 28089624);
    assert_true(sum_of(command_member(with, "layers"), "macs") == command_number(with, "macs"));
    json_decref(plain);
    json_decref(with);
}

static void test_describe_other_formats(void **state)
{
    static const char *const formats[] = {"text", "md", "csv"};
    struct command c;
    (void)state;
    command_need();
    for (int i = 0; i < 3; i++) {
        command_ok(&c, "describe %s --classes 4 --input 16x24 --format %s", net, formats[i]);
        assert_non_null(strstr(c.out, "layer3.2.cbam"));
        assert_string_equal(c.err, "");
        command_free(&c);
    }
    command_ok(&c, "describe --model resnet18 --attention cbam --input 32");
    assert_non_null(strstr(c.out, "1x1")); /* the last map, with a warning (report R56) */
    assert_non_null(strstr(c.out, "warning"));
    command_free(&c);
    command_ok(&c, "describe --model resnet18:stem=small --attention cbam --input 32");
    assert_null(strstr(c.out, "warning"));
    assert_non_null(strstr(c.out, "small stem"));
    command_free(&c);
}

static void test_describe_refuses(void **state)
{
    static const struct {
        const char *options, *first, *second;
    } bad[] = {
        {"--classes 0", "--classes", "1 to 1000000"}, {"--classes 1e3", "--classes", "whole"},
        {"--input 0", "--input", "1 to 4096"},        {"--input 99999", "--input", "4096"},
        {"--input 32x", "--input", "whole"},          {"--input -3", "--input", "whole"},
        {"--format xml", "--format", "json"},         {"--model ''", "--model", "resnet50"},
        {"--model resnet50:width=-1", "width", "0.01"}, {"--model vgg16:strides=v1", "strides", ""},
        {"--attention cbam:r=0", "r=0", "65536"},     {"--transfer head", "head", "frozen"},
        {"--model vgg16 --input 8", "8x8", "too small"}, {"--classes", "--classes", "argument"},
    };
    (void)state;
    command_need();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        command_refused(2, bad[i].first, bad[i].second, "describe %s", bad[i].options);
}

/* ---- a trained network ---- */

/* Trains in the bed and leaves "w": JSON of the run. */
static json_t *train_in(struct bed *bed, const char *options)
{
    struct command c;
    command_ok(&c, "train %s --data %s --impl %s --threads 1 --batch 8 --quiet --save %s "
               "--format json %s", net, bed->data, impls[0]->name, bed_path(bed, "w"), options);
    assert_string_equal(c.err, "");
    json_t *json = command_json(&c);
    command_free(&c);
    return json;
}

static void test_train_json(void **state)
{
    struct bed *bed = *state;
    command_need();
    json_t *json = train_in(bed, "--epochs 2 --seed 3");
    const json_t *curve = command_member(json, "curve");
    assert_true(json_is_false(command_member(json, "diverged")));
    assert_true(command_number(json, "train_n") == 64 && command_number(json, "test_n") == 24);
    assert_true(command_number(json, "val_n") == 0);
    assert_true(json_is_null(command_member(json, "val_accuracy")));
    assert_true(command_number(json, "params") == command_number(json, "trainable"));
    assert_int_equal(json_array_size(curve), 2);
    assert_true(command_number(json_array_get(curve, 1), "epoch") == 2);
    assert_true(command_number(json_array_get(curve, 1), "lr") <
                command_number(json_array_get(curve, 0), "lr"));
    assert_true(command_number(command_member(json, "settings"), "seed") == 3);
    assert_true(strlen(json_string_value(command_member(json, "split_hash"))) == 16);
    assert_true(command_number(json, "images_per_s") > 0);
    json_decref(json);
}

static void test_train_text_and_losses(void **state)
{
    struct bed *bed = *state;
    struct command c;
    double loss[2];
    int end = 0;
    command_need();
    command_ok(&c, "train %s --data %s --impl %s --threads 1 --batch 8 --steps 3 --print-losses 2",
               net, bed->data, impls[0]->name);
    int found = sscanf(c.out, "step 1 loss %lf\nstep 2 loss %lf\n%n", &loss[0], &loss[1], &end);
    assert_int_equal(found, 2);
    assert_true(end > 0 && fabs(loss[0] - log(4)) < 1);
    assert_null(strstr(c.out, "step 3"));
    assert_non_null(strstr(c.out + end, "attention cbam, scratch, seed 1"));
    assert_non_null(strstr(c.out + end, "% of 24"));
    command_free(&c);
}

static void test_eval(void **state)
{
    struct bed *bed = *state;
    struct command c;
    command_need();
    json_t *run = train_in(bed, "--epochs 3 --augment off");
    for (int i = 0; impls[i]; i++) {
        command_ok(&c, "eval %s --weights %s --data %s --impl %s --format json", net,
                   bed_path(bed, "w"), bed->data, impls[i]->name);
        json_t *json = command_json(&c);
        command_free(&c);
        assert_true(command_number(json, "n") == 24);
        assert_true(command_number(json, "top1") == command_number(run, "test_accuracy"));
        assert_true(json_is_null(command_member(json, "top5"))); /* of 4 classes */
        assert_true(fabs(command_number(json, "loss") - command_number(run, "test_loss")) < 1e-4);
        json_decref(json);
    }
    command_ok(&c, "eval %s --weights %s --data %s --part train --batch 5", net,
               bed_path(bed, "w"), bed->data);
    assert_non_null(strstr(c.out, "of 64)"));
    command_free(&c);
    command_ok(&c, "eval %s --weights %s --data %s:per-class=10:val=2 --part val", net,
               bed_path(bed, "w"), bed->data);
    assert_non_null(strstr(c.out, "of 8)"));
    command_free(&c);
    json_decref(run);
}

static void test_eval_refuses(void **state)
{
    static const struct {
        const char *options, *first, *second;
    } bad[] = {
        {"--part foo", "--part", "val"},    {"--format xml", "--format", "json"},
        {"--batch 0", "--batch", "whole"},  {"--batch -1", "--batch", "whole"},
        {"--threads 0", "--threads", "1"},  {"--threads 1000", "--threads", "may use"},
        {"--impl mkl", "mkl", "there are"}, {"--seed -1", "--seed", "whole"},
        {"--size 0", "--size", "4096"},     {"--part val", "--part val", "no such images"},
        {"--data foo:bar", "foo", "idx"},   {"--size 8", "8x8", "12x12"},
        {"--weights", "--weights", "argument"},
    };
    struct bed *bed = *state;
    command_need();
    json_decref(train_in(bed, "--steps 1"));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        command_refused(2, bad[i].first, bad[i].second, "eval %s --data %s --weights %s %s", net,
                        bed->data, bed_path(bed, "w"), bad[i].options);
    command_refused(2, "--weights", "needed", "eval %s --data %s", net, bed->data);
    command_refused(2, "4 classes", "the data set 2", "eval %s --data %s:classes=0+1 --weights %s",
                    net, bed->data, bed_path(bed, "w"));
}

/* Missing, damaged and mislabelled files: named, with what was expected. */
static void test_bad_files_are_named(void **state)
{
    static const unsigned char png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    struct bed *bed = *state;
    size_t size, whole;
    command_need();
    json_decref(train_in(bed, "--steps 1"));
    uint8_t *good = fixture_read(&bed->folder, "w", &whole);
    fixture_write(&bed->folder, "short", good, whole - 1);
    fixture_write(&bed->folder, "empty", good, 0);
    fixture_write(&bed->folder, "png", png, sizeof png);
    const float nan = NAN;
    uint64_t header;
    memcpy(&header, good, sizeof header);
    memcpy(good + sizeof header + header, &nan, sizeof nan); /* in the first tensor */
    fixture_write(&bed->folder, "nan", good, whole);
    free(good);
    static const char *const names[] = {"short", "empty", "png", "nan", "absent"};
    for (int i = 0; i < 5; i++) {
        const char *path = bed_path(bed, names[i]);
        command_refused(1, path, "", "eval %s --data %s --weights %s", net, bed->data, path);
        command_refused(1, path, "", "train %s --data %s --transfer finetune --quiet --init %s",
                        net, bed->data, path);
    }
    command_refused(1, bed_path(bed, "absent"), "", "eval %s --data idx:%s --weights %s", net,
                    bed_path(bed, "absent"), bed_path(bed, "w"));
    uint8_t *images = fixture_read(&bed->folder, "t10k-images-idx3-ubyte", &size);
    fixture_write(&bed->folder, "t10k-images-idx3-ubyte", images, size - 7);
    free(images);
    command_refused(1, "t10k-images-idx3-ubyte", "bytes", "eval %s --data %s --weights %s", net,
                    bed->data, bed_path(bed, "w"));
    command_refused(1, "t10k-images-idx3-ubyte", "bytes", "train %s --data %s --quiet", net,
                    bed->data);
}

/* ---- predict ---- */

static void write_input(struct bed *bed, const char *name, int n, int c, int h, int w)
{
    const int dim[] = {n, c, h, w};
    size_t count = (size_t)n * (size_t)c * (size_t)h * (size_t)w;
    float *data = calloc(count + 1, sizeof *data);
    assert_non_null(data);
    for (size_t i = 0; i < count; i++)
        data[i] = (float)(i * i % 37) / 18 - 1;
    support_ok(npy_write(bed_path(bed, name), 4, dim, data));
    free(data);
}

static void predict(struct bed *bed, const char *input, const char *options, struct npy_array *out)
{
    struct command c;
    command_ok(&c, "predict %s --weights %s --input %s --output %s %s", net, bed_path(bed, "w"),
               bed_path(bed, input), bed_path(bed, "y"), options);
    assert_string_equal(c.out, "");
    command_free(&c);
    support_ok(npy_read(out, bed_path(bed, "y")));
}

/* Logits of the file's N,C,H,W images, put into the network's pixels by hand. */
static void check_logits(struct bed *bed, const struct npy_array *x, const struct npy_array *y)
{
    struct session session = {0};
    struct program *program;
    const struct weights_request request = {.model = "resnet20:width=0.25", .attention = "cbam",
                                            .weights = bed_path(bed, "w"), .height = x->dim[2],
                                            .size = x->dim[3], .seed = 1};
    support_ok(session_open_impl(&session, impls[0]->name, 1));
    support_ok(session_open_weights(&session, &request));
    const struct program_request compile = {.impl = session.impl, .ctx = session.ctx,
                                            .net = session.inference, .batch = x->dim[0]};
    support_ok(program_compile(&program, &compile));
    float *pixels = program_input(program, 0).data;
    for (int n = 0, pixel_count = x->dim[2] * x->dim[3]; n < x->dim[0]; n++)
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < pixel_count; p++)
                pixels[(n * pixel_count + p) * 3 + c] = x->data[(n * 3 + c) * pixel_count + p];
    support_ok(program_forward(program));
    const float *logits = program_output(program, 0).data;
    for (size_t i = 0; i < y->count; i++)
        assert_true(fabsf(logits[i] - y->data[i]) < 1e-4f * (1 + fabsf(logits[i])));
    program_free(program);
    session_close(&session);
}

/* Logits of N images of any size, the same on each implementation and at each batch size. */
static void test_predict(void **state)
{
    struct bed *bed = *state;
    command_need();
    json_decref(train_in(bed, "--steps 8"));
    write_input(bed, "x.npy", 5, 3, 14, 9);
    struct npy_array first, other;
    support_ok(npy_read(&other, bed_path(bed, "x.npy")));
    predict(bed, "x.npy", "", &first);
    check_logits(bed, &other, &first);
    npy_release(&other);
    assert_int_equal(first.ndim, 2);
    assert_int_equal(first.dim[0], 5);
    assert_int_equal(first.dim[1], TINY_CLASSES);
    for (int k = 0; impls[k / 2]; k++) {
        char options[96];
        snprintf(options, sizeof options, "--impl %s --batch %d %s", impls[k / 2]->name, 1 + k % 3,
                 k % 2 ? "--no-fuse" : "");
        predict(bed, "x.npy", options, &other);
        assert_int_equal(other.count, first.count);
        for (size_t i = 0; i < first.count; i++)
            assert_true(fabsf(first.data[i] - other.data[i]) < 1e-4f * (1 + fabsf(first.data[i])));
        npy_release(&other);
    }
    npy_release(&first);
}

static void refuse_input(struct bed *bed, const char *name, const char *expected)
{
    command_refused(1, bed_path(bed, name), expected,
                    "predict %s --weights %s --input %s --output %s", net, bed_path(bed, "w"),
                    bed_path(bed, name), bed_path(bed, "y"));
}

static void test_predict_refuses(void **state)
{
    static const int flat[] = {6, 7};
    static const float numbers[42];
    struct bed *bed = *state;
    size_t size;
    command_need();
    json_decref(train_in(bed, "--steps 1"));
    write_input(bed, "x.npy", 1, 3, 12, 12);
    write_input(bed, "grey.npy", 2, 1, 12, 12);
    write_input(bed, "none.npy", 0, 3, 12, 12);
    support_ok(npy_write(bed_path(bed, "flat.npy"), 2, flat, numbers));
    uint8_t *x = fixture_read(&bed->folder, "x.npy", &size);
    fixture_write(&bed->folder, "cut.npy", x, size - 4);
    free(x);
    refuse_input(bed, "grey.npy", "3 channels");
    refuse_input(bed, "none.npy", "no image");
    refuse_input(bed, "flat.npy", "N,C,H,W");
    refuse_input(bed, "cut.npy", "");
    refuse_input(bed, "absent.npy", "No such file");
    fixture_write(&bed->folder, "text.npy", "no numbers", 10);
    refuse_input(bed, "text.npy", "");
    command_refused(1, "nowhere/y", "folder", "predict %s --weights %s --input %s --output %s", net,
                    bed_path(bed, "w"), bed_path(bed, "x.npy"), bed_path(bed, "nowhere/y"));
    command_refused(1, bed_path(bed, "absent"), "",
                    "predict %s --weights %s --input %s --output %s", net, bed_path(bed, "absent"),
                    bed_path(bed, "x.npy"), bed_path(bed, "y"));
    command_refused(2, ".npy", "needed", "predict %s --weights %s", net, bed_path(bed, "w"));
    command_refused(2, "--batch", "whole", "predict --batch none");
    assert_int_not_equal(access(bed_path(bed, "y"), F_OK), 0);
}

/* ---- train ---- */

static void test_train_refuses(void **state)
{
    static const struct {
        const char *options, *first, *second;
    } bad[] = {
        {"--epochs x", "--epochs is 'x'", "whole"}, {"--epochs 1.5", "--epochs is", "whole"},
        {"--epochs 0", "--epochs", "--steps"},    {"--epochs -1", "--epochs is", "0 to 1000"},
        {"--steps -5", "--steps is", "whole"},    {"--batch 0", "--batch is", "65536"},
        {"--lr nan", "--lr is 'nan'", "number"},  {"--lr -1", "--lr is", "0 to"},
        {"--lr 1e9", "--lr is", "1e+06"},         {"--momentum 2", "--momentum is", "1"},
        {"--weight-decay x", "--weight-decay is", "number"}, {"--seed -1", "--seed is", "whole"},
        {"--seed 99999999999999999999", "--seed is", "whole"},
        {"--augment yes", "--augment is", "on or off"}, {"--impl ''", "--impl is", "empty"},
        {"--threads 1000", "1000", "may use"},    {"--schedule linear", "linear", "onecycle"},
        {"--scheme zero", "zero", "xavier"},      {"--transfer finetune", "--init", "finetune"},
        {"--transfer frozen", "--init", "frozen"}, {"--resume", "--resume", "--checkpoint"},
        {"--init random --keep-head", "--keep-head", "argument"},
        {"--transfer top", "--transfer 'top'", "finetune"},
        {"--format csv", "--format", "json"},     {"--data idx", "idx", "DIR"},
        {"--data fashion-mnist:clases=1", "clases", "classes"}, {"--size 8", "8x8", "12x12"},
        {"--label-smoothing 1.5", "--label-smoothing is", "1"},
        {"--feature-cache 0", "--feature-cache", "whole"}, {"--attention none:r=4", "r=4", ""},
    };
    struct bed *bed = *state;
    command_need();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        command_refused(2, bad[i].first, bad[i].second, "train %s --data %s --quiet %s", net,
                        bed->data, bad[i].options);
    json_decref(train_in(bed, "--steps 1"));
    command_refused(2, "scratch", "finetune", "train %s --data %s --quiet --init %s", net,
                    bed->data, bed_path(bed, "w"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_unknown_verbs),
        cmocka_unit_test(test_unknown_options_and_words),
        cmocka_unit_test(test_describe_json),
        cmocka_unit_test(test_describe_other_formats),
        cmocka_unit_test(test_describe_refuses),
        BED_TEST(test_train_json),
        BED_TEST(test_train_text_and_losses),
        BED_TEST(test_eval),
        BED_TEST(test_eval_refuses),
        BED_TEST(test_bad_files_are_named),
        BED_TEST(test_predict),
        BED_TEST(test_predict_refuses),
        BED_TEST(test_train_refuses),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("the program", tests, NULL, NULL) != 0;
}
