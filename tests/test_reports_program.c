/* Public bug reports (the number is in the name of the test, the fault above it) tried on the
 * program as a user types it. Skipped when CBAM_BENCH does not name the program. */
#include "bench/net/npy.h"
#include "impls/base/threads.h"
#include "tests/support.h"

#include "tests/command.h"

#include <ctype.h>
#include <glob.h>
#include <math.h>

static const char net[] = "--model resnet20:width=0.25 --attention cbam";
static const char fast[] = "--impl naive --threads 1 --batch 8 --augment off --quiet";

static bool has_naive(void)
{
    return impl_find("naive") != NULL;
}

/* The program, a bed, and the implementation that these tests run on. */
static struct bed *need(void **state)
{
    command_need();
    if (!has_naive()) {
        print_message("skipped: this build has no naive implementation\n");
        skip();
    }
    return *state;
}

/* SE on one branch and CBAM on another are no comparison: both are listed at the same sites. */
static void test_R10_sites_are_listed_alike(void **state)
{
    (void)state;
    command_need();
    json_t *a = command_describe("--model resnet50 --attention se");
    json_t *b = command_describe("--model resnet50 --attention cbam");
    const json_t *x = command_member(a, "sites"), *y = command_member(b, "sites");
    assert_int_equal(json_array_size(x), 16);
    assert_int_equal(json_array_size(y), 16);
    for (size_t i = 0; i < 16; i++) {
        const char *at = json_string_value(command_member(json_array_get(y, i), "name"));
        const char *other = json_string_value(command_member(json_array_get(x, i), "name"));
        assert_memory_equal(at, other, strlen("layer1.0"));
        assert_true(command_number(json_array_get(x, i), "channels") ==
                    command_number(json_array_get(y, i), "channels"));
    }
    json_decref(a);
    json_decref(b);
}

/* The command line that a result is published with does not run: the one in the result repeats the
 * run to the last bit. */
static void test_R13_the_printed_command_repeats_the_run(void **state)
{
    static const char own[] = "cbam-bench ";
    struct bed *bed = need(state);
    struct command c;
    const char *save = bed_path(bed, "w.safetensors"), *copy = bed_path(bed, "first");
    command_ok(&c, "train %s %s --data %s --steps 3 --label-smoothing 0.1 --format json --save %s",
               net, fast, bed->data, save);
    json_t *json = command_json(&c);
    const char *command = json_string_value(command_member(json, "command"));
    command_free(&c);
    assert_memory_equal(command, own, strlen(own));
    assert_int_equal(rename(save, copy), 0);
    command_shell(&c, "\"$CBAM_BENCH\" %s", command + strlen(own));
    if (c.status != 0)
        fail_msg("%s\nended with %d: %s", c.line, c.status, c.err);
    support_same(copy, save);
    command_free(&c);
    json_decref(json);
}

/* The whole text of a file, to be freed. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t size = 0;
    char *text = NULL;
    assert_non_null(file);
    assert_true(getdelim(&text, &size, '\0', file) > 0);
    fclose(file);
    return text;
}

/* Whether the word after this verb is one as well: "study import". */
static bool has_verbs(const char *verb)
{
    return strcmp(verb, "study") == 0 || strcmp(verb, "regress") == 0;
}

/* Every option of one documented command line must be in the help of its verb. */
static void check_documented(const char *path, char *line)
{
    struct command help;
    char *rest, *verb = strtok_r(line, " ", &rest);
    const char *second = "";
    if (!verb || isupper((unsigned char)*verb) || strcmp(verb, "help") == 0)
        return;
    if (*verb == '-') {
        assert_true(strcmp(verb, "--version") == 0 || strcmp(verb, "--help") == 0);
        return;
    }
    if (has_verbs(verb) && islower((unsigned char)*rest))
        second = strtok_r(NULL, " ", &rest);
    command_run(&help, "%s %s --help", verb, second);
    if (help.status != 0)
        fail_msg("%s: the documented verb '%s' has no help: %s", path, verb, help.err);
    for (char *word; (word = strtok_r(NULL, " ", &rest));) {
        word[strcspn(word, "=`'\",;)]")] = '\0';
        if (strncmp(word, "--", 2) == 0 && !strstr(help.out, word))
            fail_msg("%s: '%s %s %s' is documented, and not in its help", path, verb, second,
                     word);
    }
    command_free(&help);
}

