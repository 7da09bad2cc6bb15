/* What the measuring verbs take in: command-line values, case files; and the agreement that
 * networks need before they are timed. */
#include "bench/measure/case_list.h"
#include "bench/verbs/latency_work.h"
#include "bench/verbs/options.h"
#include "tests/temp_dir.h"

#include <math.h>

/* ---- agreement of implementations on a network ---- */

static const char *const names[] = {"naive", "openblas", "onednn"};

/* Each implementation's logits: those of `base`, times 1 + error. */
static void compare_answers(const double *errors, bool *ok, int count)
{
    struct latency_answer answers[3], *list[3] = {NULL};
    for (int i = 0; i < count; i++) {
        answers[i] = (struct latency_answer){.ok = true, .count = {4}, .bound = {1e-4}};
        answers[i].part[0] = malloc(4 * sizeof(float));
        for (int k = 0; k < 4; k++)
            answers[i].part[0][k] = (float)((k + 1) * (1 + errors[i]));
        list[i] = &answers[i];
    }
    latency_compare(list, names, count);
    for (int i = 0; i < count; i++) {
        ok[i] = answers[i].ok;
        assert_true(answers[i].ok || answers[i].reason[0]);
        latency_answer_free(&answers[i]);
    }
}

static void test_agreement_of_networks(void **state)
{
    (void)state;
    bool ok[3];
    compare_answers((double[]){0, 5e-5, -3e-5}, ok, 3);
    assert_true(ok[0] && ok[1] && ok[2]);
    compare_answers((double[]){0.01, 0, 1e-6}, ok, 3); /* the first one is the odd one */
    assert_true(!ok[0] && ok[1] && ok[2]);
    compare_answers((double[]){0, NAN, 0}, ok, 3);
    assert_true(ok[0] && !ok[1] && ok[2]);
    compare_answers((double[]){0, 2e-4}, ok, 2); /* nobody knows which */
    assert_true(!ok[0] && !ok[1]);
    compare_answers((double[]){0, 0.1, 0.2}, ok, 3);
    assert_true(!ok[0] && !ok[1] && !ok[2]);
    compare_answers((double[]){7}, ok, 1);
    assert_true(ok[0]);
    compare_answers((double[]){INFINITY}, ok, 1);
    assert_false(ok[0]);
}

/* ---- command-line values ---- */

static void test_option_values(void **state)
{
    (void)state;
    int value = 0, h, w, list[OPTION_NUMBERS], count;
    double real;
    uint64_t seed;
    bool on;
    assert_int_equal(option_int("--batch", "12", 1, 20, &value), OK);
    assert_int_equal(value, 12);
    static const char *const bad_ints[] = {"",   "x", "0",   "21",
                                           "3x", " ", "1e3", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad_ints / sizeof bad_ints[0]; i++) {
        assert_int_equal(option_int("--batch", bad_ints[i], 1, 20, &value), ERR_USAGE);
        assert_message(fail_text(), "--batch", "from 1 to 20");
    }
    assert_int_equal(option_double("--lr", "0.5", 0, 1, &real), OK);
    assert_true(real == 0.5);
    static const char *const bad_reals[] = {"", "nan", "inf", "1.5", "-1", "0.5x"};
    for (size_t i = 0; i < sizeof bad_reals / sizeof bad_reals[0]; i++)
        assert_int_equal(option_double("--lr", bad_reals[i], 0, 1, &real), ERR_USAGE);
    assert_int_equal(option_seed("--seed", "18446744073709551615", &seed), OK);
    assert_true(seed == UINT64_MAX);
    assert_int_equal(option_seed("--seed", "-1", &seed), ERR_USAGE);
    assert_int_equal(option_seed("--seed", "18446744073709551616", &seed), ERR_USAGE);
    assert_int_equal(option_switch("--augment", "on", &on), OK);
    assert_true(on);
    assert_int_equal(option_switch("--augment", "yes", &on), ERR_USAGE);
    assert_message(fail_text(), "--augment yes", "off, on");
    assert_int_equal(option_ints("--threads", "1,2,8", 1, 8, list, &count), OK);
    assert_true(count == 3 && list[0] == 1 && list[2] == 8);
    assert_int_equal(option_ints("--threads", "1,,2", 1, 8, list, &count), ERR_USAGE);
    assert_int_equal(option_ints("--threads", "1,1", 1, 8, list, &count), ERR_USAGE);
    assert_int_equal(option_ints("--threads", "1,9", 1, 8, list, &count), ERR_USAGE);
    assert_int_equal(option_size("--input", "224", 1, 999, &h, &w), OK);
    assert_true(h == 224 && w == 224);
    assert_int_equal(option_size("--input", "64x32", 1, 999, &h, &w), OK);
    assert_true(h == 64 && w == 32);
    assert_int_equal(option_size("--input", "64x", 1, 999, &h, &w), ERR_USAGE);
    assert_int_equal(option_size("--input", "x64", 1, 999, &h, &w), ERR_USAGE);
}

