/* Runs of the real program on a small study, disturbed in every way: killed at random moments,
 * three at once, in shards, without room on the disk. What is in the store afterwards is what an
 * undisturbed run leaves. $STUDY_RUNS_SEED repeats the random moments. */
#include "tests/study_program.h"

#include "bench/measure/clock.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { KILLS = 10 };

#define RUN_OPTIONS " --store store.sqlite --latency off --jobs 2"
static const char run_line[] = "run ../study.yaml" RUN_OPTIONS;
static const char run_line_below[] = "run ../../study.yaml" RUN_OPTIONS; /* a folder further down */

/* The study, run undisturbed in folder "whole"; how long that took, in ms. */
static int run_whole(struct bed *bed, int seeds)
{
    int64_t start = clock_now_ns();
    study_write(bed, "study.yaml", seeds);
    STUDY(study_folder(bed, "whole"), "%s", run_line);
    int took = (int)((clock_now_ns() - start) / 1000000);
    assert_int_equal(study_number(bed, "whole", "SELECT count(*) FROM cells WHERE state = 'done'"),
                     seeds * STUDY_CELLS / 2);
    return took;
}

/* ---- killed ---- */

/* The program in the folder, as leader of a process group of its own. */
static pid_t start_run(const char *folder, const char *arguments)
{
    char line[2000];
    snprintf(line, sizeof line, "cd '%s' && exec \"$CBAM_BENCH\" study %s >run.out 2>&1", folder,
             arguments);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    setpgid(pid, pid); /* whoever comes first */
    return pid;
}

