/* Files that people hand to the program and get from it: weights and predictions, as seen from the
 * command line. Public bug reports R21, R29, R35, R43 and R48 are in the names of tests. Needs
 * $CBAM_BENCH, the path of the program. */
#include "impls/base/threads.h"
#include "tests/cli_fixture.h"

#include <math.h>
#include <sys/resource.h>
#include <time.h>

static const char net[] = NET;
static const char cbam[] = NET_CBAM;

/* ---- inspect ---- */

static void test_inspect(void **state)
{
    struct bed *bed = *state;
    struct safetensors file;
    command_need();
    fresh_weights(bed, "cbam");
    json_t *json = command_json_of("inspect %s --format json", bed_path(bed, "w"));
    const json_t *rows = command_member(json, "rows"), *metadata = command_member(json, "metadata");
    support_ok(safetensors_open(&file, bed_path(bed, "w")));
    assert_int_equal(json_array_size(rows), file.count);
    double elements = 0;
    for (size_t i = 0; i < file.count; i++) {
        const json_t *row = json_array_get(rows, i);
        char shape[64], checksum[32];
        safetensors_shape_text(&file.tensors[i], shape, sizeof shape);
        snprintf(checksum, sizeof checksum, "%016llx",
                 (unsigned long long)safetensors_checksum(&file.tensors[i]));
        assert_string_equal(command_text(row, "name"), file.tensors[i].name);
        assert_string_equal(command_text(row, "shape"), shape);
        assert_string_equal(command_text(row, "dtype"), "F32");
        assert_string_equal(command_text(row, "checksum"), checksum);
        elements += command_number(row, "elements");
    }
    for (size_t i = 0; i < file.metadata_count; i++)
        assert_string_equal(command_text(metadata, file.metadata[i].key), file.metadata[i].value);
    json_t *described = command_json_of("describe %s --classes 4 --format json", cbam);
    assert_true(command_number(json, "parameters") == command_number(described, "params"));
    assert_true(command_number(json, "parameters") + command_number(json, "buffers") == elements);
    assert_true(command_number(json, "tensors") == (double)file.count);
    safetensors_close(&file);
    json_decref(described);
    json_decref(json);
}

static void test_inspect_other_formats(void **state)
{
    static const char *const formats[] = {"text", "csv", "md"};
    struct bed *bed = *state;
    struct command c;
    command_need();
    fresh_weights(bed, "cbam");
    for (int i = 0; i < 3; i++) {
        command_ok(&c, "inspect --format %s %s", formats[i], bed_path(bed, "w"));
        assert_non_null(strstr(c.out, "layer3.2.cbam.SpatialGate.spatial.conv.weight"));
        assert_true(i == 1 || strstr(c.out, "attention: cbam"));
        assert_string_equal(c.err, "");
        command_free(&c);
    }
    put_picture(bed, "a.png", 0);
    command_refused(2, "FILE", "inspect", "inspect");
    command_refused(2, "one file", "'b'", "inspect a b");
    command_refused(1, bed_path(bed, "absent"), "opened", "inspect %s", bed_path(bed, "absent"));
    command_refused(1, bed_path(bed, "a.png"), "not a safetensors", "inspect %s",
                    bed_path(bed, "a.png"));
    command_refused(1, "state.pth", "pth2safetensors.py", "inspect tests/fixtures/state.pth");
}

/* ---- eval ---- */

/* Matrix, predictions and accuracy are of one mind. */
static void test_eval_confusion_and_predictions(void **state)
{
    struct bed *bed = *state;
    struct command c;
    double counts[TINY_CLASSES][TINY_CLASSES] = {{0}};
    command_need();
    command_ok(&c, "train %s --data %s --epochs 1 --batch 8 --quiet --save %s", net, bed->data,
               bed_path(bed, "w"));
    command_free(&c);
    json_t *json = command_json_of("eval %s --weights %s --data %s --confusion --predictions %s "
                                   "--format json", net, bed_path(bed, "w"), bed->data,
                                   bed_path(bed, "p.csv"));
    const json_t *rows = command_member(json, "predictions"), *row;
    double correct = 0;
    size_t i;
    json_array_foreach(rows, i, row) {
        int label = (int)command_number(row, "label");
        counts[label][(int)command_number(row, "prediction")]++;
        correct += json_is_true(command_member(row, "correct"));
        assert_int_equal(label, i % TINY_CLASSES);
        assert_true(command_number(row, "probability") <= 1);
        assert_true(command_number(row, "probability") >= 1.0 / TINY_CLASSES);
    }
    assert_int_equal(i, 24);
    assert_true(command_number(json, "correct") == correct);
    const json_t *matrix = command_member(command_member(json, "confusion"), "matrix");
    for (int a = 0; a < TINY_CLASSES; a++)
        for (int b = 0; b < TINY_CLASSES; b++)
            assert_true(json_number_value(json_array_get(json_array_get(matrix, (size_t)a),
                                                         (size_t)b)) == counts[a][b]);
    assert_true(command_number(command_member(json, "weights"), "loaded") == 97);
    json_decref(json);
    size_t size;
    char *text = (char *)fixture_read(&bed->folder, "p.csv", &size);
    assert_int_equal(strncmp(text, "index,file,label,label_name,prediction,prediction_name,"
                             "probability,correct\n0,,0,0,", 82), 0);
    int lines = 0;
    for (const char *at = text; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, 25);
    free(text);
    command_ok(&c, "eval %s --weights %s --data %s --confusion --format csv", net,
               bed_path(bed, "w"), bed->data);
    assert_int_equal(strncmp(c.out, "label/predicted,0,1,2,3\n0,", 26), 0);
    command_free(&c);
    command_ok(&c, "eval %s --weights %s --data %s --confusion", net, bed_path(bed, "w"),
               bed->data);
    assert_non_null(strstr(c.out, "top-1"));
    assert_non_null(strstr(c.out, "Confusion matrix"));
    command_free(&c);
    command_ok(&c, "eval %s --weights %s --data %s --format csv", net, bed_path(bed, "w"),
               bed->data);
    assert_int_equal(strncmp(c.out, "model,attention,impl,dtype,data,part,n,correct,top1,", 52), 0);
    command_free(&c);
    command_refused(1, "nowhere/p.csv", "folder", "eval %s --weights %s --data %s --predictions "
                    "nowhere/p.csv", net, bed_path(bed, "w"), bed->data);
}

