/* Training runs that do not come to their end: stopped, killed, diverged, out of disk. */
#include "impls/base/threads.h"
#include "tests/support.h"

#include "tests/command.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

/* ---- resuming ---- */

static void assert_same_curves(const struct train_result *a, const struct train_result *b)
{
    assert_int_equal(a->epochs, b->epochs);
    for (int i = 0; i < a->epochs; i++) {
        const struct train_epoch *x = &a->curve[i], *y = &b->curve[i];
        assert_int_equal(x->epoch, y->epoch);
        assert_true(x->lr == y->lr && x->train_loss == y->train_loss);
        assert_true(x->train_accuracy == y->train_accuracy);
        assert_true(x->val_loss == y->val_loss && x->val_accuracy == y->val_accuracy);
    }
}

static void test_resumed_at_an_epoch_is_undisturbed(void **state)
{
    static const enum transfer_arm arms[] = {ARM_FINETUNE, ARM_FROZEN_ATTENTION, ARM_FROZEN};
    struct bed *bed = *state;
    for (int i = 0; i < 3; i++) {
        struct train_settings s;
        struct train_result *part, *whole;
        support_settings(&s, bed, "cbam");
        snprintf(s.data, sizeof s.data, "%.200s:per-class=12:val=2", bed->data);
        support_save_fresh(&s, bed_path(bed, "source"));
        snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "source"));
        s.transfer = arms[i];
        s.epochs = 3;
        s.augment = true;
        whole = support_train(&s, bed_path(bed, "whole"));
        struct train_io io = {.save = bed_path(bed, "resumed"), .resume = true,
                              .checkpoint = bed_path(bed, "checkpoint"), .stop_after_epochs = 1};
        support_ok(support_run(&s, &io, &part)); /* stops after epoch 1 */
        support_free(part);
        assert_int_not_equal(access(io.save, F_OK), 0);
        io.stop_after_epochs = 2;
        support_ok(support_run(&s, &io, &part)); /* goes on, stops after epoch 2 */
        support_free(part);
        io.stop_after_epochs = 0;
        support_ok(support_run(&s, &io, &part));
        support_same(bed_path(bed, "whole"), io.save);
        assert_same_curves(whole, part);
        assert_true(whole->test_loss == part->test_loss && whole->val_loss == part->val_loss);
        support_free(whole);
        support_free(part);
        unlink(io.save);
        unlink(io.checkpoint);
    }
}

/* Another run's checkpoint, or a damaged one, is refused by name. */
static void test_a_foreign_checkpoint_is_refused(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct train_result *result;
    struct train_io io = {.checkpoint = bed_path(bed, "checkpoint"), .stop_after_epochs = 1};
    size_t size;
    support_settings(&s, bed, "cbam");
    support_ok(support_run(&s, &io, &result));
    support_free(result);
    io.resume = true;
    s.lr = 0.01;
    support_refused(support_run(&s, &io, &result), ERR_FORMAT, "checkpoint", "'lr' differs");
    support_free(result);
    uint8_t *bytes = fixture_read(&bed->folder, "checkpoint", &size);
    fixture_write(&bed->folder, "checkpoint", bytes, size - 1);
    free(bytes);
    support_refused(support_run(&s, &io, &result), ERR_FORMAT, "checkpoint", "");
    support_free(result);
}

static void wait_a_little(void)
{
    const struct timespec pause = {0, 2000000};
    nanosleep(&pause, NULL);
}

