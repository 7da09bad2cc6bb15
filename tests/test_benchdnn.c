/* benchdnn's problem descriptors and batch files: what they become, what is out of scope and
 * counted, what is refused; the shipped files against the networks they are made from. What is run
 * is test_benchdnn_run.c. */
#include "bench/measure/benchdnn_reader.h"
#include "bench/measure/case_list.h"
#include "bench/models/model.h"
#include "tests/temp_dir.h"

#include "tests/command.h"

/* ---- single descriptors ---- */

static const char *problem(const char *text, const struct benchdnn_form *form, char *name)
{
    static char shown[256];
    struct op_desc desc;
    const char *reason;
    if (benchdnn_parse(text, form, &desc, name, &reason) != OK)
        fail_msg("%s", fail_text());
    if (reason)
        return reason;
    op_print(&desc, shown, sizeof shown);
    return shown;
}

static void assert_problem(const char *text, struct benchdnn_form form, const char *due)
{
    char name[BENCHDNN_NAME];
    const char *got = problem(text, &form, name);
    if (strcmp(got, due) != 0)
        fail_msg("%s became '%s', '%s' was expected", text, got, due);
}

static void test_convolutions(void **state)
{
    (void)state;
    static const char *const due[][2] = {
        {"mb2ic64ih56oc64oh56kh3ph1n\"name\"", "conv2d n2 h56 w56 c64 oc64 k3 p1"},
        {"ic64ih56oc64kh3ph1", "conv2d n2 h56 w56 c64 oc64 k3 p1"}, /* output from padding */
        {"ic64ih56oc64oh56kh3", "conv2d n2 h56 w56 c64 oc64 k3 p1"}, /* padding from output */
        {"ic64ih56oc64kh3", "conv2d n2 h56 w56 c64 oc64 k3"},
        {"g1mb1_ic3ih224iw224_oc64oh112ow112_kh7kw7_sh2sw2ph3pw3_dh0dw0_nR:c1",
         "conv2d h224 w224 c3 oc64 k7 s2 p3"},
        {"g128mb1ic128ih14oc128oh14kh3ph1", "conv2d h14 w14 c128 oc128 k3 p1 g128"},
        {"mb1ic8ih20oc4oh16kh3dh1", "conv2d h20 w20 c8 oc4 k3 d2"},
        {"mb1ic8ih9iw7oc4oh5ow7kh5kw1sh2sw1ph2pw0", "conv2d h9 w7 c8 oc4 kh5 kw1 sh2 sw1 ph2 pw0"},
        {"mb50ic256iw56oc512ow28kw1sw2pw0", "conv2d n50 w56 c256 oc512 sw2"},
        {"mb1ic32iw121oc32kw6pw3sw1", "conv2d w121 c32 oc32 kw6 pw3"},
        {"mb1ic8ih5oc8ow5kh3iw5kw3dw2pw3oh3", "conv2d h5 w5 c8 oc8 k3 ph0 pw3 dh1 dw3"},
        {"mb1ic16oc16_ih10kh5_kh5ph7sh1", "conv2d h10 w10 c16 oc16 k5 p7"},
        {"mb1ic3ih32oc6oh16kh2sh2", "conv2d h32 w32 c3 oc6 k2 s2"},
    };
    for (size_t i = 0; i < sizeof due / sizeof due[0]; i++) {
        char name[BENCHDNN_NAME], expected[256];
        struct op_desc desc;
        assert_int_equal(op_parse(due[i][1], &desc), OK);
        op_print(&desc, expected, sizeof expected);
        assert_problem(due[i][0], (struct benchdnn_form){.driver = BENCHDNN_ANY}, expected);
        assert_problem(due[i][0], (struct benchdnn_form){.driver = BENCHDNN_CONV}, expected);
        problem(due[i][0], &(struct benchdnn_form){.driver = BENCHDNN_CONV}, name);
        assert_string_equal(name, i == 0 ? "name" : i == 4 ? "R:c1" : "");
    }
    assert_problem("ic4ih8oc4kh1", (struct benchdnn_form){.bias = true, .mb = 7},
                   "conv2d n7 h8 w8 c4 oc4 bias");
}

