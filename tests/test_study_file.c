/* Study files: a good one read in full, and each way of being wrong refused with its place. */
#include "bench/study/study.h"
#include "bench/transfer/settings.h"
#include "tests/temp_dir.h"

#include <math.h>

static const char good[] =
    "name: study-1\n"
    "models: [resnet20, 'resnet50:stem=small:width=0.0625']\n"
    "attention: [none, cbam, 'cbam:r=8']\n"
    "seeds: 3\n"
    "impls: [naive, onednn]\n"
    "threads: 2\n"
    "jobs: 1\n"
    "agreement-images: 70\n"
    "source:\n"
    "  data: fashion-mnist:classes=0-4\n"
    "  epochs: 7\n"
    "  lr: 0.25\n"
    "  augment: off\n"
    "target:\n"
    "  data: [fashion-mnist:classes=5-9, 'idx:some/where']\n"
    "  labels: [10, 50]\n"
    "  epochs: 30\n"
    "  weight-decay: 1e-3\n"
    "transfer:\n"
    "  - arm: scratch\n"
    "  - arm: frozen\n"
    "    epochs: 60\n"
    "  - arm: frozen+attention\n"
    "    order: sequential\n"
    "latency:\n"
    "  models: [resnet50]\n"
    "  input: 224\n"
    "  seconds: 5\n";

static enum status load(void **state, const char *text, struct study *study)
{
    const char *path = temp_dir_file(state, "study.yaml");
    file_put(path, text, strlen(text));
    return study_load(study, path);
}

static void everything_is_read(void **state)
{
    struct study s;
    assert_int_equal(load(state, good, &s), OK);
    assert_string_equal(s.name, "study-1");
    assert_int_equal(s.models.count, 2);
    assert_string_equal(s.models.text[1], "resnet50:stem=small:width=0.0625");
    assert_int_equal(s.attention.count, 3);
    assert_int_equal(s.seed_count, 3);
    assert_true(s.seeds[0] == 0 && s.seeds[2] == 2);
    assert_int_equal(s.impls.count, 2);
    assert_int_equal(s.threads, 2);
    assert_int_equal(s.jobs, 1);
    assert_int_equal(s.agreement_images, 70);
    assert_true(s.has_source);
    assert_int_equal(s.source.epochs, 7);
    assert_true(s.source.lr == 0.25);
    assert_false(s.source.augment);
    assert_string_equal(s.source_attention, "same");
    assert_int_equal(s.data.count, 4);
    assert_string_equal(s.data.text[0], "fashion-mnist:classes=5-9:per-class=10");
    assert_string_equal(s.data.text[3], "idx:some/where:per-class=50");
    assert_int_equal(s.arm_count, 3);
    assert_int_equal(s.arms[0].epochs, 30);
    assert_int_equal(s.arms[1].transfer, ARM_FROZEN);
    assert_int_equal(s.arms[1].epochs, 60);
    assert_true(s.arms[1].weight_decay == 1e-3);
    assert_false(s.arms[2].shuffled);
    assert_true(s.latency.wanted);
    assert_int_equal(s.latency.input, 224);
    assert_int_equal(s.latency.seconds, 5);
    assert_int_equal(s.latency.attention.count, 3);
    assert_string_equal(s.latency.impls.text[0], "all");
}

/* What is not said has the defaults of a training run. */
static void little_is_enough(void **state)
{
    struct study s;
    struct train_settings defaults;
    train_defaults(&defaults);
    assert_int_equal(load(state, "name: a\nmodels: [resnet20]\nattention: [none]\n"
                                 "seed-list: [5, 9]\ntarget: {data: [fashion-mnist]}\n"
                                 "transfer: [{arm: scratch}]\n", &s), OK);
    assert_int_equal(s.seed_count, 2);
    assert_true(s.seeds[0] == 5 && s.seeds[1] == 9);
    assert_false(s.has_source);
    assert_false(s.latency.wanted);
    assert_int_equal(s.threads, 1);
    assert_int_equal(s.agreement_images, 500);
    assert_string_equal(s.impls.text[0], defaults.impl);
    assert_int_equal(s.arms[0].batch, defaults.batch);
    assert_true(s.arms[0].lr == defaults.lr);
}

