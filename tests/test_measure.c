/* Measuring: percentiles and when they are refused, intervals, warm-up, calibration, rounds,
 * ratios, machine facts. No real clock decides anything here: time is a number that the functions
 * under test advance. */
#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "bench/measure/percentile.h"
#include "bench/measure/ratio.h"
#include "bench/measure/sample.h"
#include "tests/temp_dir.h"

#include <math.h>
#include <sys/mman.h>

static bool near(double a, double b, double bound)
{
    return fabs(a - b) <= bound;
}

/* ---- percentiles ---- */

static void test_samples_that_percentiles_need(void **state)
{
    (void)state;
    static const struct {
        double p;
        int needs;
    } rule[] = {{0.50, 11}, {0.90, 64}, {0.95, 130}, {0.99, 662}};
    double values[662];
    for (int i = 0; i < 662; i++)
        values[i] = i;
    for (int i = 0; i < 4; i++) {
        double p = rule[i].p;
        int n = rule[i].needs;
        assert_int_equal(percentile_needs(p), n);
        assert_true(isnan(percentile(values, n - 1, p)));
        assert_true(near(percentile(values, n, p), p * (n - 1), 1e-9));
        /* The definition, in plain arithmetic: none or one of n above, at most 1 in 100. */
        double none = pow(p, n), one = n * (1 - p) * pow(p, n - 1);
        assert_true(none + one <= 0.01);
        none = pow(p, n - 1);
        one = (n - 1) * (1 - p) * pow(p, n - 2);
        assert_true(none + one > 0.01);
    }
}

static void test_binomial(void **state)
{
    (void)state;
    assert_true(near(binomial_below(0, 1, 0.5), 0.5, 1e-12));
    assert_true(near(binomial_below(2, 5, 0.5), 0.5, 1e-12));
    assert_true(near(binomial_below(1, 3, 0.25), 27.0 / 32, 1e-12));
    assert_true(binomial_below(-1, 3, 0.25) == 0);
    assert_true(binomial_below(3, 3, 0.25) == 1);
    assert_true(near(binomial_below(500, 1000, 0.5), 0.512612509, 1e-8));
}

/* Ranks of the 95 % interval of a median, from the tables of the sign test. */
static void test_interval_of_the_median(void **state)
{
    (void)state;
    static const struct {
        int n, low, high;
    } ranks[] = {{6, 1, 6},   {8, 1, 8},   {9, 2, 8},   {10, 2, 9},
                 {15, 4, 12}, {20, 6, 15}, {30, 10, 21}};
    double values[40], low, high;
    for (int i = 0; i < 40; i++)
        values[i] = i + 1;
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        assert_true(percentile_interval(values, ranks[i].n, 0.5, 0.95, &low, &high));
        assert_true(low == ranks[i].low && high == ranks[i].high);
    }
    assert_false(percentile_interval(values, 5, 0.5, 0.95, &low, &high));
    assert_false(percentile_interval(values, 40, 0.99, 0.95, &low, &high));
}

static void test_medians(void **state)
{
    (void)state;
    const double values[] = {5, 1, 4, 2};
    assert_true(percentile_median_of(values, 4) == 3);
    assert_true(percentile_median_of(values, 3) == 4);
    assert_true(percentile_median_of(values, 1) == 5);
    assert_true(values[0] == 5 && values[3] == 2);
}

/* ---- sampling, on a clock of our own ---- */

/* A machine on which a call takes `ns`, and every call of the first `slow` takes `slow_ns`. */
struct machine_time {
    int64_t now;
};
struct job {
    struct machine_time *time;
    int64_t ns, slow_ns;
    int slow, calls;
    double factor; /* of the moment; 0: 1 */
    double growth; /* of ns from call to call; 0: 1 */
    char *log, letter;
};

static int64_t read_fake(void *context)
{
    return ((struct machine_time *)context)->now;
}

static enum status run_job(void *context)
{
    struct job *job = context;
    int64_t ns = job->calls < job->slow ? job->slow_ns : job->ns;
    /* A slow phase of the machine: it changes every 170 ms and multiplies all times. */
    double phase = job->factor > 0 ? 1 + job->factor * (double)(job->time->now / 170000000 % 5) : 1;
    job->time->now += (int64_t)((double)ns * phase);
    job->calls++;
    if (job->growth > 0)
        job->ns = (int64_t)((double)job->ns * job->growth);
    if (job->log)
        job->log[strlen(job->log)] = job->letter;
    return OK;
}