static void test_other_drivers(void **state)
{
    (void)state;
    const struct benchdnn_form max = {.alg = BENCHDNN_MAX}, avg_p = {.alg = BENCHDNN_AVG_P},
                               avg_np = {.alg = BENCHDNN_AVG_NP};
    assert_problem("mb1ic64ih112oh56kh3sh2ph1n\"p\"", max, "maxpool h112 w112 c64 k3 s2 p1");
    assert_problem("ic64iw112ow56kw3sw2pw1", max, "maxpool n2 w112 c64 kw3 sw2 pw1");
    assert_problem("ic64ih112oh56kh3sh2ph1", avg_p, "avgpool n2 h112 w112 c64 k3 s2 p1");
    assert_problem("ic64ih8oh4kh2sh2", avg_np, "avgpool n2 h8 w8 c64 k2 s2");
    assert_problem("mb112ic2048oc1000n\"resnet:ip1\"", max, "linear n112 c2048 oc1000");
    assert_problem("mb1ic512ih7oc4096", (struct benchdnn_form){.bias = true},
                   "linear h7 w7 c512 oc4096 bias");
    assert_problem("mb3ic5iw7oc2", max, "linear n3 w7 c5 oc2");
    assert_problem("mb1ic64ih56eps1e-5", max, "batchnorm h56 w56 c64 batch_stats");
    assert_problem("ic64ih56", (struct benchdnn_form){.global_stats = true},
                   "batchnorm n2 h56 w56 c64 eps0.0625");
    assert_problem("mb4ic10", max, "batchnorm n4 c10 eps0.0625 batch_stats");
}

static void test_out_of_scope(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
        struct benchdnn_form form;
    } due[] = {
        {"ic8id3ih3oc4kd1kh1", "three-dimensional", {0}},
        {"mb1ic1id2oc1kd2", "three-dimensional", {0}},
        {"mb2ic16id4oc3", "three-dimensional", {.driver = BENCHDNN_IP}},
        {"mb2ic16id4ih2iw2", "three-dimensional", {0}},
        {"ic3ih224oc64oh112kh7sh2", "padding that differs at the two ends", {0}},
        {"ic32oc13_ih13oh12kh3ph0", "padding that differs at the two ends", {0}},
        {"ic32oc13_ih13oh10kh3ph0", "padding that differs at the two ends", {0}},
        {"ic4oc4ih9oh3kh1sh3", "negative padding", {0}},
        {"ic8oc8_iw5ow2kw3sw1dw2pw3", "padding that differs at the two ends", {0}},
        {"ic4ih8oh8kh3ph1dh1", "padding that differs at the two ends", {0}},
        {"ic4ih8oh6kh3ph1dh1", "dilated pooling", {0}},
        {"ic4ih8oh8kh3ph1", "averages that leave padding out", {.alg = BENCHDNN_AVG_NP}},
        {"mb1ic16_ih10oh6_kh5sh5ph10", "pooling padded by more than half its window", {0}},
        {"ic8ih4", "batch normalisation with a fused ReLU or addition", {.fused = true}},
        {"mb1000ic1000ih500oc1kh1", "more than 2^31 elements", {0}},
        {"mb1000ic1ih500oc1000kh1", "more than 2^31 elements", {0}},
        {"mb2147483647ic2147483647ih2147483647", "more than 2^31 elements", {0}},
    };
    for (size_t i = 0; i < sizeof due / sizeof due[0]; i++)
        assert_problem(due[i].text, due[i].form, due[i].reason);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
        enum benchdnn_driver driver;
    } bad[] = {
        {"ic64ihoc64kh3", "'ih' has no number", BENCHDNN_ANY},
        {"ic64ih-5oc64kh3", "'ih' has no number", BENCHDNN_ANY},
        {"ic64ih5xoc64kh3", "'xoc64kh3' is no entry", BENCHDNN_ANY},
        {"ic99999999999ih5oc6kh3", "'ic' is above", BENCHDNN_ANY},
        {"ic64oc64kh3", "ih and kh are needed", BENCHDNN_ANY},
        {"ic64oc64ih9", "entry 'oc' is none of the driver pool", BENCHDNN_POOL},
        {"ic64ih9kh3", "oc is needed", BENCHDNN_CONV},
        {"ih9oc4kh3", "ic is needed", BENCHDNN_ANY},
        {"ic0ih9oc4kh3", "ic is needed", BENCHDNN_ANY},
        {"mb0ic4ih9oc4kh3", "mb is 0", BENCHDNN_ANY},
        {"g3ic4ih9oc4kh3", "g3 does not divide", BENCHDNN_ANY},
        {"g0ic4ih9oc4kh3", "g0 does not divide", BENCHDNN_ANY},
        {"ic4ih9oc4kh3sh0", "sh is 0", BENCHDNN_ANY},
        {"ic4ih3oc4kh9", "does not fit along h", BENCHDNN_ANY},
        {"ic4ih9iw3oc4kh3kw9", "does not fit along w", BENCHDNN_ANY},
        {"ic4ih9oc4kh3eps1", "entry 'eps' is none", BENCHDNN_ANY},
        {"ic4oc4kh", "'kh' has no number", BENCHDNN_ANY},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct op_desc desc;
        char name[BENCHDNN_NAME];
        const char *reason;
        const struct benchdnn_form form = {.driver = bad[i].driver};
        if (benchdnn_parse(bad[i].text, &form, &desc, name, &reason) != ERR_FORMAT)
            fail_msg("%s was accepted", bad[i].text);
        assert_message(fail_text(), bad[i].text, bad[i].message);
    }
}

