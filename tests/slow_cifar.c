/* A ResNet-20 from random weights on real CIFAR-10 images ($CBAM_DATA/cifar-10-batches-bin), by the
 * recipe with which PyTorch reaches 81.7 %: accuracy on oneDNN; the losses of the implementations
 * side by side; a run that is killed three times ends as the undisturbed one. Twenty minutes on two
 * idle processors. */
#include "impls/layer.h"
#include "tests/command.h"
#include "tests/temp_dir.h"

#include <signal.h>
#include <sys/wait.h>

#define RECIPE                                                                                     \
    "train --model resnet20 --data cifar10:cifar-10-batches-bin --epochs 20 "                      \
    "--batch 128 --lr 0.2 --schedule onecycle --pct-start 0.2 --nesterov on "                      \
    "--momentum 0.9 --cycle-momentum off --weight-decay 5e-4 --augment on "                        \
    "--seed 1 --threads 2 "

enum { STEPS = 20, KILLS = 3, MOST_IMPLS = 8 };

static void need_data(void)
{
    const char *data = getenv("CBAM_DATA");
    char path[4096];
    command_need();
    snprintf(path, sizeof path, "%s/cifar-10-batches-bin/data_batch_1.bin", data ? data : "");
    if (data && access(path, R_OK) == 0)
        return;
    print_message("skipped: $CBAM_DATA/cifar-10-batches-bin is not there\n");
    skip();
}

/* The losses of the first updates of the whole recipe; the run is cut off after them. */
static void first_losses(const char *impl, double loss[STEPS])
{
    struct command c;
    int step, lines = 0;
    double value;
    command_shell(&c, "\"$CBAM_BENCH\" " RECIPE "--impl %s --print-losses %d --quiet | head -n %d",
                  impl, STEPS, STEPS);
    for (const char *at = c.out; at && sscanf(at, "step %d loss %lf", &step, &value) == 2;
         lines++) {
        assert_true(step == lines + 1 && step <= STEPS);
        loss[lines] = value;
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    assert_int_equal(lines, STEPS);
    command_free(&c);
}

static void assert_relative(double a, double b, double bound)
{
    double difference = a > b ? a - b : b - a;
    if (difference > bound * b)
        print_message("%.9g against %.9g: more than %g\n", a, b, bound);
    assert_true(difference <= bound * b);
}

static void test_implementations_train_alike(void **state)
{
    static double loss[MOST_IMPLS][STEPS];
    (void)state;
    need_data();
    for (int i = 0; impls[i] && i < MOST_IMPLS; i++) {
        first_losses(impls[i]->name, loss[i]);
        assert_relative(loss[i][0], loss[0][0], 1e-4);
        assert_relative(loss[i][STEPS - 1], loss[0][STEPS - 1], 1e-2);
    }
}

/* Kills the run with SIGKILL after that many seconds; no matter when it has ended by then. */
static void run_for(unsigned seconds, const char *save, const char *checkpoint)
{
    pid_t pid = command_start(RECIPE "--impl onednn --save %s --checkpoint %s --resume --quiet",
                              save, checkpoint);
    sleep(seconds);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void test_accuracy_and_kills(void **state)
{
    static const unsigned seconds[KILLS] = {47, 101, 73};
    char whole[4096], killed[4096], checkpoint[4096];
    struct command c;
    need_data();
    snprintf(whole, sizeof whole, "%s", temp_dir_file(state, "whole"));
    snprintf(killed, sizeof killed, "%s", temp_dir_file(state, "killed"));
    snprintf(checkpoint, sizeof checkpoint, "%s", temp_dir_file(state, "checkpoint"));
    command_ok(&c, RECIPE "--impl onednn --save %s --format json --quiet", whole);
    json_t *json = command_json(&c);
    double accuracy = command_number(json, "test_accuracy");
    print_message("test accuracy %.4f\n", accuracy);
    assert_true(accuracy >= 0.79);
    json_decref(json);
    command_free(&c);
    for (int i = 0; i < KILLS; i++)
        run_for(seconds[i], killed, checkpoint);
    command_ok(&c, RECIPE "--impl onednn --save %s --checkpoint %s --resume --quiet", killed,
               checkpoint);
    command_free(&c);
    command_shell(&c, "cmp %s %s", whole, killed);
    assert_int_equal(c.status, 0);
    command_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_implementations_train_alike),
        cmocka_unit_test_setup_teardown(test_accuracy_and_kills, temp_dir_make, temp_dir_remove),
    };
    return cmocka_run_group_tests_name("CIFAR-10 recipe, slow", tests, NULL, NULL);
}