static struct sample_settings settings_of(struct sample_clock *clock, struct machine_time *time)
{
    struct sample_settings settings = sample_defaults();
    *clock = (struct sample_clock){read_fake, time};
    settings.clock = clock;
    return settings;
}

static void test_calibration(void **state)
{
    (void)state;
    static const int64_t durations[] = {1, 700, 33000, 9000000, 40000000};
    for (size_t i = 0; i < sizeof durations / sizeof durations[0]; i++) {
        struct machine_time time = {0};
        struct sample_clock clock;
        struct sample_settings settings = settings_of(&clock, &time);
        struct job job = {.time = &time, .ns = durations[i]};
        struct sample_target target = {run_job, &job};
        struct sample_series series = {0};
        assert_int_equal(sample_warm(&target, &settings, &series), OK);
        double sample_ms = (double)series.repeats * (double)durations[i] * 1e-6;
        assert_true(series.steady);
        assert_true(sample_ms >= settings.sample_ms);
        assert_true(sample_ms < 1.2 * settings.sample_ms + (double)durations[i] * 1e-6);
    }
}

/* The first calls are slow: the warm-up lasts until two batches agree, however long that takes,
 * unless its time is over. */
static void test_warm_up(void **state)
{
    (void)state;
    struct machine_time time = {0};
    struct sample_clock clock;
    struct sample_settings settings = settings_of(&clock, &time);
    struct job job = {.time = &time, .ns = 20000000, .slow_ns = 90000000, .slow = 1};
    struct sample_target target = {run_job, &job};
    struct sample_series series = {0};
    assert_int_equal(sample_warm(&target, &settings, &series), OK);
    assert_true(series.steady);
    assert_int_equal(job.calls, 3);

    struct job endless = {.time = &time, .ns = 20000000, .growth = 1.1};
    struct sample_target never = {run_job, &endless};
    settings.warm_seconds = 0.2;
    time.now = 0;
    assert_int_equal(sample_warm(&never, &settings, &series), OK);
    assert_true(time.now >= 200000000 && time.now < 300000000);
    assert_false(series.steady);

    struct job huge = {.time = &time, .ns = 5000000000};
    struct sample_target once = {run_job, &huge};
    assert_int_equal(sample_warm(&once, &settings, &series), OK);
    assert_int_equal(huge.calls, 1);
    assert_false(series.steady);
    assert_int_equal(series.repeats, 1);
}

/* Over each pair of rounds every target stands before every other exactly once. */
static void check_balance(enum sample_order kind, int count)
{
    for (int round = 0; round < 40; round += 2) {
        int first[8], second[8], place1[8], place2[8];
        sample_fill_order(kind, 3, round, count, first);
        sample_fill_order(kind, 3, round + 1, count, second);
        for (int i = 0; i < count; i++)
            place1[i] = place2[i] = -1;
        for (int i = 0; i < count; i++) {
            place1[first[i]] = i;
            place2[second[i]] = i;
        }
        for (int a = 0; a < count; a++)
            for (int b = 0; b < a; b++) {
                assert_true(place1[a] >= 0 && place2[a] >= 0);
                assert_true((place1[a] < place1[b]) != (place2[a] < place2[b]));
            }
    }
}

static void test_order_of_rounds(void **state)
{
    (void)state;
    static const int abba[4][2] = {{0, 1}, {1, 0}, {1, 0}, {0, 1}};
    int order[8], first = 0;
    for (int round = 0; round < 8; round++) {
        sample_fill_order(SAMPLE_ABBA, 1, round, 2, order);
        assert_int_equal(order[0], abba[round % 4][0]);
        assert_int_equal(order[1], abba[round % 4][1]);
    }
    for (int count = 1; count <= 8; count++) {
        check_balance(SAMPLE_ABBA, count);
        check_balance(SAMPLE_RANDOM, count);
    }
    for (int round = 0; round < 400; round += 2) {
        sample_fill_order(SAMPLE_RANDOM, 9, round, 3, order);
        first += order[0] == 0;
    }
    assert_in_range(first, 45, 90); /* of 200, a third */
}