/* Random cuts and changes of a descriptor: never more than a refusal. */
static void test_damaged_descriptors(void **state)
{
    (void)state;
    static const char good[] = "g2mb2_ic64ih56iw50_oc64oh56ow50_kh3kw3_sh1ph1pw1dh0_eps1n\"a b\"";
    unsigned random = 99;
    for (int trial = 0; trial < 4000; trial++) {
        char text[sizeof good], name[BENCHDNN_NAME];
        struct op_desc desc;
        const char *reason;
        memcpy(text, good, sizeof good);
        for (int k = 0; k < 3; k++) {
            random = random * 1664525u + 1013904223u;
            text[(random >> 8) % (sizeof good - 1)] = (char)(random >> 24 ? random >> 24 : 1);
        }
        text[random % sizeof good] = '\0';
        const struct benchdnn_form form = {.driver = (enum benchdnn_driver)(trial % 5)};
        if (benchdnn_parse(text, &form, &desc, name, &reason) == OK && !reason)
            assert_true(desc.dst.n > 0 && desc.dst.h > 0 && desc.dst.w > 0 && desc.dst.c > 0);
    }
}

/* ---- lists and files ---- */

static void put_text(void **state, const char *name, const char *text)
{
    file_put(temp_dir_file(state, name), text, strlen(text));
}

static void assert_case(const struct case_list *cases, int i, const char *due, const char *name,
                        unsigned passes)
{
    char text[256];
    assert_true(i < cases->count);
    op_print(&cases->list[i], text, sizeof text);
    assert_string_equal(text, due);
    assert_string_equal(cases->info[i].name, name);
    assert_int_equal(cases->info[i].passes, passes);
}

static void add(struct case_list *cases, const char *item)
{
    if (case_list_add(cases, item) != OK)
        fail_msg("%s", fail_text());
}

static void test_items(void **state)
{
    (void)state;
    struct case_list cases = {0};
    add(&cases, "mb1ic4ih8oc6kh3ph1n\"first\"");
    add(&cases, "relu n2 c9");
    add(&cases, "bnorm:ic4ih8");
    add(&cases, "ip:ic4oc5");
    add(&cases, "--mb=3 --dir=FWD_D,BWD_D ic4oc5");
    assert_int_equal(cases.count, 5);
    assert_case(&cases, 0, "conv2d h8 w8 c4 oc6 k3 p1 bias", "first", 0);
    assert_case(&cases, 1, "relu n2 c9", "", 0);
    assert_case(&cases, 2, "batchnorm n2 h8 w8 c4 eps0.0625 batch_stats", "", 0);
    assert_case(&cases, 3, "linear n2 c4 oc5 bias", "", 0);
    assert_case(&cases, 4, "linear n3 c4 oc5", "", 3);
    const int batches[] = {1, 50};
    assert_int_equal(case_list_batches(&cases, batches, 2), OK);
    assert_int_equal(cases.count, 10);
    assert_case(&cases, 1, "conv2d n50 h8 w8 c4 oc6 k3 p1 bias", "first", 0);
    assert_case(&cases, 3, "relu n50 c9", "", 0);
    case_list_free(&cases);
    assert_int_equal(case_list_add(&cases, "ic8id3ih3oc4kd1kh1"), ERR_UNSUPPORTED);
    assert_message(fail_text(), "1 problem is out of scope", "three-dimensional");
    assert_int_equal(case_list_add(&cases, "pool:ic4oc4kh1ih3"), ERR_FORMAT);
    assert_int_equal(case_list_add(&cases, "ic4ih3oc4khx"), ERR_FORMAT);
    assert_int_equal(case_list_add(&cases, "deconv:ic4oc4kh1ih3"), ERR_USAGE);
    assert_int_equal(case_list_add(&cases, "conv:no-such-file"), ERR_USAGE);
    assert_int_equal(cases.count, 0);
    case_list_free(&cases);
}