/* Commands of a page: lines that begin with the program's name; a final backslash goes on. */
static int check_page(const char *path)
{
    char *text = read_text(path), *rest, *line;
    int count = 0;
    for (char *at = text; (at = strstr(at, "\\\n"));)
        at[0] = at[1] = ' ';
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        line += strspn(line, " \t$");
        size_t length = strncmp(line, "build/", 6) == 0 ? 6 : 0;
        if (strncmp(line + length, "cbam-bench ", 11) != 0)
            continue;
        count++;
        check_documented(path, line + length + 11);
    }
    free(text);
    return count;
}

static void test_R13_documented_commands_exist(void **state)
{
    static const char *const pages[] = {"README.md", "*/README.md", "*/*/README.md"};
    glob_t found;
    int commands = 0;
    (void)state;
    command_need();
    for (int i = 0; i < 3; i++)
        glob(pages[i], i ? GLOB_APPEND : 0, NULL, &found);
    for (size_t i = 0; i < found.gl_pathc; i++)
        commands += check_page(found.gl_pathv[i]);
    print_message("%d commands in %zu pages\n", commands, found.gl_pathc);
    globfree(&found);
}

/* A checkpoint with attention evaluated as a network without, and the other way round: refused,
 * naming the tensors. */
static void test_R22_other_network_is_refused(void **state)
{
    struct bed *bed = need(state);
    struct train_settings s;
    support_settings(&s, bed, "cbam");
    support_save_fresh(&s, bed_path(bed, "w"));
    const char *w = bed_path(bed, "w");
    command_refused(1, "layer1.0.cbam.ChannelGate.mlp.1.weight", "unexpected 81",
                    "eval --model resnet20:width=0.25 --weights %s --data %s", w, bed->data);
    command_refused(1, "layer1.0.ca.fc.0.weight", "--attention",
                    "eval --model resnet20:width=0.25 --attention cbam-article --weights %s "
                    "--data %s", w, bed->data);
    command_refused(1, "[1, 16] in the file", "mismatched 9",
                    "eval --model resnet20:width=0.25 --attention cbam:r=8 --weights %s --data %s",
                    w, bed->data);
}

/* Test images of the bed as the program's input: float32 N,C,H,W. */
static void write_images(struct session *session, const char *path)
{
    const struct image_list *list = &session->split.list[PART_TEST];
    const struct loader_config config = {.batch = list->n, .h = TINY_SIDE, .w = TINY_SIDE,
                                         .channels = 3, .norm = &session->norm};
    const int dim[] = {list->n, 3, TINY_SIDE, TINY_SIDE};
    enum { PIXELS = TINY_SIDE * TINY_SIDE };
    struct loader loader;
    support_ok(loader_init(&loader, &session->data, list, &config));
    float *nhwc = calloc(loader_batch_floats(&loader), sizeof *nhwc);
    float *nchw = calloc(loader_batch_floats(&loader), sizeof *nchw);
    int32_t *labels = calloc((size_t)list->n, sizeof *labels);
    assert_true(nhwc && nchw && labels);
    loader_fill(&loader, 0, nhwc, labels);
    for (int i = 0; i < list->n * PIXELS * 3; i++)
        nchw[(i / 3 / PIXELS * 3 + i % 3) * PIXELS + i / 3 % PIXELS] = nhwc[i];
    support_ok(npy_write(path, 4, dim, nchw));
    free(nhwc);
    free(nchw);
    free(labels);
    loader_free(&loader);
}

static json_t *evaluate_file(const struct bed *bed, const char *weights)
{
    struct command c;
    command_ok(&c, "eval %s --weights %s --data %s --impl naive --threads 1 --format json", net,
               weights, bed->data);
    json_t *json = command_json(&c);
    command_free(&c);
    return json;
}

/* Layers re-initialised on loading: test accuracy 0 although training was fine. What a run says of
 * its network, new processes say of the file, bit for bit. */