/* `good` with one piece of it replaced. */
static char *changed(const char *from, const char *to)
{
    const char *at = strstr(good, from);
    char *text = malloc(sizeof good + strlen(to) + 1);
    assert_non_null(at);
    assert_non_null(text);
    sprintf(text, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
    return text;
}

static const struct wrong {
    const char *from, *to; /* in the good file */
    const char *place, *expected; /* words of the message */
} wrongs[] = {
    {"jobs: 1", "job: 1", "line", "job"},
    {"  lr: 0.25", "  learning-rate: 0.25", "source", "learning-rate"},
    {"    epochs: 60", "    epoch: 60", "transfer", "epoch"},
    {"  input: 224", "  inputs: 224", "latency", "inputs"},
    {"  epochs: 7\n", "  epochs: 7\n  epochs: 8\n", "source", "epochs"},
    {"threads: 2", "threads: 2\nthreads: 2", "line", "threads"},
    {"name: study-1\n", "", "line", "name"},
    {"target:\n", "targets:\n", "line", "targets"},
    {"models: [resnet20, 'resnet50:stem=small:width=0.0625']", "models: resnet20", "models",
     "SEQUENCE"},
    {"models: [resnet20, 'resnet50:stem=small:width=0.0625']", "models: []", "models", "entries"},
    {"  lr: 0.25", "  lr: [0.25]", "lr", "STRING"},
    {"  lr: 0.25", "  lr: fast", "source", "lr is 'fast': a number was expected"},
    {"  lr: 0.25", "  lr: -1", "source", "lr is -1"},
    {"  lr: 0.25", "  lr: nan", "source", "lr is 'nan'"},
    {"  lr: 0.25", "  lr: 1e999", "source", "lr is inf"},
    {"  epochs: 7", "  epochs: 7.5", "source", "epochs is '7.5': a whole number"},
    {"  epochs: 7", "  epochs: 1001", "source", "epochs is 1001: a whole number from 0 to 1000"},
    {"  augment: off", "  augment: no", "source", "augment is 'no': on or off"},
    {"    order: sequential", "    order: random", "transfer: frozen+attention", "order"},
    {"arm: frozen+attention", "arm: thawed", "transfer", "thawed"},
    {"arm: frozen+attention", "arm: frozen", "transfer: frozen", "twice"},
    {"seeds: 3", "seeds: three", "seeds", "three"},
    {"seeds: 3", "seeds: 65", "seeds", "65"},
    {"seeds: 3", "seeds: -1", "seeds", "-1"},
    {"seeds: 3\n", "", "seeds", "seed-list"},
    {"seeds: 3", "seeds: 3\nseed-list: [1]", "seeds", "seed-list"},
    {"seeds: 3", "seed-list: [1, 1]", "seed-list", "twice"},
    {"seeds: 3", "seed-list: [-1]", "seed-list", "negative"},
    {"  labels: [10, 50]", "  labels: [0]", "labels", "above 0"},
    {"attention: [none, cbam,", "attention: [none, none,", "attention", "twice"},
    {"attention: [none, cbam,", "attention: ['none,cbam',", "attention", "','"},
    {"name: study-1", "name: ../escape", "name", "../escape"},
    {"name: study-1", "name: ''", "name", ""},
    {"  data: fashion-mnist:classes=0-4\n", "", "source", "'weights' (a file)"},
    {"  data: fashion-mnist:classes=0-4\n",
     "  data: fashion-mnist:classes=0-4\n  weights: w.safetensors\n", "source", "one of 'data'"},
    {"  data: fashion-mnist:classes=0-4\n", "  weights: w.safetensors\n", "source",
     "has no meaning"},
    {"threads: 2", "threads: 2000", "threads", "2000"},
    {"jobs: 1", "jobs: 99999999999999999999", "jobs", "99999999999999999999"},
    {"  input: 224", "  input: 5000", "latency: input", "5000"},
    {"  seconds: 5\n", "  seconds: 5\n---\nname: b\n", "", "document"},
    {"impls: [naive, onednn]", "impls: &x [naive]\njobs: *x", "jobs", "alias"},
    {"jobs: 1", "jobs: 1\ndtypes: [bf16]", "dtypes", "[f32, bf16] was expected"},
    {"jobs: 1", "jobs: 1\ndtypes: [f32, f16]", "dtypes", "[f32, bf16] was expected"},
    {"jobs: 1", "jobs: 1\ndtypes: [f32, f32]", "dtypes", "twice"},
    {"  lr: 0.25", "  lr: 0.25\n  dtypes: f32", "source", "dtypes"},
    {"models: [resnet20, 'resnet50:stem=small:width=0.0625']", "models: [resnet20", "",
     "did not find"},
    {"jobs: 1", "\tjobs: 1", "", "tab"},
    {"jobs: 1", "jobs: \x01", "", "control characters"},
};

static void each_fault_is_named(void **state)
{
    for (size_t i = 0; i < sizeof wrongs / sizeof wrongs[0]; i++) {
        const struct wrong *w = &wrongs[i];
        struct study s;
        char *text = changed(w->from, w->to);
        if (load(state, text, &s) != ERR_FORMAT)
            fail_msg("'%s' was accepted", w->to);
        assert_message(fail_text(), "study.yaml", w->place);
        assert_message(fail_text(), "study.yaml", w->expected);
        free(text);
    }
}

static void arms_need_a_source(void **state)
{
    struct study s;
    char *text = changed("source:\n  data: fashion-mnist:classes=0-4\n  epochs: 7\n  lr: 0.25\n"
                         "  augment: off\n", "");
    assert_int_equal(load(state, text, &s), ERR_FORMAT);
    assert_message(fail_text(), "study.yaml", "'source' is missing");
    free(text);
}

static void no_file(void **state)
{
    struct study s;
    assert_int_equal(study_load(&s, temp_dir_file(state, "none.yaml")), ERR_IO);
    assert_message(fail_text(), "none.yaml", "");
    assert_int_equal(load(state, "", &s), ERR_FORMAT);
    assert_message(fail_text(), "study.yaml", "empty");
    assert_int_equal(load(state, "# nothing\n", &s), ERR_FORMAT);
}

static void huge_file(void **state)
{
    struct study s;
    size_t size = STUDY_FILE_MAX + 1;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, '#', size);
    const char *path = temp_dir_file(state, "study.yaml");
    file_put(path, text, size);
    free(text);
    assert_int_equal(study_load(&s, path), ERR_FORMAT);
    assert_message(fail_text(), "study.yaml", "larger");
}

/* Every prefix of a good file, and every file with one byte changed, is read or refused. */
static void damaged_files(void **state)
{
    struct study s;
    char text[sizeof good];
    for (size_t length = 0; length < sizeof good - 1; length += 3) {
        memcpy(text, good, length);
        text[length] = '\0';
        load(state, text, &s);
    }
    for (size_t i = 0; i < sizeof good - 1; i++) {
        memcpy(text, good, sizeof good);
        text[i] = (char)(text[i] ^ (1 << (i % 8)));
        if (text[i] != '\0')
            load(state, text, &s);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temp_dir_make, temp_dir_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_is_read),  TEST(little_is_enough), TEST(each_fault_is_named),
        TEST(arms_need_a_source),  TEST(no_file),          TEST(huge_file),
        TEST(damaged_files),
    };
    return cmocka_run_group_tests_name("study file", tests, NULL, NULL);
}