static void test_two_source_batches(void **state)
{
    (void)state;
    static const char *const items[] = {"add n2 h4 w4 c3", "mul_channel n2 h4 w4 c3",
                                        "concat h2 w2 c3 c2_4", "softmax_xent n4 c9"};
    const int batch = 9;
    for (int i = 0; i < 4; i++) {
        struct case_list cases = {0};
        add(&cases, items[i]);
        assert_int_equal(case_list_batches(&cases, &batch, 1), OK);
        for (int s = 0; s < op_sources(cases.list[0].kind); s++)
            assert_int_equal(cases.list[0].src[s].n, 9);
        assert_int_equal(cases.list[0].dst.n, 9);
        case_list_free(&cases);
    }
    struct case_list cases = {0};
    const int huge = 65536;
    add(&cases, "conv2d h224 w224 c3 oc64 k3 p1");
    assert_int_equal(case_list_batches(&cases, &huge, 1), ERR_USAGE);
    case_list_free(&cases);
}

/* Options hold for what follows, over files within files; '\' continues a word. */
static void test_batch_files(void **state)
{
    struct case_list cases = {0};
    char text[400];
    put_text(state, "shapes_some", "# a comment\nic4ih8oc4kh1n\"a\"  # another\n\n"
                                   "ic4id8oc4kd1 ic4iw8oc4kw1n\"b*3\"\r\n");
    put_text(state, "test_all",
             "--reset --mb=0,5\n--stag=any,axb --mode=C\n--dir=FWD_B\n--attr-post-ops=, \\\n"
             "   sum:0.5, \\\n   relu\n--batch=shapes_some\n--attr-post-ops=relu\n"
             "--batch=shapes_some\n--reset\n--dt=s8:s8:f32,bf16\n--batch=shapes_some\n"
             "--dt=bf16,f32:f32:f32\n--dir=BWD_D,BWD_WB\nic4ih8oc4kh1\n--deconv\nwhatever\n"
             "--conv --stag=abc\n--dir=FWD_D,BWD_W,BWD_D\nic4ih8oc4kh1\nrelu c3\n");
    add(&cases, temp_dir_file(state, "test_all"));
    assert_int_equal(cases.count, 7);
    assert_case(&cases, 0, "conv2d n2 h8 w8 c4 oc4 bias", "a", 1);
    assert_case(&cases, 1, "conv2d n5 h8 w8 c4 oc4 bias", "a", 1);
    assert_case(&cases, 2, "conv2d n2 w8 c4 oc4 bias", "b*3", 1);
    assert_case(&cases, 4, "conv2d n2 h8 w8 c4 oc4 bias", "", 2);
    assert_case(&cases, 5, "conv2d n2 h8 w8 c4 oc4", "", 3);
    assert_case(&cases, 6, "relu c3", "", 0);
    assert_int_equal(case_list_print_scope(&cases, text, sizeof text), 2 + 3 + 3 + 1);
    assert_string_equal(text, "9 problems are out of scope: three-dimensional (2), attributes "
                              "(post-operations, scales) (3), a data type other than f32 (3), "
                              "another driver (1)");
    assert_int_equal(case_list_print_ignored(&cases, text, sizeof text), 3);
    assert_non_null(strstr(text, "--stag (2), --mode (1)"));
    case_list_free(&cases);
}

static void test_options_of_pools_and_norms(void **state)
{
    struct case_list cases = {0};
    char item[1200];
    put_text(state, "pools", "--alg=max,avg_p,POOLING_AVG_EXCLUDE_PADDING --dir=BWD_D\n"
                             "ic4ih8oh8kh3ph1\nic4ih8oh4kh2sh2\n");
    put_text(state, "norms", "--flags=,GS,SR --dir=FWD_I,BWD_DW\nmb3ic4ih8\n");
    snprintf(item, sizeof item, "pool:%s", temp_dir_file(state, "pools"));
    add(&cases, item);
    assert_int_equal(cases.count, 5);
    assert_case(&cases, 1, "avgpool n2 h8 w8 c4 k3 p1", "", 2);
    assert_case(&cases, 4, "avgpool n2 h8 w8 c4 k2 s2", "", 2);
    snprintf(item, sizeof item, "bnorm:%s", temp_dir_file(state, "norms"));
    add(&cases, item);
    assert_int_equal(cases.count, 7);
    assert_case(&cases, 5, "batchnorm n3 h8 w8 c4 eps0.0625 batch_stats", "", 3);
    assert_case(&cases, 6, "batchnorm n3 h8 w8 c4 eps0.0625", "", 3);
    assert_int_equal(case_list_print_scope(&cases, item, sizeof item), 2);
    case_list_free(&cases);
}