/* R43: a checkpoint of other classes, or of the same in another order, is refused, naming both. */
static void test_R43_other_classes_are_refused(void **state)
{
    struct bed *bed = *state;
    struct command c;
    command_need();
    command_ok(&c, "train %s --data %s:classes=0+1 --steps 1 --batch 8 --quiet --save %s", net,
               bed->data, bed_path(bed, "w"));
    command_free(&c);
    command_refused(1, "class 1 is '1'", "'2' in", "eval %s --weights %s --data %s:classes=0+2",
                    net, bed_path(bed, "w"), bed->data);
    command_ok(&c, "eval %s --weights %s --data %s:classes=0+2 --ignore-class-names", net,
               bed_path(bed, "w"), bed->data);
    assert_non_null(strstr(c.err, "warning: class 1"));
    command_free(&c);
    command_ok(&c, "eval %s --weights %s --data %s:classes=0+1", net, bed_path(bed, "w"),
               bed->data);
    command_free(&c);
}

/* Images made in another way than those that were trained on: said. */
static void test_other_preprocessing_is_said(void **state)
{
    struct bed *bed = *state;
    struct command c;
    command_need();
    train_on_pictures(bed, net);
    command_ok(&c, "eval %s --weights %s --data folder:%s:size=%d", net, bed_path(bed, "w"),
               bed_path(bed, "pics"), SIDE);
    assert_null(strstr(c.err, "warning"));
    command_free(&c);
    command_ok(&c, "eval %s --weights %s --data folder:%s:size=%d:resize=20", net,
               bed_path(bed, "w"), bed_path(bed, "pics"), SIDE);
    assert_non_null(strstr(c.err, "warning"));
    assert_non_null(strstr(c.err, "short side to 20"));
    command_free(&c);
}

static json_t *predictions_at(struct bed *bed, const char *impl, int batch)
{
    return command_json_of("eval %s --weights %s --data %s --impl %s --threads 1 --batch %d "
                           "--format json --predictions %s", cbam, bed_path(bed, "w"), bed->data,
                           impl, batch, bed_path(bed, "p"));
}

/* Predictions at another batch: the same classes, the same probabilities but for rounding
 * (libraries choose their kernels by the batch), and all the same at the same batch. */
static void compare_predictions(const json_t *first, const json_t *other, bool exactly)
{
    const json_t *x = command_member(first, "predictions");
    const json_t *y = command_member(other, "predictions");
    assert_int_equal(json_array_size(x), 24);
    assert_true(!exactly || json_equal(first, other));
    for (size_t i = 0; i < 24; i++) {
        const json_t *a = json_array_get(x, i), *b = json_array_get(y, i);
        double p = command_number(a, "probability"), q = command_number(b, "probability");
        assert_true(command_number(a, "prediction") == command_number(b, "prediction"));
        assert_true(fabs(p - q) < 1e-5 * p);
    }
}

/* R35: evaluating changes nothing, and neither the batch nor an earlier evaluation changes it. */
static void test_R35_eval_is_pure(void **state)
{
    static const int batches[] = {1, 7, 64, 24};
    struct bed *bed = *state;
    struct command before, after;
    command_need();
    command_ok(&before, "train %s --data %s --epochs 3 --batch 8 --quiet --save %s", cbam,
               bed->data, bed_path(bed, "w"));
    command_free(&before);
    command_ok(&before, "inspect %s --format csv", bed_path(bed, "w"));
    for (int k = 0; impls[k]; k++) {
        json_t *first = predictions_at(bed, impls[k]->name, 24);
        for (int i = 0; i < 4; i++) {
            json_t *other = predictions_at(bed, impls[k]->name, batches[i]);
            compare_predictions(first, other, batches[i] == 24);
            json_decref(other);
        }
        json_decref(first);
    }
    command_ok(&after, "inspect %s --format csv", bed_path(bed, "w"));
    assert_string_equal(before.out, after.out);
    command_free(&before);
    command_free(&after);
}