static void test_R23_R35_new_processes_see_the_same_network(void **state)
{
    struct bed *bed = need(state);
    struct train_settings s;
    struct session session;
    struct evaluation e;
    struct npy_array out;
    struct command c;
    const char *weights = bed_path(bed, "w"), *x = bed_path(bed, "x.npy");
    const char *y = bed_path(bed, "y.npy");
    command_ok(&c, "train %s %s --data %s --steps 3 --format json --save %s", net, fast, bed->data,
               weights);
    json_t *trained = command_json(&c);
    command_free(&c);
    size_t size;
    uint8_t *before = fixture_read(&bed->folder, "w", &size);
    for (int i = 0; i < 2; i++) {
        json_t *json = evaluate_file(bed, weights);
        assert_true(command_number(json, "loss") == command_number(trained, "test_loss"));
        assert_true(command_number(json, "top1") == command_number(trained, "test_accuracy"));
        json_decref(json);
    }
    support_settings(&s, bed, "cbam");
    snprintf(s.impl, sizeof s.impl, "naive");
    support_open(&session, &s, weights, NULL);
    float *logits = support_logits(&session, 24, &e);
    write_images(&session, x);
    command_ok(&c, "predict %s --weights %s --input %s --output %s --impl naive --threads 1", net,
               weights, x, y);
    command_free(&c);
    support_ok(npy_read(&out, y));
    assert_int_equal(out.count, 24 * TINY_CLASSES);
    assert_memory_equal(out.data, logits, out.count * sizeof *logits);
    uint8_t *after = fixture_read(&bed->folder, "w", &size);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    free(logits);
    npy_release(&out);
    json_decref(trained);
    session_close(&session);
}

/* v1 or v1.5: the number and the title tell, and a file of the one used as the other is said. */
static void test_R28_the_variant_is_stated(void **state)
{
    struct bed *bed = need(state);
    struct train_settings s;
    struct command c;
    json_t *v1 = command_describe("--model resnet50:strides=v1");
    json_t *v15 = command_describe("--model resnet50");
    assert_true(fabs(command_number(v1, "gmacs") - 3.858) < 0.0005);
    assert_true(fabs(command_number(v15, "gmacs") - 4.089) < 0.0005);
    assert_non_null(strstr(json_string_value(command_member(v1, "title")), "v1"));
    assert_non_null(strstr(json_string_value(command_member(v15, "title")), "v1.5"));
    json_decref(v1);
    json_decref(v15);
    support_settings(&s, bed, "none");
    snprintf(s.model, sizeof s.model, "resnet50:stem=small:width=0.05");
    support_save_fresh(&s, bed_path(bed, "v15"));
    command_ok(&c, "eval --model resnet50:stem=small:width=0.05:strides=v1 --weights %s --data %s",
               bed_path(bed, "v15"), bed->data);
    assert_non_null(strstr(c.err, "warning"));
    assert_non_null(strstr(c.err, "strides=v1"));
    command_free(&c);
}

/* A freeze list that is overwritten later: what `describe` announces is what trains. */
static void test_R37_the_announced_number_trains(void **state)
{
    static const char *const arms[] = {"frozen", "frozen+attention", "finetune"};
    struct bed *bed = need(state);
    struct train_settings s;
    struct command c;
    support_settings(&s, bed, "cbam");
    support_save_fresh(&s, bed_path(bed, "source"));
    for (int i = 0; i < 3; i++) {
        command_ok(&c, "describe %s --classes 4 --input 12 --transfer %s --format json", net,
                   arms[i]);
        json_t *announced = command_json(&c);
        command_free(&c);
        command_ok(&c, "train %s %s --data %s --steps 1 --transfer %s --init %s --format json", net,
                   fast, bed->data, arms[i], bed_path(bed, "source"));
        json_t *run = command_json(&c);
        command_free(&c);
        assert_true(command_number(announced, "trainable") == command_number(run, "trainable"));
        assert_true(command_number(announced, "params") == command_number(run, "params"));
        json_decref(announced);
        json_decref(run);
    }
}

/* A misspelt freeze freezes nothing and nobody says so: every unknown word is refused, and the
 * known ones are listed. */
