/* Faults of whole commits: the sources of this checkout are copied, one line or two of what runs
 * are edited, the copy is built, and both gates of the regression check hold it against this build.
 * Each must say what is wrong, and where; a copy without an edit must pass. Needs $CBAM_BENCH and
 * what builds it. */
#include "impls/layer.h"
#include "tests/command.h"
#include "tests/regress_rows.h"

enum { EDITS = 2 };

/* What a gate is asked about, and what it is to answer. */
struct question {
    const char *gate; /* "pair", "counts" */
    const char *impl, *arguments;
    const char *named;   /* the case, a part of its row's name; NULL: none */
    const char *found;   /* in the row's reason or, where the row is regressed, its state */
};

static const struct plant {
    const char *name, *file;
    struct {
        const char *from, *to; /* from stands there once */
    } edit[EDITS];
    struct question questions[4];
} plants[] = {
    {"nothing",
     "impls/naive/pool_global.c",
     {{"case PLANES_MAX_MEAN:\n        to[0]", "case PLANES_MAX_MEAN: /* */\n        to[0]"}},
     {{"pair", "naive", "--filter pool_c", NULL, NULL},
      {"counts", "naive", "--cases 'pool_c n2 h14 w14 c64 max-mean' --no-accuracy", NULL, NULL}}},
    {"a library's reference kernel",
     "impls/onednn/shim.c",
     {{"if (strncmp(name, \"ref\", 3) == 0 ||", "if (strncmp(name, \"ref\", 3) != 0 ||"}},
     {{"pair", "onednn", "--no-accuracy --filter 'fwd conv2d'", "onednn fwd conv2d h14 w14 c128",
       "runs reference code: ref:any"},
      {"counts", "onednn", "--no-accuracy --cases 'conv2d n1 h14 w14 c32 oc32 k3 p1'",
       "onednn fwd conv2d h14 w14 c32", "runs reference code: ref:any"}}},
    {"a library's reference kernel under another's name",
     "impls/onednn/shim.c",
     {{"if (strncmp(name, \"ref\", 3) == 0 ||", "if (strncmp(name, \"ref\", 3) != 0 ||"},
      {"snprintf(out->name, sizeof out->name, \"%s\", shim_name(pd));",
       "snprintf(out->name, sizeof out->name, \"jit:avx2\");"}},
     {{"counts", "onednn", "--no-accuracy --cases 'conv2d n1 h14 w14 c32 oc32 k3 p1'",
       "onednn fwd conv2d h14 w14 c32", "regressed"},
      {"pair", "onednn", "--no-accuracy --filter 'fwd conv2d'", "onednn fwd conv2d h14 w14 c128",
       "regressed"}}},
    {"swapped planes in the fused gate",
     "impls/fused/attention_site.c",
     {{"planes == PLANES_MAX_MEAN ? 1 : 0", "planes == PLANES_MAX_MEAN ? 0 : 1"},
      {"planes == PLANES_MEAN_MAX || planes == PLANES_HALF ? 1 : 0",
       "planes == PLANES_MEAN_MAX || planes == PLANES_HALF ? 0 : 1"}},
     {{"pair", "onednn", "--no-accuracy --filter 'fwd attention'", "onednn fwd attention",
       "dst differs from its definition"},
      {"pair", "onednn", "--filter 'infer network|training'", "onednn infer network",
       "logits differs by"},
      {"pair", "onednn", "--filter 'infer network|training'", "onednn training",
       "training: loss of step"},
      {"counts", "openblas", "--no-accuracy --cases 'attention_sum n2 h14 w14 c64 hidden4 channel "
       "spatial mlp-bias bn'", "openblas fwd attention_sum",
       "dst differs from its definition"}}},
    /* Here the composition that networks are checked by is as wrong as they are: base tells. */
    {"swapped planes in the definition of the network",
     "bench/net/attention.c",
     {{"return spec->mean_first ? PLANES_MEAN_MAX : PLANES_MAX_MEAN;",
       "return spec->mean_first ? PLANES_MAX_MEAN : PLANES_MEAN_MAX;"}},
     {{"pair", "onednn", "--no-accuracy --filter 'infer network'", "onednn infer network",
       "its result is not that of base: logits differs by"},
      {"pair", "naive", "--no-accuracy --filter 'infer network'", "naive infer network",
       "its result is not that of base: logits differs by"}}},
    {"the fourth digit of a convolution's folded weights",
     "impls/fused/fold.c",
     {{"to[i] = (float)((double)from[i] * factor);",
       "to[i] = (float)((double)from[i] * factor * 1.0003);"}},
     {{"pair", "openblas", "--no-accuracy --filter 'infer network'", "openblas infer network",
       "logits differs by"},
      {"counts", "onednn", "--no-accuracy --cases 'conv_act n1 h14 w14 c32 oc32 k3 p1 bn relu'",
       "onednn fwd conv_act", "dst element"}}},
    {"the fourth digit of a mean",
     "impls/naive/pool_global.c",
     {{"        to[1] = mean;\n        break;\n    case PLANES_MEAN_MAX:",
       "        to[1] = 1.0003f * mean;\n        break;\n    case PLANES_MEAN_MAX:"}},
     {{"pair", "naive", "--no-accuracy --filter 'fwd pool_c'", "naive fwd pool_c",
       "dst element"}}},
};
enum { PLANTS = sizeof plants / sizeof plants[0], QUESTIONS = 4 };

/* ---- the copy ---- */

static void shell(const char *folder, const char *line)
{
    struct command c;
    command_shell(&c, "tree='%s'; %s", folder, line);
    if (c.status != 0)
        fail_msg("%s\nended with %d and said: %.2000s", c.line, c.status, c.err);
    command_free(&c);
}

