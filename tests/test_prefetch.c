/* Batches prepared ahead: the same batches in any order of asking and at any pace, the same trained
 * weights, and a thread that is gone whatever became of the run. */
#include "datasets/prefetch.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "tests/cli_fixture.h"

#include <dirent.h>
#include <omp.h>
#include <time.h>

enum { BATCH = 10, FLOATS = BATCH * SIDE * SIDE * 3 };

/* Two loaders of the same batches, one of which is asked ahead. */
struct pair {
    struct dataset ds;
    struct split split;
    struct loader plain, ahead;
    struct prefetch *prefetch;
};

static void pair_open(struct pair *p, const char *data)
{
    const struct loader_config config = {.batch = BATCH, .order = ORDER_SHUFFLED, .augment = true,
                                         .seed = 7, .h = SIDE, .w = SIDE, .channels = 3};
    support_ok(dataset_open(&p->ds, data));
    support_ok(split_make(&p->split, &p->ds, 1));
    support_ok(loader_init(&p->plain, &p->ds, &p->split.list[PART_TRAIN], &config));
    support_ok(loader_init(&p->ahead, &p->ds, &p->split.list[PART_TRAIN], &config));
    support_ok(prefetch_open(&p->prefetch, &p->ahead));
}

static void pair_close(struct pair *p)
{
    prefetch_close(p->prefetch);
    loader_free(&p->plain);
    loader_free(&p->ahead);
    split_free(&p->split);
    dataset_close(&p->ds);
}

static void pair_start(struct pair *p, int epoch)
{
    prefetch_discard(p->prefetch);
    loader_start(&p->plain, epoch);
    loader_start(&p->ahead, epoch);
}

/* Takes a batch: that of the plain loader, and nothing behind it. */
static void check_batch(struct pair *p, int batch)
{
    static float expected[FLOATS], taken[FLOATS];
    int32_t labels[2][BATCH];
    for (int i = 0; i < FLOATS; i++)
        expected[i] = taken[i] = 99.0f;
    memset(labels, 77, sizeof labels);
    int n = loader_fill(&p->plain, batch, expected, labels[0]);
    assert_int_equal(prefetch_take(p->prefetch, batch, taken, labels[1]), n);
    assert_memory_equal(expected, taken, sizeof taken);
    assert_memory_equal(labels[0], labels[1], sizeof labels[0]);
}

static void pause_for(int microseconds)
{
    const struct timespec pause = {0, 1000 * microseconds};
    nanosleep(&pause, NULL);
}

/* Whole epochs, the next batch always begun; who is slower changes from batch to batch. */
static void check_epochs(struct pair *p)
{
    const struct random_stream stream = {1, random_name("pauses")};
    int batches = loader_batches(&p->plain);
    for (int epoch = 0; epoch < 3; epoch++) {
        pair_start(p, epoch);
        for (int b = 0; b < batches; b++) {
            check_batch(p, b);
            if (b + 1 < batches)
                prefetch_begin(p->prefetch, b + 1);
            int pause = (int)random_below(stream, (uint64_t)(epoch * batches + b), 3);
            pause_for(300 * pause);
        }
    }
}

static void test_batches_are_those_of_the_loader(void **state)
{
    struct bed *bed = *state;
    struct pair p;
    char pictures[400];
    make_pictures(bed);
    snprintf(pictures, sizeof pictures, "folder:%s:size=%d", bed_path(bed, "pics"), SIDE);
    const char *const data[] = {bed->data, pictures};
    for (int i = 0; i < 2; i++)
        for (int threads = 1; threads <= 2; threads++) {
            omp_set_num_threads(threads);
            pair_open(&p, data[i]);
            assert_true(loader_batch_size(&p.plain, loader_batches(&p.plain) - 1) < BATCH);
            check_epochs(&p);
            pair_close(&p);
        }
}

/* Nothing is owed: what was begun may be left, asked for twice, or be of another epoch. */
static void test_any_order_of_asking(void **state)
{
    struct bed *bed = *state;
    struct pair p;
    pair_open(&p, bed->data);
    check_batch(&p, 4);
    prefetch_begin(p.prefetch, 3);
    check_batch(&p, 5);
    check_batch(&p, 3);
    prefetch_begin(p.prefetch, 1);
    prefetch_begin(p.prefetch, 2);
    check_batch(&p, 2);
    check_batch(&p, 2);
    prefetch_begin(p.prefetch, 0);
    pair_start(&p, 1);
    check_batch(&p, 0);
    prefetch_begin(p.prefetch, 1);
    pause_for(2000);
    pair_start(&p, 2);
    check_batch(&p, 1);
    prefetch_begin(p.prefetch, 0); /* closed amid a batch */
    pair_close(&p);
}

/* ---- whole runs ---- */

static struct train_result *run_with(const struct train_settings *s, const char *save,
                                     bool prefetch, size_t feature_bytes)
{
    const struct train_io io = {.save = save, .prefetch = prefetch,
                                .feature_bytes = feature_bytes};
    struct train_result *result;
    support_ok(support_run(s, &io, &result));
    return result;
}

