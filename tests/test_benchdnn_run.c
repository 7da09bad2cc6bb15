/* Checking operations one implementation after the other, without timing: gradients by definition,
 * what is caught, memory; and `layers` on benchdnn's problems. */
#include "bench/measure/layer_check.h"
#include "impls/base/threads.h"
#include "tests/verb_fixture.h"
#include "tests/temp_dir.h"

/* ---- checking in turn ---- */

/* The first implementation's convolution with a gradient that is wrong in two places, so that
 * <diff_weight, weight> stays as it is. */
static enum status wrong_backward(const struct op_plan *plan, const struct op_args *args)
{
    TRY(impls[0]->ops[OP_CONV2D]->backward(plan, args));
    struct param *weight = args->param[0];
    float a = weight->data[0], b = weight->data[1];
    if (weight->grad && a != 0 && b != 0) {
        weight->grad[0] += 4 * b;
        weight->grad[1] -= 4 * a;
    }
    return OK;
}

static void check_in_turn(const char *text, enum layer_pass pass, bool with_wrong,
                          struct layer_verdict *verdicts, int *count)
{
    struct layer_candidate candidates[9] = {{0}};
    struct layer_operands operands;
    struct op_desc desc;
    static struct op_entry entry;
    static struct impl wrong;
    *count = 0;
    for (int i = 0; impls[i]; i++, (*count)++) {
        candidates[i].impl = impls[i];
        assert_int_equal(impls[i]->open(&candidates[i].ctx), OK);
    }
    if (with_wrong) {
        wrong = *impls[0];
        entry = *impls[0]->ops[OP_CONV2D];
        entry.backward = wrong_backward;
        wrong.ops[OP_CONV2D] = &entry;
        candidates[*count].impl = &wrong;
        candidates[(*count)++].ctx = candidates[0].ctx;
    }
    assert_int_equal(op_parse(text, &desc), OK);
    assert_int_equal(layer_operands_make(&operands, &desc, pass), OK);
    layer_check_in_turn(&operands, candidates, *count, 3, verdicts);
    layer_operands_free(&operands);
    for (int i = 0; impls[i]; i++) {
        assert_true(candidates[i].how[0]);
        impls[i]->close(candidates[i].ctx);
    }
}

/* Gradients by definition: every form of convolution and linear, on every implementation. */
static void test_gradients_by_definition(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "conv2d n2 h9 w7 c6 oc10 k3 s2 p1 bias", "conv2d n2 h8 w8 c8 oc12 k3 p1 g4",
        "conv2d n1 h11 w11 c4 oc4 k3 p2 d2", "conv2d n3 w19 c5 oc7 kw5 sw3 pw2 bias",
        "conv2d n2 h7 w9 c8 oc8 kh1 kw3 sh3 sw2 pw1 g8", "conv2d n1 h6 w6 c3 oc2 k5 p4",
        "linear n3 h2 w3 c5 oc4 bias", "linear n7 c11 oc6"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int pass = 0; pass < PASS_COUNT; pass++) {
            struct layer_verdict verdicts[9];
            int count;
            check_in_turn(cases[i], (enum layer_pass)pass, false, verdicts, &count);
            for (int k = 0; k < count; k++) {
                char how[160];
                if (!verdicts[k].ok)
                    fail_msg("%s on %s: %s", cases[i], impls[k]->name, verdicts[k].message);
                assert_true(verdicts[k].exact && verdicts[k].error < 1e-5);
                assert_int_equal(verdicts[k].like != NULL, k > 0);
                bool bias = strstr(cases[i], "bias") != NULL;
                assert_int_equal(verdicts[k].elements, pass == PASS_FWD ? 64 : bias ? 256 : 192);
                assert_int_equal(verdicts[k].identities, pass == PASS_FWD ? 0 : bias ? 3 : 2);
                layer_verdict_print(&verdicts[k], how, sizeof how);
                assert_int_equal(strstr(how, "all outputs as") != NULL, k > 0);
            }
        }
}

/* What the identities cannot see: two wrong elements whose errors cancel in the sum. */
static void test_a_wrong_one_is_caught_in_turn(void **state)
{
    (void)state;
    struct layer_verdict verdicts[9];
    int count;
    check_in_turn("conv2d n2 h8 w8 c4 oc4 k3 p1", PASS_BWD, true, verdicts, &count);
    for (int i = 0; i < count - 1; i++)
        assert_true(verdicts[i].ok);
    assert_false(verdicts[count - 1].ok);
    assert_non_null(strstr(verdicts[count - 1].message, "diff_weight element 0"));
    check_in_turn("conv2d n2 h8 w8 c4 oc4 k3 p1", PASS_FWD, true, verdicts, &count);
    assert_true(verdicts[count - 1].ok);
}

