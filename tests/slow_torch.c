/* Whole networks with attention against PyTorch at 224 x 224 on every implementation: inference,
 * loss, every gradient, running statistics. Of the millions of activations some are always so near
 * to zero that single precision decides otherwise than double precision on which side they are, in
 * PyTorch as here; that moves gradients by up to some per cent, so they are compared loosely here
 * and strictly in test_torch.c, where no activation is that near. */
#include "tests/torch_fixture.h"
#include "tests/ways.h"

static void test_network(void **state)
{
    const struct way *way = *state;
    struct torch_fixture f;
    char text[TORCH_TEXT];
    torch_open(&f, way->detail, way->impl, way->fused, NULL);
    if (way->fused && !net_case_is_fused(&f.c)) {
        torch_close(&f);
        print_message("skipped: the implementation fuses nothing\n");
        skip();
    }
    f.tolerance.gradient = 0.1;
    f.tolerance.median = 0.01;
    bool good = torch_check_inference(&f, text) && torch_check_first_step(&f, text);
    print_message("%s: worst logits %.1e, gradients %.1e (median %.1e), statistics %.1e, loss "
                  "%.1e\n", way->name, f.worst[0], f.worst[1], f.median, f.worst[2], f.worst[3]);
    if (!good)
        fail_msg("%s", text);
    torch_close(&f);
}

int main(int argc, char **argv)
{
    static const struct way_test tests[] = {
        {"resnet18_cbam_224", test_network, EACH_WAY, "resnet18_cbam_224"},
        {"resnet50_cbam_224", test_network, EACH_WAY, "resnet50_cbam_224"},
        {"resnet50_article_224", test_network, EACH_WAY, "resnet50_article_224"},
    };
    (void)argc;
    return ways_run(argv, "networks against PyTorch, 224", tests, sizeof tests / sizeof tests[0]);
}