/* Targets take turns; one that is slow stops early, but not before its least number of samples. */
static void test_rounds_and_budget(void **state)
{
    (void)state;
    char log[200] = "";
    struct machine_time time = {0};
    struct sample_clock clock;
    struct sample_settings settings = settings_of(&clock, &time);
    struct job quick = {.time = &time, .ns = 1000000}, slow = {.time = &time, .ns = 800000000};
    struct sample_target targets[] = {{run_job, &quick}, {run_job, &slow}};
    struct sample_series series[2] = {{0}};
    settings.sample_ms = 0;
    settings.warm_seconds = 0;
    settings.samples = 20;
    settings.seconds = 0.5;
    settings.order = SAMPLE_ABBA;
    quick.log = slow.log = log;
    quick.letter = 'q';
    slow.letter = 's';
    assert_int_equal(sample_rounds(targets, 2, &settings, series), OK);
    assert_int_equal(series[0].n, 20);
    assert_int_equal(series[1].n, 3);
    assert_true(near(series[0].ms[7], 1, 1e-9) && near(series[1].ms[2], 800, 1e-9));
    assert_true(near(series[1].wall_seconds, 2.4, 1e-9) && series[1].cpu_seconds >= 0);
    assert_string_equal(log, "qs" /* warm-up */ "qssqsq" "qqqqqqqqqqqqqqqqq");
    sample_free(&series[0]);
    sample_free(&series[1]);
}

static enum status run_fault(void *context)
{
    int *calls = context;
    return ++*calls > 4 ? (fail)(ERR_LIBRARY, "broke at call %d", *calls) : OK;
}

static void test_a_fault_ends_the_rounds(void **state)
{
    (void)state;
    int calls = 0;
    struct sample_settings settings = sample_defaults();
    settings.sample_ms = 0;
    settings.warm_seconds = 0;
    struct sample_target target = {run_fault, &calls};
    struct sample_series series = {0};
    assert_int_equal(sample_rounds(&target, 1, &settings, &series), ERR_LIBRARY);
    assert_string_equal(fail_text(), "broke at call 5");
    assert_int_equal(series.n, 3);
    sample_free(&series);
}

/* A planted slow-down of 10 % is found to within 1 % although the machine's speed changes by a
 * factor of up to two all the time; and none is found where there is none. */
static void check_planted(double slowdown)
{
    struct machine_time time = {0};
    struct sample_clock clock;
    struct sample_settings settings = settings_of(&clock, &time);
    struct job base = {.time = &time, .ns = 3000000, .factor = 0.25}, head = base;
    head.ns = (int64_t)(3000000 * slowdown);
    struct sample_target targets[] = {{run_job, &base}, {run_job, &head}};
    struct sample_series series[2] = {{0}};
    struct ratio ratio;
    settings.samples = 40;
    settings.sample_ms = 6;
    assert_int_equal(sample_rounds(targets, 2, &settings, series), OK);
    assert_int_equal(series[0].n, 40);
    assert_int_equal(ratio_of_pairs(series[0].ms, series[1].ms, 40, 5, &ratio), OK);
    assert_true(near(ratio.median, slowdown, 0.01));
    assert_true(ratio.low <= slowdown + 1e-6 && ratio.high >= slowdown - 1e-6);
    assert_true(ratio.low > slowdown - 0.05 && ratio.high < slowdown + 0.05);
    sample_free(&series[0]);
    sample_free(&series[1]);
}

static void test_a_planted_slowdown_is_found(void **state)
{
    (void)state;
    check_planted(1.10);
    check_planted(1.00);
}

static void test_summary(void **state)
{
    (void)state;
    double ms[64];
    for (int i = 0; i < 64; i++)
        ms[i] = (i * 37) % 64; /* 0..63, shuffled */
    struct sample_series series = {.n = 64, .ms = ms};
    struct sample_summary s;
    assert_int_equal(sample_summarise(&series, &s), OK);
    assert_true(s.n == 64 && s.min == 0 && s.median == 31.5 && s.p50 == 31.5);
    assert_true(near(s.p90, 56.7, 1e-9) && isnan(s.p95) && isnan(s.p99));
    assert_true(s.low < 31.5 && s.high > 31.5);
    series.n = 10;
    assert_int_equal(sample_summarise(&series, &s), OK);
    assert_true(isnan(s.p50) && isfinite(s.median) && isfinite(s.low));
    series.n = 0;
    assert_int_equal(sample_summarise(&series, &s), OK);
    assert_true(s.n == 0 && isnan(s.median) && isnan(s.min));
}