static void test_memory_of_runs(void **state)
{
    (void)state;
    struct op_desc conv;
    assert_int_equal(op_parse("conv2d n2 h8 w8 c4 oc6 k3 p1", &conv), OK);
    double x = 2 * 8 * 8 * 4, y = 2 * 8 * 8 * 6, w = 6 * 4 * 9;
    assert_true(layer_run_memory(&conv, PASS_FWD, 2) == 4 * (x + y + w + 2 * (y + w)));
    assert_true(layer_run_memory(&conv, PASS_BWD, 1) == 4 * (x + y + w + (y + x + 2 * w)));
}

/* ---- the program ---- */

static json_t *run_layers(const char *arguments, const char *said)
{
    struct command c;
    command_need();
    command_ok(&c, "layers --threads 1 --format json %s", arguments);
    if (said && !strstr(c.err, said))
        fail_msg("%s\nsaid '%s', '%s' was expected", c.line, c.err, said);
    json_t *json = command_json(&c);
    command_free(&c);
    return json;
}

static void put_text(void **state, const char *name, const char *text)
{
    file_put(temp_dir_file(state, name), text, strlen(text));
}

static void test_check_only(void **state)
{
    char arguments[1200];
    size_t i;
    put_text(state, "file", "--dir=FWD_D,BWD_D,BWD_W\nic4oc6_ih6kh3ph1_n\"one*2\"\n"
                            "ic4oc6_iw9kw3_n\"two\"\nic4id9oc5kd1\n");
    snprintf(arguments, sizeof arguments, "--cases %s --check-only --batch 1,3",
             temp_dir_file(state, "file"));
    json_t *json = run_layers(arguments, "1 problem is out of scope: three-dimensional (1)");
    json_t *rows = command_member(json, "rows"), *row;
    assert_int_equal(json_array_size(rows), 2 * 2 * 2 * count_impls());
    json_array_foreach(rows, i, row) {
        assert_string_equal(json_string_value(command_member(row, "check")), "exact");
        assert_non_null(strstr(json_string_value(command_member(row, "checked")), "by definition"));
        assert_true(json_is_null(json_object_get(row, "median_ms")));
        assert_true(command_number(row, "n") == 0);
    }
    row = json_array_get(rows, 0);
    assert_string_equal(json_string_value(command_member(row, "name")), "one*2");
    assert_non_null(strstr(json_string_value(json_array_get(command_member(json, "notes"), 0)),
                           "out of scope"));
    json_decref(json);
    snprintf(arguments, sizeof arguments, "--cases %s --pass fwd --samples 2 --min-ms 0 --impl %s",
             temp_dir_file(state, "file"), impls[0]->name);
    json = run_layers(arguments, NULL); /* timed, and --pass outweighs the file */
    assert_int_equal(json_array_size(command_member(json, "rows")), 2);
    json_decref(json);
}

static void test_layers_says_what_it_cannot(void **state)
{
    (void)state;
    command_need();
    command_refused(1, "three-dimensional (1)", "holds no case that can run here",
                    "layers --cases ic4id9oc5kd1");
    command_refused(1, "benchdnn descriptor", "'ih' has no number", "layers --cases ic4ihoc5kh1");
    command_refused(2, "--batch 0", "1 to 65536", "layers --cases 'relu c3' --batch 0");
    command_refused(2, "deconv", "conv, pool, ip and bnorm", "layers --cases deconv:ic4oc4ih3kh1");
    struct command c;
    command_run(&c, "layers --cases mb2000ic500ih2000iw1oc500oh2000ow1kh1kw1 --check-only "
                    "--batch 2000 --impl %s --pass bwd", impls[0]->name);
    if (c.status != 0) /* unless the machine has that much */
        assert_true(strstr(c.err, "MB of memory where the machine has") || strstr(c.err, "memory"));
    command_free(&c);
}

#define WITH_DIR(function) \
    cmocka_unit_test_setup_teardown(function, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_by_definition),
        cmocka_unit_test(test_a_wrong_one_is_caught_in_turn),
        cmocka_unit_test(test_memory_of_runs),
        WITH_DIR(test_check_only),
        cmocka_unit_test(test_layers_says_what_it_cannot),
    };
    if (threads_set(1) != OK)
        return 1;
    return cmocka_run_group_tests_name("benchdnn: run", tests, NULL, NULL);
}
