/* Comparisons of a study whose results were made up: arms that are the same but for their random
 * streams are not told apart, a planted difference is found, families are corrected apart, and one
 * altered value alters the verdict. */
#include "bench/study/claims.h"
#include "bench/study/compare.h"
#include "impls/base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS = 4, ATTENTIONS = 2, DATA = 5, ARMS = 2, SEEDS = 8 };
enum { COMPARISONS = MODELS * ATTENTIONS * DATA };

/* Deviation over seeds of what both arms share (split, order of the classes), and of each arm's own
 * streams; in accuracy. */
static const double SHARED = 0.01, OWN = 0.005;

static void fill_axis(struct data_axis *axis, const char *stem, int count)
{
    axis->count = count;
    for (int i = 0; i < count; i++)
        snprintf(axis->text[i], STUDY_TEXT_MAX, "%s%d", stem, i);
}

/* A study of two arms, "arm0" and "arm1", on every network, attention and data. */
static struct study_data *make_data(void)
{
    struct study_data *data = calloc(1, sizeof *data);
    int cells = COMPARISONS * ARMS * SEEDS, k = 0;
    assert_non_null(data);
    fill_axis(&data->models, "model", MODELS);
    fill_axis(&data->attention, "attention", ATTENTIONS);
    fill_axis(&data->data, "data", DATA);
    fill_axis(&data->impls, "impl", 1);
    fill_axis(&data->arms, "arm", ARMS);
    fill_axis(&data->seeds, "", SEEDS);
    claims_default(&data->claims);
    data->claims.compare = AXIS_TRANSFER;
    data->rows.count = cells;
    data->rows.rows = calloc((size_t)cells, sizeof *data->rows.rows);
    data->places = calloc((size_t)cells, sizeof *data->places);
    data->results = calloc((size_t)cells, sizeof *data->results);
    assert_true(data->rows.rows && data->places && data->results);
    for (int m = 0; m < MODELS; m++)
        for (int a = 0; a < ATTENTIONS; a++)
            for (int d = 0; d < DATA; d++)
                for (int arm = 0; arm < ARMS; arm++)
                    for (int s = 0; s < SEEDS; s++, k++) {
                        data->places[k] = (struct grid_place){m, a, d, 0, arm, s};
                        data->results[k] = calloc(1, sizeof **data->results);
                        assert_non_null(data->results[k]);
                    }
    return data;
}

static void free_data(struct study_data *data)
{
    study_data_free(data);
    free(data);
}

/* Accuracies of study number `which`: 0.8, what the seed shares, and the arm's own noise. */
static void draw(struct study_data *data, uint64_t which)
{
    struct random_stream shared = {which, random_name("shared")}, own = {which, random_name("own")};
    for (int k = 0; k < data->rows.count; k++) {
        const struct grid_place *p = &data->places[k];
        uint64_t pair = (uint64_t)(((p->model * ATTENTIONS + p->attention) * DATA + p->data) *
                                   SEEDS + p->seed);
        double test = 0.8 + SHARED * random_normal(shared, pair) +
                      OWN * random_normal(own, (uint64_t)k);
        *data->results[k] = (struct train_result){.test_accuracy = test, .train_accuracy = 0.95,
                                                  .shifted_accuracy = (double)NAN};
    }
}

/* Adds to the accuracy of arm1 in comparison number 0. */
static void plant(struct study_data *data, double difference)
{
    for (int k = 0; k < data->rows.count; k++) {
        const struct grid_place *p = &data->places[k];
        if (p->model == 0 && p->attention == 0 && p->data == 0 && p->arm == 1)
            data->results[k]->test_accuracy += difference;
    }
}

static void make(struct comparisons *all, const struct study_data *data)
{
    if (comparisons_make(all, data) != OK)
        fail_msg("%s", fail_text());
    assert_int_equal(all->count, COMPARISONS);
}

/* Comparisons below 0.05 without and with correction. */
static int count_below(const struct comparisons *all, int *corrected)
{
    int raw = 0;
    *corrected = 0;
    for (int i = 0; i < all->count; i++) {
        raw += all->items[i].outcome[OUTCOME_TEST].p < 0.05;
        *corrected += all->items[i].verdict == VERDICT_BETTER ||
                      all->items[i].verdict == VERDICT_WORSE;
    }
    return raw;
}