/* What the program is made of, with the objects that are there: an edit compiles one file. */
static int make_copy(void **state)
{
    if (temp_dir_make(state) != 0)
        return -1;
    const struct temp_dir *dir = *state;
    if (getenv("CBAM_BENCH"))
        shell(dir->path,
              "cp -a Makefile impls datasets bench \"$tree\" && mkdir \"$tree/build\" && "
              "{ [ ! -d build/obj ] || cp -a build/obj \"$tree/build\"; }");
    return 0;
}

static int remove_copy(void **state)
{
    struct temp_dir *dir = *state;
    shell(dir->path, "rm -rf \"$tree\"");
    free(dir);
    return 0;
}

static void edit(const char *path, const char *from, const char *to)
{
    size_t size;
    char *text = (char *)file_get(path, &size), *whole;
    char *at = strstr(text, from);
    if (!at || strstr(at + 1, from))
        fail_msg("%s: '%s' should stand there once", path, from);
    *at = '\0';
    assert_true(asprintf(&whole, "%s%s%s", text, to, at + strlen(from)) > 0);
    file_put(path, whole, strlen(whole));
    free(whole);
    free(text);
}

static void plant(void **state, const struct plant *what)
{
    const struct temp_dir *dir = *state;
    const char *path = temp_dir_file(state, what->file);
    for (int i = 0; i < EDITS && what->edit[i].from; i++)
        edit(path, what->edit[i].from, what->edit[i].to);
    shell(dir->path, "make -s -C \"$tree\" all");
}

static void restore(void **state, const struct plant *what)
{
    struct command c;
    const char *path = temp_dir_file(state, what->file);
    command_shell(&c, "cp '%s' '%s'", what->file, path);
    assert_int_equal(c.status, 0);
    command_free(&c);
}

/* ---- the question ---- */

static const char *member(const json_t *row, const char *name)
{
    const char *text = json_string_value(json_object_get(row, name));
    return text ? text : "";
}

static bool was_quiet(const json_t *json)
{
    const json_t *control = json_object_get(json, "control");
    return !control ||
           (command_number(control, "low") >= 0.98 && command_number(control, "high") <= 1.02);
}

/* Time alone may be inconclusive where the machine is not quiet; a wrong result may not. */
static void check_answer(const struct plant *what, const struct question *q, const json_t *json,
                         int status)
{
    const json_t *row = regress_row_of(json, q->named);
    const char *state = member(row, "state"), *reason = member(row, "reason");
    bool by_time = strcmp(q->found, "regressed") == 0;
    if (by_time && strcmp(q->gate, "pair") == 0 && !was_quiet(json)) {
        print_message("%s: %s (the machine is not quiet)\n", what->name, state);
        assert_true(command_number(row, "ratio") > 1.5);
        return;
    }
    bool found = by_time ? strcmp(state, q->found) == 0
                         : strcmp(state, "FAILED") == 0 && strstr(reason, q->found);
    print_message("%s, %s: %s: %s %s\n", what->name, q->gate, member(row, "case"), state, reason);
    if (!found || status != 1 || !strstr(member(json, "reason"), member(row, "case")))
        fail_msg("%s: status %d; '%s' should say '%s', and the verdict name it: %s", what->name,
                 status, reason, q->found, member(json, "reason"));
}

/* Nothing wrong in a copy: not a case failed, and all results are those of base to the last bit. */
static void check_silence(const struct plant *what, const json_t *json)
{
    size_t i;
    json_t *row;
    assert_true(json_array_size(json_object_get(json, "rows")) > 0);
    json_array_foreach(json_object_get(json, "rows"), i, row) {
        const json_t *difference = json_object_get(row, "results_difference");
        if (strcmp(member(row, "state"), "FAILED") == 0 ||
            (json_is_number(difference) && json_number_value(difference) != 0))
            fail_msg("%s: %s: %s %s", what->name, member(row, "case"), member(row, "state"),
                     member(row, "reason"));
    }
}

static void ask(const struct plant *what, const struct question *q, const char *folder)
{
    struct command c;
    command_run(&c, "regress %s --quiet --impl %s --format json --base \"$CBAM_BENCH\" --head %s "
                "%s %s", q->gate, q->impl, folder, strcmp(q->gate, "pair") == 0
                ? "--samples 3 --min-ms 1 --budget 0" : "", q->arguments);
    if (c.status != 0 && c.status != 1)
        fail_msg("%s\nended with %d and said: %.1000s", c.line, c.status, c.err);
    json_t *json = command_json(&c);
    if (q->named)
        check_answer(what, q, json, c.status);
    else
        check_silence(what, json);
    json_decref(json);
    command_free(&c);
}

static bool has_tools(const struct question *q)
{
    struct command c;
    command_shell(&c, "%s", strcmp(q->gate, "counts") == 0 ? "command -v valgrind" : "true");
    bool valgrind = c.status == 0;
    command_free(&c);
    return valgrind && impl_find(q->impl);
}

static void test_plants(void **state)
{
    const struct temp_dir *dir = *state;
    command_need();
    for (int i = 0; i < PLANTS; i++) {
        plant(state, &plants[i]);
        for (int k = 0; k < QUESTIONS && plants[i].questions[k].gate; k++) {
            const struct question *q = &plants[i].questions[k];
            if (has_tools(q))
                ask(&plants[i], q, dir->path);
            else
                print_message("skipped: %s, %s on %s\n", plants[i].name, q->gate, q->impl);
        }
        restore(state, &plants[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plants, make_copy, remove_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL) != 0;
}