/* ---- weights that are not what they should be ---- */

static void refuse_weights(struct bed *bed, const char *name, const void *data, size_t size)
{
    fixture_write(&bed->folder, name, data, size);
    command_refused(1, bed_path(bed, name), "", "predict %s --weights %s %s", net,
                    bed_path(bed, name), bed_path(bed, "a.png"));
}

/* R29: a byte less, four bytes more, a changed header, a picture as weights: errors, never a
 * prediction. */
static void test_R29_damaged_weights_predict_nothing(void **state)
{
    struct bed *bed = *state;
    size_t size, png_size;
    uint64_t header;
    command_need();
    fresh_weights(bed, "none");
    put_picture(bed, "a.png", 0);
    uint8_t *good = fixture_read(&bed->folder, "w", &size);
    uint8_t *png = fixture_read(&bed->folder, "a.png", &png_size);
    uint8_t *longer = calloc(1, size + 4);
    assert_non_null(longer);
    memcpy(longer, good, size);
    memcpy(&header, good, sizeof header);
    refuse_weights(bed, "bad", good, size - 1);
    refuse_weights(bed, "bad", longer, size + 4);
    refuse_weights(bed, "bad", png, png_size);
    for (int i = 0; i < 8; i++) {
        good[i] ^= 0x10;
        refuse_weights(bed, "bad", good, size);
        good[i] ^= 0x10;
    }
    for (size_t at = 8; at < 8 + header; at += header / 5)
        if (good[at] != ' ') {
            good[at] ^= 0x80; /* no longer UTF-8 */
            refuse_weights(bed, "bad", good, size);
            good[at] ^= 0x80;
        }
    free(good);
    free(png);
    free(longer);
}

/* R21: plain weights into a network with attention: an error that names a tensor; with the option,
 * success and a count. */
static void test_R21_insertion_is_a_choice(void **state)
{
    struct bed *bed = *state;
    command_need();
    fresh_weights(bed, "none");
    command_refused(1, "missing 81 (layer1.0.cbam.ChannelGate.mlp.1.weight", "--allow-missing",
                    "eval %s --weights %s --data %s", cbam, bed_path(bed, "w"), bed->data);
    json_t *json = command_json_of("eval %s --weights %s --data %s "
                                   "--allow-missing '*.ChannelGate.*' "
                                   "--allow-missing '*.SpatialGate.*' --format json", cbam,
                                   bed_path(bed, "w"), bed->data);
    assert_true(command_number(command_member(json, "weights"), "missing") == 81);
    assert_true(command_number(command_member(json, "weights"), "loaded") == 97);
    json_decref(json);
}

/* ---- threads ---- */

static double seconds_of(const struct timeval *t)
{
    return (double)t->tv_sec + 1e-6 * (double)t->tv_usec;
}

static double cpu_of_children(void)
{
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    return seconds_of(&usage.ru_utime) + seconds_of(&usage.ru_stime);
}

static double wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* R48: one thread is one thread in every library, whatever the environment says: the processor time
 * of a whole training run is its wall time. (A busy machine makes it less, never more.) */
static void test_R48_one_thread_is_one_thread(void **state)
{
    struct bed *bed = *state;
    struct command c;
    command_need();
    for (int i = 0; impls[i]; i++) {
        double cpu = cpu_of_children(), start = wall();
        command_shell(&c, "OMP_NUM_THREADS=8 OPENBLAS_NUM_THREADS=8 \"$CBAM_BENCH\" train --model "
                      "resnet20 --attention cbam --data %s --size 24 --epochs 2 --batch 32 --quiet "
                      "--threads 1 --impl %s", bed->data, impls[i]->name);
        assert_int_equal(c.status, 0);
        command_free(&c);
        start = wall() - start;
        cpu = cpu_of_children() - cpu;
        print_message("%s: %.2f s of processor in %.2f s\n", impls[i]->name, cpu, start);
        if (cpu > 1.1 * start + 0.05)
            fail_msg("%s: more than one thread of processor time", impls[i]->name);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_inspect),
        BED_TEST(test_inspect_other_formats),
        BED_TEST(test_eval_confusion_and_predictions),
        BED_TEST(test_R43_other_classes_are_refused),
        BED_TEST(test_other_preprocessing_is_said),
        BED_TEST(test_R35_eval_is_pure),
        BED_TEST(test_R29_damaged_weights_predict_nothing),
        BED_TEST(test_R21_insertion_is_a_choice),
        BED_TEST(test_R48_one_thread_is_one_thread),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("files people hand over", tests, NULL, NULL) != 0;
}
