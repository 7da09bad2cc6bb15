/* Memory of whole networks in the real program: ResNet-50 while loading and after, a training step
 * of ResNet-50 with CBAM beside PyTorch's. Needs $CBAM_BENCH, the second python3 with PyTorch. */
#include "impls/layer.h"
#include "tests/command.h"
#include "tests/memory_of.h"
#include "tests/temp_dir.h"

static void test_resnet50_inference(void **state)
{
    const struct temp_dir *dir = *state;
    command_need();
    for (int i = 0; impls[i]; i++) {
        struct memory m = memory_of_predict(dir->path, "resnet50", impls[i]->name, 224);
        print_message("%s: weights file %.0f MiB; %.0f MiB (%.2f times) after, %.0f MiB (%.2f "
                      "times) at most\n", impls[i]->name, m.file_mb, m.after_mb,
                      m.after_mb / m.file_mb, m.peak_mb, m.peak_mb / m.file_mb);
        assert_true(m.after_mb <= 1.5 * m.file_mb && m.peak_mb <= 2.5 * m.file_mb);
    }
}

/* PyTorch's peak of the same step, in 2^20 bytes; 0 when there is no PyTorch. */
static double torch_peak(void)
{
    struct command c;
    command_shell(&c, "/usr/bin/python3 tests/fixtures/torch_peak.py 8 224");
    double mb = c.status == 0 ? strtod(c.out, NULL) : 0;
    if (c.status != 0)
        print_message("%s", c.err);
    command_free(&c);
    return mb;
}

static void test_training_step(void **state)
{
    (void)state;
    command_need();
    if (!impl_find("onednn")) {
        print_message("skipped: this build has no onednn\n");
        skip();
    }
    double theirs = torch_peak();
    if (theirs <= 0) {
        print_message("skipped: no PyTorch to compare with\n");
        skip();
    }
    struct memory ours = memory_of_latency("--model resnet50 --attention cbam --impl onednn "
                                           "--batch 8 --threads 1 --train");
    print_message("a training step of ResNet-50 with CBAM, batch 8, 224: %.0f MiB at most, PyTorch "
                  "%.0f\n", ours.peak_mb, theirs);
    assert_true(ours.peak_mb <= theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resnet50_inference, temp_dir_make, temp_dir_remove),
        cmocka_unit_test(test_training_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