static ino_t inode_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Starts the line, kills it once it has written `checkpoint` at least `times` times. */
static void kill_amid(const char *line, const char *checkpoint, int times)
{
    int status = 0;
    ino_t last = inode_of(checkpoint);
    pid_t pid = command_start("%s", line);
    while (times > 0 && waitpid(pid, &status, WNOHANG) == 0) {
        ino_t now = inode_of(checkpoint);
        times -= now != last;
        last = now;
        wait_a_little();
    }
    assert_int_equal(times, 0); /* else it ended by itself */
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

/* Killed twice in the middle, while a batch is prepared ahead, and resumed, the program saves what
 * it saves undisturbed and without that. */
static void test_a_killed_run_can_be_resumed(void **state)
{
    struct bed *bed = *state;
    struct command c;
    char line[1500];
    const char *checkpoint = bed_path(bed, "checkpoint");
    command_need();
    snprintf(line, sizeof line, "train --model resnet20:width=0.25 --attention cbam --quiet "
             "--data %s:per-class=8:val=0:test-per-class=1 --epochs 30 --batch 8 --threads 1 "
             "--impl %s", bed->data, impls[0]->name);
    command_ok(&c, "%s --prefetch off --save %s", line, bed_path(bed, "whole"));
    command_free(&c);
    snprintf(line + strlen(line), sizeof line - strlen(line),
             " --prefetch on --checkpoint %s --resume --save %s", checkpoint,
             bed_path(bed, "resumed"));
    kill_amid(line, checkpoint, 3);
    assert_int_not_equal(access(bed_path(bed, "resumed"), F_OK), 0);
    kill_amid(line, checkpoint, 4);
    command_ok(&c, "%s", line);
    command_free(&c);
    support_same(bed_path(bed, "whole"), bed_path(bed, "resumed"));
}

/* ---- divergence and destinations, on the program ---- */

static const char run_line[] = "train --model resnet20:width=0.25 --attention cbam --batch 8 "
                               "--quiet --threads 1";

/* Files of the bed whose name begins so. */
static int files_like(const struct bed *bed, const char *start)
{
    int count = 0;
    DIR *folder = opendir(bed->folder.dir);
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += strncmp(entry->d_name, start, strlen(start)) == 0;
    closedir(folder);
    return count;
}

static void test_a_diverging_run_says_where(void **state)
{
    static const char old[] = "what was saved before";
    struct bed *bed = *state;
    size_t size;
    command_need();
    fixture_write(&bed->folder, "weights", old, sizeof old);
    command_refused(1, "diverged at step ", "is not finite",
                    "%s --data %s --impl %s --epochs 3 --lr 1e6 --save %s --checkpoint %s",
                    run_line, bed->data, impls[0]->name, bed_path(bed, "weights"),
                    bed_path(bed, "checkpoint"));
    uint8_t *now = fixture_read(&bed->folder, "weights", &size);
    assert_int_equal(size, sizeof old);
    assert_memory_equal(now, old, size);
    free(now);
    assert_int_equal(files_like(bed, "checkpoint"), 0);
    assert_int_equal(files_like(bed, "weights"), 1);
}

/* A destination that cannot be written is found before the training, and stays as it is. */
static void test_unwritable_destinations(void **state)
{
    struct bed *bed = *state;
    size_t size;
    command_need();
    fixture_write(&bed->folder, "file", "x", 1);
    assert_int_equal(mkdir(bed_path(bed, "sub"), 0700), 0);
    static const struct {
        const char *option, *name, *expected;
    } bad[] = {{"--save", "nowhere/w", "folder"},       {"--save", "sub", "folder"},
               {"--save", "file/w", "cannot"},          {"--checkpoint", "nowhere/c", "folder"},
               {"--checkpoint", "file/c", "cannot"}};
    for (int i = 0; i < 5; i++)
        command_refused(1, bad[i].name, bad[i].expected,
                        "%s --data %s --impl %s --steps 1 --print-losses 1 %s %s", run_line,
                        bed->data, impls[0]->name, bad[i].option, bed_path(bed, bad[i].name));
    uint8_t *now = fixture_read(&bed->folder, "file", &size);
    assert_int_equal(size, 1);
    free(now);
}

/* A disk that fills up (here: a limit of 4 KiB a file) leaves the old weights and checkpoint whole,
 * nothing half-written beside them, and the run resumable. */
static void test_a_full_disk_loses_nothing(void **state)
{
    struct bed *bed = *state;
    struct command c;
    size_t before_size, size;
    char line[1500];
    command_need();
    snprintf(line, sizeof line, "%s --data %s:test-per-class=1 --impl %s --epochs 2 --resume "
             "--checkpoint %s --save %s", run_line, bed->data, impls[0]->name,
             bed_path(bed, "checkpoint"), bed_path(bed, "weights"));
    command_ok(&c, "%s --stop-after-epochs 1", line);
    command_free(&c);
    fixture_write(&bed->folder, "weights", "old", 3);
    uint8_t *before = fixture_read(&bed->folder, "checkpoint", &before_size);
    command_shell(&c, "ulimit -f 8; exec \"$CBAM_BENCH\" %s", line);
    if (c.status != 1 || !strstr(c.err, "checkpoint"))
        fail_msg("%s\nended with %d and said '%s'", c.line, c.status, c.err);
    command_free(&c);
    uint8_t *after = fixture_read(&bed->folder, "checkpoint", &size);
    assert_int_equal(size, before_size);
    assert_memory_equal(before, after, size);
    free(before);
    free(after);
    assert_int_equal(files_like(bed, "checkpoint"), 1);
    assert_int_equal(files_like(bed, "weights"), 1);
    command_ok(&c, "%s", line);
    command_free(&c);
    command_shell(&c, "ulimit -f 8; exec \"$CBAM_BENCH\" %s --data %s --steps 1 --save %s",
                  run_line, bed->data, bed_path(bed, "weights"));
    assert_int_equal(c.status, 1);
    assert_non_null(strstr(c.err, "weights"));
    command_free(&c);
    struct safetensors file; /* still the finished run's */
    support_ok(safetensors_open(&file, bed_path(bed, "weights")));
    safetensors_close(&file);
    assert_int_equal(files_like(bed, "weights"), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_resumed_at_an_epoch_is_undisturbed),
        BED_TEST(test_a_foreign_checkpoint_is_refused),
        BED_TEST(test_a_killed_run_can_be_resumed),
        BED_TEST(test_a_diverging_run_says_where),
        BED_TEST(test_unwritable_destinations),
        BED_TEST(test_a_full_disk_loses_nothing),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("interrupted training runs", tests, NULL, NULL) != 0;
}