static void test_option_impls(void **state)
{
    (void)state;
    const struct impl *list[OPTION_IMPLS];
    int count, all = 0;
    char text[64];
    while (impls[all])
        all++;
    assert_int_equal(option_impls("--impl", "all", list, &count), OK);
    assert_int_equal(count, all);
    assert_int_equal(option_impls("--impl", impls[0]->name, list, &count), OK);
    assert_true(count == 1 && list[0] == impls[0]);
    snprintf(text, sizeof text, "%s,%s", impls[0]->name, impls[0]->name);
    assert_int_equal(option_impls("--impl", text, list, &count), ERR_USAGE);
    assert_int_equal(option_impls("--impl", "mkl", list, &count), ERR_USAGE);
    assert_message(fail_text(), "--impl", impls[0]->name);
}

/* ---- case files ---- */

static void assert_cases_refused(void **state, const char *content, size_t bytes,
                                 const char *expected)
{
    struct case_list cases = {0};
    const char *path = temp_dir_file(state, "cases.txt");
    file_put(path, content, bytes);
    if (case_list_add(&cases, path) == OK)
        fail_msg("accepted where '%s' was expected", expected);
    assert_message(fail_text(), path, expected);
    case_list_free(&cases);
}

static void test_case_files(void **state)
{
    static const char good[] = "# comment\n\n  conv2d n1 h8 w8 c4 oc4 k3 p1   # 3\r\nrelu c7";
    struct case_list cases = {0};
    const char *path = temp_dir_file(state, "cases.txt");
    file_put(path, good, sizeof good - 1);
    assert_int_equal(case_list_add(&cases, path), OK);
    assert_int_equal(case_list_add(&cases, "pool_hw n2 h5 w5 c9 max"), OK);
    assert_int_equal(cases.count, 3);
    assert_true(cases.list[0].conv.kh == 3 && cases.list[0].dst.c == 4);
    assert_int_equal(cases.list[1].kind, OP_RELU);
    assert_int_equal(cases.list[2].dst.h, 1);
    case_list_free(&cases);
    assert_cases_refused(state, "relu\nconv3d n1\n", 15, "line 2");
    assert_cases_refused(state, "conv2d n1 h2 w2 c4 oc4 k9\n", 26, "line 1");
    assert_cases_refused(state, "# nothing\n", 10, "no case");
    assert_cases_refused(state, "", 0, "no case");
    assert_cases_refused(state, "relu\0c3\n", 8, "NUL");
    assert_int_equal(case_list_add(&cases, "no-such-file"), ERR_USAGE);
    assert_message(fail_text(), "no-such-file", "neither an operation nor a file");
    assert_int_equal(case_list_add(&cases, "/dev/null"), ERR_IO);
    assert_int_equal(case_list_add(&cases, "conv2d n0"), ERR_USAGE);
    case_list_free(&cases);
}

/* The counts behind the cases of ResNet-50: 53 convolutions, and the multiply-accumulates that
 * torchvision's resnet50 has in them at 224 x 224. */
static void test_resnet50_is_whole(void **state)
{
    (void)state;
    FILE *file = fopen("bench/cases/resnet50.txt", "r");
    char line[256];
    int convolutions = 0;
    double macs = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        struct op_desc desc;
        char *comment = strchr(line, '#');
        if (strncmp(line, "conv2d", 6) != 0)
            continue;
        assert_non_null(comment);
        int times = atoi(comment + 1);
        *comment = '\0';
        assert_int_equal(op_parse(line, &desc), OK);
        convolutions += times;
        macs += times * op_macs(&desc);
    }
    fclose(file);
    assert_int_equal(convolutions, 53);
    assert_true(macs == 4087136256.0);
}

/* The case files that come with the program: every line is a case. */
static void test_shipped_cases(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int count;
    } files[] = {{"bench/cases/resnet50.txt", 24}, {"bench/cases/cbam.txt", 48},
                 {"bench/cases/resnet20-cifar.txt", 20}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct case_list cases = {0};
        if (case_list_add(&cases, files[i].path) != OK)
            fail_msg("%s", fail_text());
        assert_int_equal(cases.count, files[i].count);
        case_list_free(&cases);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement_of_networks),
        cmocka_unit_test(test_option_values),
        cmocka_unit_test(test_option_impls),
        cmocka_unit_test_setup_teardown(test_case_files, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_shipped_cases),
        cmocka_unit_test(test_resnet50_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