static uint64_t choose_seed(void)
{
    const char *text = getenv("STUDY_RUNS_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 10) : (uint64_t)clock_now_ns() % 1000000;
    print_message("STUDY_RUNS_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static void pause_ms(int ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}

/* Starts runs in the folder, and kills each before `most` ms are over: the program alone, whose
 * workers then have to end by themselves, or it and its workers. Returns how many were killed
 * before one came to its end. */
static int kill_runs(const char *folder, struct random_stream stream, int most, int kills)
{
    int status;
    for (int i = 0; i < kills; i++) {
        pid_t pid = start_run(folder, run_line);
        pause_ms((int)random_below(stream, (uint64_t)(2 * i), (uint32_t)most));
        kill(random_below(stream, (uint64_t)(2 * i + 1), 2) ? -pid : pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!WIFSIGNALED(status))
            return i;
    }
    return kills;
}

static void test_killed_ten_times(void **state)
{
    struct bed *bed = *state;
    struct random_stream stream = {choose_seed(), random_name("kills")};
    char folder[32];
    command_need();
    int took = run_whole(bed, 2), most = took / 5, killed = 0;
    for (int round = 0; killed < KILLS; round++, most = most / 2 + 1) {
        stream.stream += (uint64_t)round; /* a run was through before its kill: once more, faster */
        snprintf(folder, sizeof folder, "killed-%d", round);
        const char *path = study_folder(bed, folder);
        killed = kill_runs(path, stream, most, KILLS);
        STUDY(path, "%s", run_line);
        study_assert_intact(bed, folder);
        study_assert_same(bed, "whole", folder);
        print_message("killed %d times, each within %d ms; %d cells begun\n", killed, most,
                      study_number(bed, folder, "SELECT sum(attempts) FROM cells"));
    }
}

/* ---- several at once ---- */

static void test_three_at_once(void **state)
{
    struct bed *bed = *state;
    pid_t pid[3];
    int status;
    command_need();
    run_whole(bed, 2);
    const char *folder = study_folder(bed, "three");
    for (int i = 0; i < 3; i++)
        pid[i] = start_run(folder, run_line);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    study_assert_same(bed, "whole", "three");
    /* no cell twice */
    assert_int_equal(study_number(bed, "three", "SELECT sum(attempts) FROM cells"), STUDY_CELLS);
}

/* ---- in shards ---- */

static void test_shards_merged(void **state)
{
    struct bed *bed = *state;
    struct command c;
    command_need();
    run_whole(bed, 2);
    const char *folder = study_folder(bed, "parts");
    for (int i = 1; i <= 3; i++)
        STUDY(folder, "run ../study.yaml --store shard%d.sqlite --shard %d/3 --jobs 1", i, i);
    study_ok(&c, folder, "merge shard1.sqlite shard2.sqlite shard3.sqlite --store store.sqlite");
    assert_null(strstr(c.err, "note:"));
    command_free(&c);
    study_assert_same(bed, "whole", "parts");
    study_report_of_one_time(bed, "whole");
    study_report_of_one_time(bed, "parts");
    assert_true(study_same_folders(bed, "whole/runs", "parts/runs") >= 10);
    assert_true(study_same_folders(bed, "whole/runs/plots", "parts/runs/plots") >= 4);
}

/* ---- a full disk ---- */

/* Line of shell: in a folder the study runs where there is little room; its status, words and files
 * are kept; then there is room, and it runs again. The file system is gone when the line ends. */
static const char disk_line[] =
    "cd \"%s\" && mkdir small full finished roomy || exit 1; "
    "mount -t tmpfs -o size=%s none small && cd small || exit 1; %s"
    "\"$CBAM_BENCH\" study %s >../first.out 2>&1; echo $? >../first.status; cp -a . ../full; "
    "mount -o remount,size=64m . || exit 1; "
    "\"$CBAM_BENCH\" study %s >../second.out 2>&1; echo $? >../second.status; "
    "cp -rL . ../finished";

/* Who may mount: anybody in a name space of users, root in one of mounts; else "". */
static const char *may_mount(void)
{
    static const char *const ways[] = {"unshare -Urm", "unshare -m"};
    struct command c;
    for (int i = 0; i < 2; i++) {
        command_shell(&c, "%s sh -c 'mount -t tmpfs none /mnt'", ways[i]);
        int status = c.status;
        command_free(&c);
        if (status == 0)
            return ways[i];
    }
    return "";
}

/* A run that found no room: it said so in one clear line and kept what was done. */
static void assert_stopped(struct bed *bed, const char *folder, int status, const char *said)
{
    if (status != 1 || !strstr(said, "disk is full") || !strstr(said, "make room"))
        fail_msg("the run without room ended with %d and said: %s", status, said);
    study_assert_intact(bed, folder);
    int done = study_number(bed, folder, "SELECT count(*) FROM cells WHERE state = 'done'");
    print_message("%d of %d cells were done when the disk was full\n", done, STUDY_CELLS);
    assert_true(done < STUDY_CELLS);
}

static void run_on_small_disk(struct bed *bed, const char *way, const char *name, const char *size,
                              const char *before)
{
    struct command c;
    char script[3000], file[300], full[300], finished[300];
    size_t bytes;
    snprintf(script, sizeof script, disk_line, study_folder(bed, name), size, before,
             run_line_below, run_line_below);
    command_shell(&c, "%s sh -c '%s'", way, script);
    assert_int_equal(c.status, 0);
    command_free(&c);
    snprintf(full, sizeof full, "%s/full", name);
    snprintf(finished, sizeof finished, "%s/finished", name);
    snprintf(file, sizeof file, "%s/first.out", name);
    char *said = (char *)file_get(bed_path(bed, file), &bytes);
    snprintf(file, sizeof file, "%s/first.status", name);
    char *status = (char *)file_get(bed_path(bed, file), &bytes);
    assert_stopped(bed, full, atoi(status), said);
    free(said);
    free(status);
    study_assert_same(bed, "whole", finished);
}

/* Weights and store on the small disk, or the store alone: then it is SQLite that finds no room. */
static void test_a_full_disk(void **state)
{
    struct bed *bed = *state;
    command_need();
    const char *way = may_mount();
    if (!*way) {
        print_message("skipped: nobody lets this test mount a small file system\n");
        skip();
    }
    run_whole(bed, 2);
    run_on_small_disk(bed, way, "all", "700k", "");
    run_on_small_disk(bed, way, "store", "210k", "ln -s ../roomy cells; ");
}

/* The same where nothing can be mounted: no file may grow beyond a limit. */
static void test_a_file_that_cannot_grow(void **state)
{
    struct bed *bed = *state;
    struct command c;
    command_need();
    run_whole(bed, 2);
    const char *folder = study_folder(bed, "limited");
    command_shell(&c, "ulimit -f 400; cd '%s' && exec \"$CBAM_BENCH\" study %s", folder, run_line);
    if (c.status != 1 || !strstr(c.err, "store.sqlite: ") || !strstr(c.err, "file may grow"))
        fail_msg("the run with a limit ended with %d and said: %s", c.status, c.err);
    command_free(&c);
    study_assert_intact(bed, "limited");
    STUDY(bed_path(bed, "limited"), "%s", run_line);
    study_assert_same(bed, "whole", "limited");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_killed_ten_times),
        BED_TEST(test_three_at_once),
        BED_TEST(test_shards_merged),
        BED_TEST(test_a_full_disk),
        BED_TEST(test_a_file_that_cannot_grow),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("study runs", tests, NULL, NULL) != 0;
}
