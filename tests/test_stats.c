/* Statistics of paired differences against values that SciPy and brute force gave
 * (tests/fixtures/make_stats.py), and against values worked out by hand. */
#include "bench/study/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 64, RESAMPLES = 200, LINE = 16384 };

static const double TIGHT = 1e-12;

/* What the program and SciPy are to agree on. */
static const double SCIPY = 1e-9;

static void assert_near(double value, double expected, double tolerance)
{
    if (!(fabs(value - expected) <= tolerance))
        fail_msg("%.17g is not %.17g", value, expected);
}

/* ---- the fixture ---- */

static FILE *open_fixture(void)
{
    FILE *file = fopen("tests/fixtures/stats.txt", "r");
    if (!file)
        fail_msg("tests/fixtures/stats.txt is missing: run from the top of the checkout");
    return file;
}

/* Numbers behind the first word of a line. */
static int read_numbers(char *line, double *out, int most)
{
    int n = 0;
    char *end = strchr(line, ' ');
    while (end && *end && *end != '\n' && n < most) {
        char *start = end;
        out[n] = strtod(start, &end);
        if (end == start)
            break;
        n++;
    }
    return n;
}

static void next_line(FILE *file, const char *word, double *out, int count)
{
    char line[LINE];
    assert_non_null(fgets(line, sizeof line, file));
    assert_true(strncmp(line, word, strlen(word)) == 0);
    assert_int_equal(read_numbers(line, out, count + 1), count);
}

static void check_sample(const double *d, int n, const double *expect)
{
    double low, high;
    struct stats_summary s = stats_summarise(d, n);
    assert_near(s.mean, expect[0], TIGHT);
    assert_near(s.sd, expect[1], TIGHT);
    assert_near(stats_sign_flip_p(d, n), expect[2], TIGHT);
    bool bounded = stats_interval(d, n, &low, &high);
    assert_int_equal(bounded, n >= 6);
    if (bounded) {
        assert_near(low, expect[3], TIGHT);
        assert_near(high, expect[4], TIGHT);
    } else {
        assert_true(isnan(low) && isnan(high));
    }
}

/* The same resamples give SciPy's interval. */
static void check_bootstrap(FILE *file, const double *d, int n)
{
    double numbers[RESAMPLES * 16 + 1], expect[2], low, high;
    int index[RESAMPLES * 16];
    assert_true(n <= 16);
    next_line(file, "index", numbers, RESAMPLES * n);
    for (int i = 0; i < RESAMPLES * n; i++)
        index[i] = (int)numbers[i];
    next_line(file, "bootstrap", expect, 2);
    assert_true(stats_bootstrap(d, n, index, RESAMPLES, &low, &high));
    assert_near(low, expect[0], SCIPY);
    assert_near(high, expect[1], SCIPY);
}

static void samples_agree_with_scipy(void **state)
{
    FILE *file = open_fixture();
    char line[LINE];
    int samples = 0;
    (void)state;
    while (fgets(line, sizeof line, file)) {
        double values[MOST], expect[MOST];
        if (strncmp(line, "sample ", 7) != 0)
            continue;
        int n = read_numbers(line, values, MOST) - 1;
        assert_int_equal((int)values[0], n);
        next_line(file, "expect", expect, 5);
        check_sample(values + 1, n, expect);
        next_line(file, "more", expect, 2);
        assert_near(stats_median(values + 1, n), expect[0], SCIPY);
        assert_near(stats_improvement(values + 1, n), expect[1], SCIPY);
        check_bootstrap(file, values + 1, n);
        samples++;
    }
    fclose(file);
    assert_int_equal(samples, 8);
}

static void check_family(FILE *file, const double *d, int m, int n)
{
    double expect[MOST], p[MOST], adjusted[MOST];
    next_line(file, "raw", expect, m);
    for (int j = 0; j < m; j++) {
        p[j] = stats_sign_flip_p(d + j * n, n);
        assert_near(p[j], expect[j], TIGHT);
    }
    next_line(file, "holm", expect, m);
    stats_holm(p, m, adjusted);
    for (int j = 0; j < m; j++)
        assert_near(adjusted[j], expect[j], TIGHT);
    next_line(file, "maxt", expect, m);
    assert_int_equal(stats_max_t(d, m, n, adjusted), OK);
    for (int j = 0; j < m; j++)
        assert_near(adjusted[j], expect[j], TIGHT);
    next_line(file, "power", expect, m);
    assert_int_equal(stats_could_show(d, m, n, 0.05, adjusted), OK);
    for (int j = 0; j < m; j++)
        assert_near(adjusted[j], expect[j], 1e-3 * expect[j]);
}

