/* Networks against PyTorch: a fixture of tests/fixtures (README.md there), and the checks that an
 * implementation computes what it holds: inference, one training step with every gradient by name,
 * running statistics, a short training run. A check gives false and a line in `text`, so that tests
 * can also show that wrong networks are refused. */
#ifndef TESTS_TORCH_FIXTURE_H
#define TESTS_TORCH_FIXTURE_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "bench/models/model.h"
#include "bench/net/optimizer.h"
#include "bench/net/safetensors.h"
#include "tests/net_case.h"

enum { TORCH_TEXT = 200 };

/* Largest relative errors that pass. README.md of the fixtures says where they come from. */
struct torch_tolerance {
    double logits;    /* 2-norm of the difference by 2-norm */
    double gradient;  /* of every gradient, by its size over the samples */
    double median;    /* of the gradients' errors */
    double statistics;
    double loss;      /* of the first step; grows by `growth` a step */
    double growth;
    double trained;   /* logits and statistics after the last step */
};

enum { TORCH_STEPS = 16 };

/* How far PyTorch itself is from the file's values in single precision, a factor of which may pass
 * where that is more than the tolerance: of what follows steps, in which rounding grows. */
struct torch_single {
    double loss[TORCH_STEPS]; /* the largest up to each step */
    double statistics, logits;
};

extern const struct torch_tolerance torch_tolerance;

struct torch_fixture {
    struct safetensors file;
    uint64_t seed;
    int batch, size, classes, steps;
    struct sgd sgd;
    struct torch_tolerance tolerance;
    struct torch_single single;
    /* the network under test */
    struct model_spec spec;
    struct net_case c;
    double worst[4]; /* largest relative errors seen: logits, gradients, statistics, losses */
    double median;   /* of the gradients' errors */
};

/* Opens tests/fixtures/torch_NAME.safetensors and builds its network on an implementation, with the
 * formula's weights; `attention` other than NULL builds another form on the same weights. Fails the
 * running cmocka test when the file is not there. */
void torch_open(struct torch_fixture *f, const char *name, const struct impl *impl, bool fused,
                const char *attention);
void torch_close(struct torch_fixture *f);

/* Logits in inference. */
bool torch_check_inference(struct torch_fixture *f, char text[TORCH_TEXT]);

/* Logits and loss in training, every gradient, running statistics after one forward pass. */
bool torch_check_first_step(struct torch_fixture *f, char text[TORCH_TEXT]);

/* Running statistics against group "first" or "last" of the file. */
bool torch_check_statistics(struct torch_fixture *f, const char *group, double tolerance,
                            char text[TORCH_TEXT]);

/* From the formula's weights: the loss of every step with this optimiser, then statistics and
 * logits in inference. */
bool torch_check_training(struct torch_fixture *f, const struct sgd *sgd, char text[TORCH_TEXT]);

#endif
