/* Features of the fixed part of a network: those of the network itself, kept once or computed for
 * every batch, to the same end. */
#include "bench/transfer/arm.h"
#include "bench/transfer/source.h"
#include "impls/base/threads.h"
#include "tests/network.h"
#include "tests/support.h"

#include <math.h>

/* Rows of the cache against the values of the network for each image by itself. */
static void check_rows(struct session *session, const struct batch_source *source)
{
    const struct image_list *list = &session->split.list[PART_TRAIN];
    struct loader_config config = {.batch = 1, .h = TINY_SIDE, .w = TINY_SIDE, .channels = 3,
                                   .norm = &session->norm};
    const struct program_request request = {.impl = session->impl, .ctx = session->ctx,
                                            .net = session->lowered, .batch = 1,
                                            .outputs = source->ids, .output_count = source->count};
    struct program *program;
    struct loader loader;
    support_ok(program_compile(&program, &request));
    support_ok(loader_init(&loader, &session->data, list, &config));
    for (int i = 0; i < list->n; i++) {
        loader_fill(&loader, i, program_input(program, 0).data, program_labels(program));
        for (int k = 0; k < source->count; k++) {
            const float *row = source->features[k] + (size_t)i * source->width[k];
            const float *value = network_run(program, k);
            for (size_t j = 0; j < source->width[k]; j++)
                assert_true(fabsf(row[j] - value[j]) <= 1e-5f * (1 + fabsf(value[j])));
        }
    }
    loader_free(&loader);
    program_free(program);
}

static void test_cached_features_are_those_of_the_network(void **state)
{
    struct bed *bed = *state;
    for (int i = 0; impls[i]; i++)
        for (int arm = ARM_FROZEN; arm <= ARM_FROZEN_ATTENTION; arm++) {
            struct train_settings s;
            struct session session;
            struct batch_source source;
            int ids[SOURCE_INPUTS];
            support_settings(&s, bed, "cbam");
            snprintf(s.data, sizeof s.data, "%.200s:per-class=5:val=0", bed->data);
            snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
            support_save_fresh(&s, bed_path(bed, "fresh"));
            support_open(&session, &s, bed_path(bed, "fresh"), NULL);
            support_ok(arm_apply(session.net->params, (enum transfer_arm)arm));
            int count = arm_boundary(session.lowered, ids, SOURCE_INPUTS);
            assert_true(count > 0);
            if (arm == ARM_FROZEN) {
                assert_int_equal(count, 1);
                assert_int_equal(ids[0], session.lowered->features);
            }
            struct loader_config config = {.batch = 8, .h = TINY_SIDE, .w = TINY_SIDE,
                                           .channels = 3, .norm = &session.norm};
            support_ok(source_open(&source, &session, &session.split.list[PART_TRAIN], &config, ids,
                                   count, SIZE_MAX));
            assert_true(source.cached && !source.fixed);
            check_rows(&session, &source);
            source_close(&source);
            session_close(&session);
        }
}

/* A run on cached features ends where the same run over the images ends. */
static void test_caching_changes_no_result(void **state)
{
    struct bed *bed = *state;
    for (int arm = ARM_FROZEN; arm <= ARM_FROZEN_ATTENTION; arm++) {
        struct train_settings s;
        struct session session;
        support_settings(&s, bed, "cbam");
        support_free(support_train(&s, bed_path(bed, "source")));
        snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "source"));
        s.transfer = (enum transfer_arm)arm;
        s.steps = 10;
        s.keep_head = true;
        struct train_result *result = support_train(&s, bed_path(bed, "cached"));
        assert_true(result->cached_features);
        support_free(result);
        support_open(&session, &s, s.init, NULL);
        support_train_by_hand(&session, &s);
        support_ok(session_save(&session, bed_path(bed, "uncached")));
        session_close(&session);
        assert_true(support_difference(s.init, bed_path(bed, "cached")) > 1e-3);
        assert_true(support_difference(bed_path(bed, "cached"), bed_path(bed, "uncached")) < 1e-5);
    }
}

/* ---- more than the memory for them ---- */

/* What a run talks of, in a file: whether a line of it has the fragment. */
static bool says(FILE *talk, const char *fragment)
{
    char line[1024];
    bool found = false;
    rewind(talk);
    while (fgets(line, sizeof line, talk))
        found |= strstr(line, fragment) != NULL;
    return found;
}

static void run_with(const struct train_settings *s, size_t bytes, const char *save,
                     bool recomputes)
{
    struct train_result *result;
    FILE *talk = tmpfile();
    assert_non_null(talk);
    const struct train_io io = {.save = save, .talk = talk, .feature_bytes = bytes};
    support_ok(support_run(s, &io, &result));
    assert_true(result->cached_features);
    assert_int_equal(says(talk, "computed anew for every batch"), recomputes);
    support_free(result);
    fclose(talk);
}

/* Images in another order than the file's, an epoch that leaves some out: bit for bit the same
 * weights. */
static void test_features_beyond_the_limit_are_computed_anew(void **state)
{
    static const enum transfer_arm arms[] = {ARM_FROZEN, ARM_FROZEN_ATTENTION, ARM_TOP + 1};
    struct bed *bed = *state;
    for (int i = 0; impls[i]; i++)
        for (int k = 0; k < 3; k++) {
            struct train_settings s;
            support_settings(&s, bed, "cbam");
            snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
            support_save_fresh(&s, bed_path(bed, "source"));
            snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "source"));
            snprintf(s.data, sizeof s.data, "%.200s:per-class=7:val=0", bed->data);
            s.transfer = arms[k];
            run_with(&s, 0, bed_path(bed, "kept"), false);
            run_with(&s, 1, bed_path(bed, "anew"), true);
            support_same(bed_path(bed, "kept"), bed_path(bed, "anew"));
            assert_true(support_difference(s.init, bed_path(bed, "anew")) > 1e-3);
        }
}

/* The limit itself: features that just fit are kept, with a byte less they are not. */
static void test_the_limit_counts_every_byte(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "none");
    support_save_fresh(&s, bed_path(bed, "source"));
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "source"));
    snprintf(s.data, sizeof s.data, "%.200s:per-class=7:val=0", bed->data);
    s.transfer = ARM_FROZEN;
    const size_t bytes = 4 * 7 * 16 * sizeof(float); /* 28 images, 16 features */
    run_with(&s, bytes, bed_path(bed, "kept"), false);
    run_with(&s, bytes - 1, bed_path(bed, "anew"), true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_cached_features_are_those_of_the_network),
        BED_TEST(test_caching_changes_no_result),
        BED_TEST(test_features_beyond_the_limit_are_computed_anew),
        BED_TEST(test_the_limit_counts_every_byte),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("features of the fixed part", tests, NULL, NULL) != 0;
}