/* With and without, to the last bit: weights, and what was seen of each epoch on the way. */
static void check_run(struct bed *bed, const struct train_settings *s, size_t feature_bytes)
{
    struct train_result *without = run_with(s, bed_path(bed, "without"), false, feature_bytes);
    struct train_result *with = run_with(s, bed_path(bed, "with"), true, feature_bytes);
    support_same(bed_path(bed, "without"), bed_path(bed, "with"));
    assert_int_equal(without->epochs, with->epochs);
    for (int i = 0; i < with->epochs; i++)
        assert_true(without->curve[i].train_loss == with->curve[i].train_loss);
    assert_true(without->test_loss == with->test_loss);
    support_free(without);
    support_free(with);
}

static void test_runs_end_with_the_same_weights(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    char pictures[400];
    make_pictures(bed);
    snprintf(pictures, sizeof pictures, "folder:%.200s:size=%d", bed_path(bed, "pics"), SIDE);
    support_settings(&s, bed, "cbam");
    s.augment = true;
    s.batch = 7; /* does not divide the images */
    s.threads = threads_available() < 2 ? 1 : 2;
    check_run(bed, &s, 0);
    support_save_fresh(&s, bed_path(bed, "source"));
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "source"));
    s.transfer = ARM_FROZEN;
    check_run(bed, &s, 0);
    check_run(bed, &s, 1); /* features of every batch anew */
    s.transfer = ARM_LP_FT;
    check_run(bed, &s, 0);
    strcpy(s.init, "random");
    snprintf(s.data, sizeof s.data, "%.250s", pictures);
    s.transfer = ARM_SCRATCH;
    s.steps = 5; /* ends amid an epoch */
    s.size = SIDE;
    check_run(bed, &s, 0);
}

/* ---- the thread ---- */

static int count_threads(void)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void see_threads(void *data, int step, double loss, double accuracy)
{
    int *most = data, now = count_threads();
    (void)step;
    (void)loss;
    (void)accuracy;
    *most = now > *most ? now : *most;
}

/* It is there while the run goes on, and only then. */
static void test_the_thread_ends_with_the_run(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "none");
    support_free(support_train(&s, NULL)); /* whatever threads libraries keep are there now */
    for (int on = 0; on < 2; on++) {
        struct train_result *result;
        int before = count_threads(), most = 0;
        const struct train_io io = {.prefetch = on, .on_step = see_threads, .on_step_data = &most};
        support_ok(support_run(&s, &io, &result));
        support_free(result);
        assert_int_equal(most, before + on);
        assert_int_equal(count_threads(), before);
    }
}

/* A run that ends with an error, or diverges, in the middle of an epoch or behind it. */
static void test_the_thread_ends_with_a_failed_run(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *result;
    struct train_io io = {.prefetch = true};
    support_settings(&s, bed, "none");
    support_free(support_train(&s, NULL));
    int before = count_threads();
    io.checkpoint = bed_path(bed, "nowhere/checkpoint");
    support_refused(support_run(&s, &io, &result), ERR_IO, "nowhere/checkpoint", "");
    support_free(result);
    assert_int_equal(count_threads(), before);
    io.checkpoint = NULL;
    s.lr = 1e30;
    support_ok(support_run(&s, &io, &result));
    assert_true(result->diverged);
    support_free(result);
    assert_int_equal(count_threads(), before);
}

/* A damaged picture amid the others: one line, the same as without, and no thread is left. */
static void test_a_damaged_picture(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    char text[1024];
    size_t size;
    make_pictures(bed);
    uint8_t *file = fixture_read(&bed->folder, "pics/train/ants/t06.png", &size);
    file[size / 2] ^= 0x55;
    fixture_write(&bed->folder, "pics/train/ants/t06.png", file, size);
    free(file);
    support_settings(&s, bed, "none");
    snprintf(s.data, sizeof s.data, "folder:%.200s:size=%d", bed_path(bed, "pics"), SIDE);
    s.augment = true;
    int before = count_threads();
    for (int on = 0; on < 2; on++) {
        struct train_result *result;
        const struct train_io io = {.prefetch = on};
        support_refused(support_run(&s, &io, &result), ERR_FORMAT, "t06.png", "");
        support_free(result);
        if (on)
            assert_string_equal(fail_text(), text);
        snprintf(text, sizeof text, "%s", fail_text());
    }
    assert_int_equal(count_threads(), before);
}

static void test_the_option(void **state)
{
    (void)state;
    command_need();
    command_refused(2, "--prefetch", "auto, on, off", "train --prefetch perhaps");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_batches_are_those_of_the_loader),
        BED_TEST(test_any_order_of_asking),
        BED_TEST(test_runs_end_with_the_same_weights),
        BED_TEST(test_the_thread_ends_with_the_run),
        BED_TEST(test_the_thread_ends_with_a_failed_run),
        BED_TEST(test_a_damaged_picture),
        cmocka_unit_test(test_the_option),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