static void test_files_refused(void **state)
{
    static const char *const bad[][2] = {
        {"ic4ih8oc4kh1\nic4ih8oc4khx\n", "line 2"},
        {"ic4ih8oc4kh1\n--dir=UP\n", "--dir=UP"},
        {"--mb=x\nic4\n", "--mb=x"},
        {"--mb=1,2,3,4,5,6,7,8,9\nic4ih8oc4kh1\n", "more than 8"},
        {"--conv\nnonsense\n", "'nonsense' is neither an option of benchdnn"},
        {"--batch=file.txt\n", "more than 8 files within each other"},
        {"--batch=none\n", "none"},
        {"--conv --mb=4\n", "holds no case"},
        {"ic4id8oc4kd1\n", "1 problem is out of scope"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct case_list cases = {0};
        put_text(state, "file.txt", bad[i][0]);
        if (case_list_add(&cases, temp_dir_file(state, "file.txt")) == OK)
            fail_msg("accepted: %s", bad[i][0]);
        assert_message(fail_text(), "file.txt", bad[i][1]);
        case_list_free(&cases);
    }
}

/* ---- the shipped files ---- */

static bool same_conv(const struct op_desc *a, const struct op_desc *b)
{
    char x[256], y[256];
    op_print(a, x, sizeof x);
    op_print(b, y, sizeof y);
    return strcmp(x, y) == 0;
}

/* Every convolution of the network is in the file, as often as its name says, and nothing else. */
static void check_shipped(const char *model, int distinct, int layers)
{
    struct case_list cases = {0};
    struct model_spec spec;
    struct net *net;
    char path[100];
    const int batch = 1;
    int seen = 0;
    snprintf(path, sizeof path, "bench/cases/benchdnn-%s.txt", model);
    add(&cases, path);
    assert_int_equal(case_list_batches(&cases, &batch, 1), OK);
    assert_int_equal(cases.count, distinct);
    assert_int_equal(model_parse(model, "none", &spec), OK);
    assert_int_equal(model_build(&spec, &net), OK);
    for (int i = 0; i < cases.count; i++) {
        const char *star = strrchr(cases.info[i].name, '*');
        int count = 0;
        assert_int_equal(cases.info[i].passes, 3);
        for (int k = 0; k < net->count; k++)
            if (net->nodes[k].type == NODE_OP && net->nodes[k].desc.kind == OP_CONV2D)
                count += same_conv(&net->nodes[k].desc, &cases.list[i]);
        assert_true(star && count > 0 && atoi(star + 1) == count);
        seen += count;
    }
    assert_int_equal(seen, layers);
    net_free(net);
    case_list_free(&cases);
}

static void test_shipped_files(void **state)
{
    (void)state;
    check_shipped("resnet50", 23, 53);
    check_shipped("vgg16", 9, 13);
    check_shipped("densenet121", 66, 120);
}

/* The script that made them makes them again. */
static void test_shipped_files_are_reproducible(void **state)
{
    (void)state;
    struct command c;
    command_need();
    command_shell(&c, "for m in resnet50 vgg16 densenet121; do "
                      "sh bench/cases/make_benchdnn.sh $m | cmp - bench/cases/benchdnn-$m.txt || "
                      "exit 1; done");
    if (c.status != 0)
        fail_msg("%s%s", c.out, c.err);
    command_free(&c);
}

#define WITH_DIR(function) \
    cmocka_unit_test_setup_teardown(function, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions),
        cmocka_unit_test(test_other_drivers),
        cmocka_unit_test(test_out_of_scope),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_damaged_descriptors),
        cmocka_unit_test(test_items),
        cmocka_unit_test(test_two_source_batches),
        WITH_DIR(test_batch_files),
        WITH_DIR(test_options_of_pools_and_norms),
        WITH_DIR(test_files_refused),
        cmocka_unit_test(test_shipped_files),
        cmocka_unit_test(test_shipped_files_are_reproducible),
    };
    return cmocka_run_group_tests_name("benchdnn", tests, NULL, NULL);
}