static void families_agree_with_brute_force(void **state)
{
    FILE *file = open_fixture();
    char line[LINE];
    int families = 0;
    (void)state;
    while (fgets(line, sizeof line, file)) {
        double values[MOST];
        if (strncmp(line, "family ", 7) != 0)
            continue;
        int count = read_numbers(line, values, MOST);
        int m = (int)values[0], n = (int)values[1];
        assert_int_equal(count, 2 + m * n);
        check_family(file, values + 2, m, n);
        families++;
    }
    fclose(file);
    assert_int_equal(families, 4);
}

/* ---- by hand ---- */

static void six_equal_signs(void **state)
{
    const double d[] = {0.01, 0.02, 0.005, 0.03, 0.01, 0.02};
    double low, high;
    (void)state;
    assert_near(stats_sign_flip_p(d, 6), 2.0 / 64, TIGHT);
    assert_near(stats_smallest_p(6), 2.0 / 64, TIGHT);
    assert_true(stats_interval(d, 6, &low, &high));
    assert_near(low, 0.005, TIGHT);
    assert_near(high, 0.03, TIGHT);
    assert_near(stats_sign_flip_p(d, 5), 2.0 / 32, TIGHT);
    assert_false(stats_interval(d, 5, &low, &high));
}

static void nothing_to_see(void **state)
{
    const double zeros[6] = {0};
    double adjusted[2];
    (void)state;
    assert_near(stats_sign_flip_p(zeros, 6), 1, 0);
    assert_near(stats_sign_flip_p(zeros, 0), 1, 0);
    assert_near(stats_smallest_p(0), 1, 0);
    assert_int_equal(stats_max_t(zeros, 1, 6, adjusted), OK);
    assert_near(adjusted[0], 1, 0);
    assert_int_equal(stats_max_t(zeros, 0, 6, adjusted), OK);
    assert_true(isnan(stats_summarise(zeros, 0).mean));
    assert_true(isnan(stats_summarise(zeros, 1).sd));
    assert_near(stats_summarise(zeros, 1).mean, 0, 0);
}

/* 0.1 + 0.2 and 0.3 are not the same double: sums that are equal on paper count as equal. */
static void ties_by_rounding(void **state)
{
    const double d[] = {0.1, 0.2, -0.3, 0.6};
    (void)state;
    /* The same counted in whole tenths, where nothing is rounded. */
    int hits = 0;
    for (int k = 0; k < 16; k++) {
        int tenths[] = {1, 2, -3, 6}, sum = 0;
        for (int i = 0; i < 4; i++)
            sum += k >> i & 1 ? -tenths[i] : tenths[i];
        hits += abs(sum) >= 6;
    }
    assert_near(stats_sign_flip_p(d, 4), hits / 16.0, TIGHT);
}

static void holm_by_hand(void **state)
{
    const double p[] = {0.01, 0.04, 0.03, 0.005};
    const double expect[] = {0.03, 0.06, 0.06, 0.02};
    double adjusted[4];
    (void)state;
    stats_holm(p, 4, adjusted);
    for (int i = 0; i < 4; i++)
        assert_near(adjusted[i], expect[i], TIGHT);
}

/* Four comparisons that all go one way at every seed: Holm cannot get below 4 * 2/64, max-T reaches
 * the smallest p. */
static void max_t_reaches_the_smallest(void **state)
{
    double d[4 * 6], adjusted[4], p[4];
    (void)state;
    for (int j = 0; j < 4; j++)
        for (int i = 0; i < 6; i++)
            d[j * 6 + i] = 0.01 + 0.002 * i + 0.001 * j;
    assert_int_equal(stats_max_t(d, 4, 6, adjusted), OK);
    for (int j = 0; j < 4; j++) {
        assert_near(adjusted[j], 2.0 / 64, TIGHT);
        p[j] = stats_sign_flip_p(d + j * 6, 6);
    }
    stats_holm(p, 4, adjusted);
    assert_near(adjusted[0], 4 * 2.0 / 64, TIGHT);
}

