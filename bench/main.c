/* cbam-bench: chooses the verb. Nothing else happens here. */
#include "bench/verbs/verbs.h"
#include "build_info.h"
#include "impls/base/threads.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct verb {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} verbs[] = {
    {"doctor", "what this machine gives each implementation; what is wrong with the set-up",
     verb_doctor},
    {"describe", "layers, attention sites, parameters and MACs of a network", verb_describe},
    {"inspect", "tensors of a weights file: names, shapes, checksums", verb_inspect},
    {"predict", "classes of pictures, or logits of tensors, by a trained network", verb_predict},
    {"eval", "accuracy and loss of a trained network on a data set", verb_eval},
    {"train", "one training run, from scratch or by transfer learning", verb_train},
    {"layers", "check and time single layers", verb_layers},
    {"latency", "time whole networks", verb_latency},
    {"study", "a grid of training runs: run, status, report", verb_study},
    {"regress", "did a change make anything slower, or wrong? counts, pair, selftest",
     verb_regress},
};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

static void print_help(FILE *out)
{
    fprintf(out, "Usage: cbam-bench VERB [options]\n\n"
                 "Measures what CBAM attention does for a network and what it costs.\n\n");
    for (int i = 0; i < VERBS; i++)
        fprintf(out, "  %-10s %s\n", verbs[i].name, verbs[i].help);
    fprintf(out, "\ncbam-bench VERB --help tells its options; cbam-bench --version the build.\n");
}

int main(int argc, char **argv)
{
    threads_startup(argv);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is an error of the write, not our end */
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("cbam-bench %s (%s; %s; %s)\n", BUILD_COMMIT, BUILD_COMPILER, BUILD_FLAGS,
               BUILD_IMPLS);
        return 0;
    }
    for (int i = 0; i < VERBS; i++)
        if (strcmp(argv[1], verbs[i].name) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    fprintf(stderr, "cbam-bench: no verb '%s'; known are:", argv[1]);
    for (int i = 0; i < VERBS; i++)
        fprintf(stderr, " %s", verbs[i].name);
    fprintf(stderr, " (cbam-bench --help)\n");
    return 2;
}
