/* Measuring: percentiles and when they are refused, intervals, warm-up, calibration, rounds, ratios,
 * agreement of networks, command-line values, case files, machine facts. No real clock decides
 * anything here: time is a number that the functions under test advance. */
#include "bench/measure/case_list.h"
#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "bench/measure/percentile.h"
#include "bench/measure/ratio.h"
#include "bench/measure/sample.h"
#include "bench/verbs/latency_work.h"
#include "bench/verbs/options.h"
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
    } ranks[] = {{6, 1, 6}, {8, 1, 8}, {9, 2, 8}, {10, 2, 9}, {15, 4, 12}, {20, 6, 15}, {30, 10, 21}};
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

/* ---- agreement of implementations on a network ---- */

static const char *const names[] = {"naive", "openblas", "onednn"};

/* Each implementation's logits: those of `base`, times 1 + error. */
static void compare_answers(const double *errors, bool *ok, int count)
{
    struct latency_answer answers[3], *list[3] = {NULL};
    for (int i = 0; i < count; i++) {
        answers[i] = (struct latency_answer){.ok = true, .count = {4}};
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
    static const char *const bad_ints[] = {"", "x", "0", "21", "3x", " ", "1e3", "99999999999999999999"};
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
        cmocka_unit_test(test_agreement_of_networks),
        cmocka_unit_test(test_option_values),
        cmocka_unit_test(test_option_impls),
        cmocka_unit_test_setup_teardown(test_case_files, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_shipped_cases),
        cmocka_unit_test(test_resnet50_is_whole),
        cmocka_unit_test(test_machine),
        cmocka_unit_test(test_peak_memory),
        cmocka_unit_test(test_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