/* A comparison that lost most of its pairs must not spoil the others. */
static void missing_pairs(void **state)
{
    double d[3 * 6], adjusted[3];
    (void)state;
    for (int i = 0; i < 6; i++) {
        d[i] = 0.01 + 0.002 * i;
        d[6 + i] = i == 0 ? 5.0 : NAN;
        d[12 + i] = NAN;
    }
    assert_int_equal(stats_max_t(d, 3, 6, adjusted), OK);
    assert_near(adjusted[0], 2.0 / 64, TIGHT);
    assert_near(adjusted[1], 1, 0);
    assert_near(adjusted[2], 1, 0);
}

/* Above 20 pairs patterns are drawn: near the exact value, never 0, the same every time. */
static void many_pairs(void **state)
{
    double d[24], low, high, mean = 0;
    (void)state;
    for (int i = 0; i < 24; i++) {
        d[i] = 0.1 + (i % 2 ? 1.0 : -1.0) * (0.2 + 0.01 * i);
        mean += d[i] / 24;
    }
    double p = stats_sign_flip_p(d, 24);
    assert_near(p, stats_sign_flip_p(d, 24), 0);
    /* z = mean / (rms / sqrt(n)) is about 1.4: p about 0.15 */
    assert_true(p > 0.08 && p < 0.25);
    assert_true(stats_interval(d, 24, &low, &high));
    assert_true(low < mean && mean < high && low < 0 && high > 0);
    for (int i = 0; i < 24; i++)
        d[i] = 1 + 0.01 * i;
    p = stats_sign_flip_p(d, 24);
    assert_true(p > 0 && p < 1e-4);
}

/* What could have been shown: nothing with 5 pairs; with 6 the mean at which every other pattern
 * gives a smaller t, that is, at which no difference is negative. */
static void what_could_have_been_shown(void **state)
{
    const double d[] = {-0.03, 0.01, 0.02, -0.01, 0.04, 0.03};
    double smallest, mean = 0.01;
    (void)state;
    assert_int_equal(stats_could_show(d, 1, 6, 0.05, &smallest), OK);
    assert_near(smallest, mean + 0.03, 1e-4);
    assert_int_equal(stats_could_show(d, 1, 5, 0.05, &smallest), OK);
    assert_true(isinf(smallest));
}

/* The program's own resamples: the same every time, every pair drawn about as often. */
static void resamples_are_fair(void **state)
{
    int count[7] = {0}, *index = stats_resamples(7), *again = stats_resamples(7);
    (void)state;
    assert_non_null(index);
    assert_non_null(again);
    assert_memory_equal(index, again, 7 * STATS_RESAMPLES * sizeof *index);
    for (int i = 0; i < 7 * STATS_RESAMPLES; i++)
        count[index[i]]++;
    for (int i = 0; i < 7; i++)
        assert_true(abs(count[i] - STATS_RESAMPLES) < 600);
    free(index);
    free(again);
}

static void medians_by_hand(void **state)
{
    const double d[] = {3, -1, 0, 2};
    (void)state;
    assert_near(stats_median(d, 4), 1, 0);
    assert_near(stats_median(d, 3), 0, 0);
    assert_true(isnan(stats_median(d, 0)));
    assert_near(stats_improvement(d, 4), 2.5 / 4, 0);
    assert_true(isnan(stats_improvement(d, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_agree_with_scipy),
        cmocka_unit_test(families_agree_with_brute_force),
        cmocka_unit_test(six_equal_signs),
        cmocka_unit_test(nothing_to_see),
        cmocka_unit_test(ties_by_rounding),
        cmocka_unit_test(holm_by_hand),
        cmocka_unit_test(max_t_reaches_the_smallest),
        cmocka_unit_test(missing_pairs),
        cmocka_unit_test(many_pairs),
        cmocka_unit_test(what_could_have_been_shown),
        cmocka_unit_test(resamples_are_fair),
        cmocka_unit_test(medians_by_hand),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
