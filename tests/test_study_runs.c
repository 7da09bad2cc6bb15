/* Runs of the real program on a small study, disturbed in every way: killed at random moments, three
 * at once, in shards, without room on the disk, with a seed more. What is in the store afterwards is
 * what an undisturbed run leaves. $STUDY_RUNS_SEED repeats the random moments. */
#include "tests/study_program.h"

#include "bench/measure/clock.h"
#include "impls/base/random.h"
#include "impls/base/threads.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

enum { KILLS = 10 };

static const char run_line[] = "run ../study.yaml --store store.sqlite --latency off --jobs 2";

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
 * workers then have to end by themselves, or it and its workers. Returns how many were killed before
 * one came to its end. */
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_killed_ten_times),
        BED_TEST(test_three_at_once),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("study runs", tests, NULL, NULL) != 0;
}