static void test_R38_misspelt_words_are_refused(void **state)
{
    static const struct {
        const char *options, *word, *known;
    } bad[] = {
        {"--transfer backbon", "backbon", "frozen+attention"},
        {"--transfer frozen+attn", "frozen+attn", "frozen+attention"},
        {"--transfer ''", "--transfer", "finetune"},
        {"--transfer Frozen", "Frozen", "frozen"},
        {"--transfer top:0", "top:0", "frozen"},
        {"--transfer top:99", "top:99", "frozen"},
        {"--attention cbam:stage=5", "stage=5", "place"},
        {"--attention cbam:place=layer5", "place=layer5", "stage"},
        {"--attention cbm", "cbm", "cbam-article"},
        {"--model resnet19", "resnet19", "resnet18"},
        {"--model resnet20:widht=0.5", "widht=0.5", "width=X"},
        {"--schedule cosin", "cosin", "cosine"},
        {"--scheme kaimin", "kaimin", "kaiming"},
        {"--order shuffeld", "shuffeld", "sequential"},
        {"--keep-head maybe", "maybe", "off"},
        {"--impl onedn", "onedn", "naive"},
        {"--freeze layer5", "--freeze", "unrecognized"},
        {"--requires-grad=false", "--requires-grad", "unrecognized"},
    };
    struct bed *bed = need(state);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        command_refused(2, bad[i].word, bad[i].known, "train %s --data %s --epochs 1 --quiet %s",
                        "--model resnet20:width=0.25", bed->data, bad[i].options);
}

/* "ResNet-50 has 3.8, 3.86, 4.09 or 4.12 G": the numbers of the literature, with their rule. */
static void test_R54_macs_have_a_rule(void **state)
{
    static const struct {
        const char *model, *attention;
        double macs;
    } rows[] = {{"resnet18", "none", 1814073344},       {"resnet18", "cbam", 1815064e3},
                {"resnet34", "none", 3663761e3},        {"resnet34", "cbam", 3665435e3},
                {"resnet50:strides=v1", "none", 3857973e3},
                {"resnet50:strides=v1", "se", 3860488e3},
                {"resnet50:strides=v1", "cbam", 3864362e3},
                {"resnet50", "none", 4089184e3},        {"resnet50", "cbam", 4095573e3}};
    (void)state;
    command_need();
    for (int i = 0; i < 9; i++) {
        char options[128];
        snprintf(options, sizeof options, "--model %s --attention %s --input 224", rows[i].model,
                 rows[i].attention);
        json_t *json = command_describe(options);
        assert_true(fabs(command_number(json, "macs") - rows[i].macs) < 1000);
        assert_non_null(strstr(json_string_value(command_member(json, "macs_rule")), "MLP"));
        json_decref(json);
    }
}

/* Fine-tuning that wipes what was learnt: the result tells the accuracy before the first update. */
static void test_R55_the_start_is_reported(void **state)
{
    struct bed *bed = need(state);
    struct command c;
    command_ok(&c, "train %s %s --data %s --epochs 4 --save %s", net, fast, bed->data,
               bed_path(bed, "source"));
    command_free(&c);
    json_t *source = evaluate_file(bed, bed_path(bed, "source"));
    command_ok(&c, "train %s %s --data %s --epochs 2 --lr 0.001 --transfer finetune --keep-head on "
               "--init %s --format json", net, fast, bed->data, bed_path(bed, "source"));
    json_t *run = command_json(&c);
    command_free(&c);
    assert_true(command_number(run, "before_accuracy") == command_number(source, "top1"));
    assert_true(command_number(source, "top1") > 0.5);
    assert_int_equal(json_array_size(command_member(run, "curve")), 2);
    json_decref(source);
    json_decref(run);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_R10_sites_are_listed_alike),
        BED_TEST(test_R13_the_printed_command_repeats_the_run),
        cmocka_unit_test(test_R13_documented_commands_exist),
        BED_TEST(test_R22_other_network_is_refused),
        BED_TEST(test_R23_R35_new_processes_see_the_same_network),
        BED_TEST(test_R28_the_variant_is_stated),
        BED_TEST(test_R37_the_announced_number_trains),
        BED_TEST(test_R38_misspelt_words_are_refused),
        cmocka_unit_test(test_R54_macs_have_a_rule),
        BED_TEST(test_R55_the_start_is_reported),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("reports: the program", tests, NULL, NULL) != 0;
}
