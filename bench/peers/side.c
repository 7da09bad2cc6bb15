/* This program's side of `make peers`: one network, ready to run, that takes one sample for every
 * line it reads and answers with the milliseconds. Weights come from a file, so that all sides
 * compute the same. Linked from the program's own objects; no part of the program.
 *   side MODEL ATTENTION IMPL BATCH THREADS SIZE infer|train WEIGHTS */
#include "bench/measure/clock.h"
#include "bench/net/weights.h"
#include "bench/verbs/latency_work.h"
#include "impls/base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status load(struct latency_network *network, const char *path)
{
    struct safetensors file;
    struct weights_report report;
    const struct weights_rules rules = {0};
    TRY(safetensors_open(&file, path));
    enum status status = weights_load(network->net->params, &file, &rules, &report);
    safetensors_close(&file);
    return status;
}

/* A sample a line, until there are no more lines. */
static enum status answer(struct latency_program *program)
{
    char line[64];
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        int64_t start = clock_now_ns();
        TRY(latency_program_run(program));
        printf("%.4f\n", (double)(clock_now_ns() - start) * 1e-6);
        fflush(stdout);
    }
    return OK;
}

static enum status run(char **argv)
{
    int size = atoi(argv[6]);
    struct latency_shape shape = {.batch = atoi(argv[4]), .threads = atoi(argv[5]),
                                  .input_h = size, .input_w = size, .classes = 1000,
                                  .train = strcmp(argv[7], "train") == 0, .seed = 1};
    const struct impl *impl = impl_find(argv[3]);
    struct impl_ctx *ctx = NULL;
    struct latency_network network;
    struct latency_program program = {0};
    if (!impl)
        return ERR_USAGE;
    TRY(threads_set(shape.threads));
    TRY(impl->open(&ctx));
    enum status status = latency_network_make(&network, argv[1], argv[2], &shape);
    if (status == OK)
        status = load(&network, argv[8]);
    if (status == OK)
        status = latency_program_make(&program, &network, impl, ctx, &shape);
    if (status == OK)
        status = answer(&program);
    latency_program_free(&program);
    latency_network_free(&network);
    impl->close(ctx);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 9) {
        fprintf(stderr, "side MODEL ATTENTION IMPL BATCH THREADS SIZE infer|train WEIGHTS\n");
        return 2;
    }
    threads_startup(argv);
    if (run(argv) == OK)
        return 0;
    fprintf(stderr, "side: %s\n", fail_text());
    return 1;
}