static void test_ratios(void **state)
{
    (void)state;
    const double a[] = {1, 2, 4, 8, 16, 32, 64}, b[] = {1.1, 2.2, 4.4, 8.8, 17.6, 35.2, 70.4};
    struct ratio ratio, again;
    assert_int_equal(ratio_of_pairs(a, b, 7, 1, &ratio), OK);
    assert_true(near(ratio.median, 1.1, 1e-12) && near(ratio.low, 1.1, 1e-12));
    assert_int_equal(ratio_of_pairs(a, b, 5, 1, &ratio), OK);
    assert_true(near(ratio.median, 1.1, 1e-12) && isnan(ratio.low) && isnan(ratio.high));
    assert_int_equal(ratio_of_pairs(a, b, 0, 1, &ratio), OK);
    assert_true(isnan(ratio.median));
    const double c[] = {3, 1, 9, 4, 44, 7, 100};
    assert_int_equal(ratio_of_pairs(a, c, 7, 1, &ratio), OK);
    assert_int_equal(ratio_of_pairs(a, c, 7, 1, &again), OK);
    assert_true(ratio.low == again.low && ratio.high == again.high && ratio.low < ratio.high);
}

/* ---- the machine ---- */

static void test_machine(void **state)
{
    (void)state;
    struct machine m;
    struct machine_ticks from, to;
    double load[3];
    machine_read(&m);
    assert_true(m.processors >= 1 && m.memory_mb > 16);
    assert_true(m.affinity[0] >= '0' && m.affinity[0] <= '9');
    assert_true(strncmp(m.libc, "glibc ", 6) == 0);
    machine_ticks_read(&from);
    machine_ticks_read(&to);
    double stolen = machine_stolen_percent(&from, &to);
    assert_true(stolen >= 0 && stolen <= 100);
    struct machine_ticks early = {100, 10}, late = {300, 15};
    assert_true(near(machine_stolen_percent(&early, &late), 2.5, 1e-12));
    assert_true(machine_stolen_percent(&late, &late) == 0);
    machine_load(load);
    assert_true(load[0] >= 0 || load[0] == -1);
    snprintf(m.flags, sizeof m.flags, "sse2 avx avx512f");
    assert_true(machine_has_flag(&m, "avx") && machine_has_flag(&m, "avx512f"));
    assert_false(machine_has_flag(&m, "avx512") || machine_has_flag(&m, "sse"));
}

/* Memory that was touched shows in the peak; after a reset the peak is what is resident now. */
static void test_peak_memory(void **state)
{
    (void)state;
    enum { BYTES = 48 << 20 };
    double before = machine_peak_rss_mb();
    assert_true(before > 0);
    char *block = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(block != MAP_FAILED);
    memset(block, 1, BYTES);
    double with = machine_rss_mb();
    munmap(block, BYTES);
    double peak = machine_peak_rss_mb();
    assert_true(peak + 1 >= with);
    if (!machine_reset_peak_rss()) {
        print_message("the peak cannot be reset here: not tested\n");
        return;
    }
    assert_true(machine_peak_rss_mb() < peak - 40);
}

static void test_clocks(void **state)
{
    (void)state;
    char date[32];
    int64_t a = clock_now_ns(), b = clock_now_ns(), cpu = clock_cpu_ns();
    assert_true(b >= a && cpu > 0 && clock_resolution_ns() > 0);
    clock_date(date, sizeof date);
    assert_int_equal(strlen(date), 20);
    assert_true(date[4] == '-' && date[10] == 'T' && date[19] == 'Z');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples_that_percentiles_need),
        cmocka_unit_test(test_binomial),
        cmocka_unit_test(test_interval_of_the_median),
        cmocka_unit_test(test_medians),
        cmocka_unit_test(test_calibration),
        cmocka_unit_test(test_warm_up),
        cmocka_unit_test(test_order_of_rounds),
        cmocka_unit_test(test_rounds_and_budget),
        cmocka_unit_test(test_a_fault_ends_the_rounds),
        cmocka_unit_test(test_a_planted_slowdown_is_found),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_ratios),
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_peak_memory),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