/* 40 comparisons of an arm with itself: at most 5 below 0.05, none after correction. */
static void same_arm_twice(void **state)
{
    struct study_data *data = make_data();
    struct comparisons all;
    int corrected;
    (void)state;
    draw(data, 1);
    make(&all, data);
    assert_true(count_below(&all, &corrected) <= 5);
    assert_int_equal(corrected, 0);
    comparisons_free(&all);
    free_data(data);
}

/* Twenty such studies: about 5 % of all comparisons are below 0.05, and about one study in twenty
 * shows something that is not there. */
static void the_error_rate_holds(void **state)
{
    struct study_data *data = make_data();
    int raw = 0, studies = 0;
    (void)state;
    for (uint64_t which = 1; which <= 20; which++) {
        struct comparisons all;
        int corrected;
        draw(data, which);
        make(&all, data);
        raw += count_below(&all, &corrected);
        studies += corrected > 0;
        comparisons_free(&all);
    }
    assert_true(raw <= 20 * COMPARISONS * 7 / 100);
    assert_true(studies <= 4);
    free_data(data);
}

/* A difference of two standard deviations of the accuracy over seeds. */
static void a_planted_difference_is_found(void **state)
{
    struct study_data *data = make_data();
    struct comparisons all;
    int corrected;
    (void)state;
    draw(data, 1);
    plant(data, 2 * sqrt(SHARED * SHARED + OWN * OWN));
    make(&all, data);
    assert_int_equal(all.items[0].verdict, VERDICT_BETTER);
    assert_true(all.items[0].outcome[OUTCOME_TEST].could_show <=
                all.items[0].outcome[OUTCOME_TEST].all.mean);
    count_below(&all, &corrected);
    assert_int_equal(corrected, 1);
    comparisons_free(&all);
    free_data(data);
}

/* What is not shown is smaller than what could have been shown. */
static void not_shown_is_below_what_could_be(void **state)
{
    struct study_data *data = make_data();
    struct comparisons all;
    (void)state;
    draw(data, 3);
    make(&all, data);
    for (int i = 0; i < all.count; i++) {
        const struct paired *test = &all.items[i].outcome[OUTCOME_TEST];
        if (all.items[i].verdict == VERDICT_NOT_SHOWN)
            assert_true(fabs(test->all.mean) < test->could_show);
    }
    comparisons_free(&all);
    free_data(data);
}

/* A family of its own: fewer comparisons to pay for. Outside of all families there is no
 * verdict. */
static void families_are_corrected_apart(void **state)
{
    struct study_data *data = make_data();
    struct comparisons all;
    (void)state;
    draw(data, 1);
    snprintf(data->claims.families[0].name, 64, "first");
    data->claims.families[0].models = (struct study_list){1, {"model0"}};
    data->claims.families[0].data = (struct study_list){1, {"data0"}};
    plant(data, 0.05);
    make(&all, data);
    for (int i = 0; i < all.count; i++) {
        const struct grid_place *p = &all.items[i].place;
        bool held = p->model == 0 && p->data == 0;
        assert_int_equal(all.items[i].family, held ? 0 : -1);
        assert_int_equal(all.items[i].family_size, held ? ATTENTIONS : 0);
        if (!held)
            assert_int_equal(all.items[i].verdict, VERDICT_EXPLORATORY);
    }
    assert_int_equal(all.items[0].verdict, VERDICT_BETTER);
    comparisons_free(&all);
    free_data(data);
}

static void claims_come_back(void **state)
{
    struct study_claims claims, back;
    (void)state;
    claims_default(&claims);
    claims.compare = AXIS_MODELS;
    claims.reach = 0.8;
    claims.family_count = 2;
    claims.families[1] = (struct study_family){"b \"c\"", {0}, {2, {"cbam", "se"}}, {0}, {0}};
    char *text = claims_text(&claims);
    assert_int_equal(claims_read(text, &back), OK);
    assert_memory_equal(&claims, &back, sizeof claims);
    free(text);
    assert_int_equal(claims_read("", &back), OK);
    assert_int_equal(back.compare, AXIS_ATTENTION);
    assert_int_equal(back.family_count, 1);
    assert_int_equal(claims_read("{\"compare\":\"seeds\"}", &back), ERR_FORMAT);
    assert_int_equal(claims_read("[", &back), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_arm_twice),
        cmocka_unit_test(the_error_rate_holds),
        cmocka_unit_test(a_planted_difference_is_found),
        cmocka_unit_test(not_shown_is_below_what_could_be),
        cmocka_unit_test(families_are_corrected_apart),
        cmocka_unit_test(claims_come_back),
    };
    return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
