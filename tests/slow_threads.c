/* A network on two threads beside one busy process on the same two processors: waiting threads must
 * not keep a core from the one that works. Needs $CBAM_BENCH and two processors; other work on the
 * machine slows down the quiet runs as well and so makes this easier, not harder, to pass. */
#include "impls/layer.h"
#include "tests/command.h"
#include "tests/temp_dir.h"

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

/* The first two of the processors this process may use, for it and all it starts. */
static void stay_on_two(void)
{
    cpu_set_t all, two;
    CPU_ZERO(&two);
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&two) < 2; i++)
        if (CPU_ISSET(i, &all))
            CPU_SET(i, &two);
    if (CPU_COUNT(&two) < 2) {
        print_message("skipped: one processor\n");
        skip();
    }
    assert_int_equal(sched_setaffinity(0, sizeof two, &two), 0);
}

static pid_t start_busy(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        for (volatile unsigned long i = 0;; i++)
            ;
    return pid;
}

static void stop_busy(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static double median_of(const char *impl)
{
    struct command c;
    command_ok(&c, "latency --model resnet50 --attention none --impl %s --threads 2 --samples 21 "
               "--format json", impl);
    json_t *json = command_json(&c);
    double median =
        command_number(json_array_get(command_member(json, "rows"), 0), "median_ms");
    json_decref(json);
    command_free(&c);
    return median;
}

static void test_beside_a_busy_process(void **state)
{
    (void)state;
    command_need();
    stay_on_two();
    const char *impl = impl_find("onednn") ? "onednn" : impls[0]->name;
    double quiet = median_of(impl);
    pid_t busy = start_busy();
    double beside = median_of(impl);
    stop_busy(busy);
    print_message("ResNet-50 on two threads of %s: %.1f ms, beside a busy process %.1f: %.2f "
                  "times\n", impl, quiet, beside, beside / quiet);
    assert_true(beside <= 4 * quiet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_beside_a_busy_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
