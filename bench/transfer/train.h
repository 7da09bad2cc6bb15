/* One training run, source or target: settings in, result out. The unit of `train` and of every
 * cell of a study. Reads no clock itself (bench/measure does). */
#ifndef BENCH_TRANSFER_TRAIN_H
#define BENCH_TRANSFER_TRAIN_H

#include "bench/net/algorithms.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum transfer_arm {
    ARM_SCRATCH,
    ARM_FROZEN,
    ARM_FROZEN_ATTENTION,
    ARM_FINETUNE,
    ARM_HEAD_BN,       /* head, scale and shift of the backbone's batch normalisations */
    ARM_LP_FT,         /* the head alone (a linear probe), then everything */
    ARM_GRADUAL,       /* the head, then one stage more at a time, from the last to the first */
    ARM_FROZEN_RANDOM, /* a control: the head alone, on a network that was never trained */
    ARM_COUNT,   /* of the arms above, which have no number */
    ARM_TOP = 16 /* top:K is ARM_TOP + K: the head and the last K stages train */
};
enum { ARM_TOP_MAX = 9 }; /* the largest K there is a name for; a network says what it has */

/* Name of an arm ("frozen+attention", "top:2") and back; ERR_USAGE lists the names. */
const char *transfer_name(enum transfer_arm arm);
enum status transfer_parse(const char *text, enum transfer_arm *arm);

/* K of top:K; 0 for every other arm. */
int transfer_top(enum transfer_arm arm);

/* Everything that decides a run's numbers. Plain values: printed, hashed and stored by name
 * (train_settings_json). Text fields are as given on the command line. */
struct train_settings {
    char model[128], attention[128], data[256];
    char init[512];          /* "random" or a weights file */
    char scheme[24];         /* initialisation of a random network; "" = the model's own */
    char schedule[16];       /* "cosine", "step", "onecycle", "constant" */
    enum transfer_arm transfer;
    char impl[16];
    int threads;
    int epochs;              /* or steps when > 0 */
    int steps;
    int batch;
    double lr, momentum, weight_decay;
    bool nesterov;
    double label_smoothing;
    int warmup_epochs;
    double pct_start;        /* one-cycle: share of the steps that rise */
    bool cycle_momentum;     /* one-cycle: momentum 0.95 .. 0.85 against the rate */
    int step_epochs;         /* step: every so many epochs the rate is multiplied by step_factor */
    double step_factor;
    uint64_t seed;
    bool shuffled;           /* order of the images within an epoch */
    bool augment;            /* pad-crop and flip per image */
    int size;                /* input pixels; 0 = the data set's own (28 becomes 32) */
    bool fuse;               /* fused operations where the implementation offers them */
    char algorithm[256];     /* of convolutions, as algorithms_parse() has it; "" = direct */
    char dtypes[16];         /* of the last evaluation on the test images: "" = f32 alone;
                                "f32,bf16": in bf16 as well. Training is f32 */
    bool keep_head;          /* do not replace the head when the classes agree */
    uint64_t salt;           /* not 0: other random streams on the same split, for A/A studies */
    char shifted[256];       /* data whose test images are looked at once at the end; "" = none */
    double backbone_rate;    /* of the backbone, as a share of lr; 0: lr, as attention and head */
    int probe_epochs;        /* lp-ft: of the epochs, those of the head alone; 0: half of them */
    double probe_lr;         /* lp-ft: their rate; 0: lr */
    int unfreeze_epochs;     /* gradual: epochs between two stages; 0: all alike */
};

void train_defaults(struct train_settings *settings);

enum { TRAIN_CURVE_MAX = 1000, TRAIN_FEATURE_BYTES = 1 << 30 };

struct train_epoch {
    int epoch;
    double lr, train_loss, train_accuracy; /* running, on the augmented images as trained on */
    double val_loss, val_accuracy;         /* NaN when there are no validation images */
    double seconds;
};

struct train_result {
    bool diverged;
    char diverged_at[256];       /* "step 12: loss of the batch", first non-finite tensor */
    double before_accuracy;      /* test accuracy before the first update (new head: NaN) */
    double train_accuracy, train_loss; /* clean pass over the training images at the end */
    double val_accuracy, val_loss;
    double test_accuracy, test_top5, test_loss;
    double shifted_accuracy, shifted_loss; /* on the test images of settings.shifted; NaN without */
    int shifted_n;
    double bf16_accuracy, bf16_loss; /* on the test images, of the same weights; NaN unless asked */
    int bf16_n, bf16_disagree;       /* of these images, those that f32 gives another class */
    int train_n, val_n, test_n, dropped; /* dropped: images of the last short batch, per epoch */
    double params, trainable, macs;
    double attention_params, attention_trainable; /* of these, of the attention modules */
    double seconds, images_per_s;
    int epochs;
    struct train_epoch curve[TRAIN_CURVE_MAX];
    int32_t *predictions;        /* class of each test image; owned, free() */
    bool cached_features;        /* trained on features of the fixed part, without augmentation */
    int loaded, missing, unexpected, mismatched; /* tensors of the init file */
    char split_hash[20], data_hash[20];
    char how[256];               /* kernels used, joined */
};

/* Files and talk of a run: nothing here changes its numbers. */
struct train_io {
    const char *save;        /* weights file to write at the end; NULL: none */
    const char *checkpoint;  /* file for resuming, written after every epoch; NULL: none */
    bool resume;             /* go on from the checkpoint when it exists */
    size_t feature_bytes;    /* most memory for features that are computed once; more are computed
                                for every batch. 0: TRAIN_FEATURE_BYTES */
    int stop_after_epochs;   /* > 0: end here after so many epochs, as if killed; for tests */
    bool prefetch;           /* prepare the next batch on a thread of its own (prefetch.h) */
    const char *features;    /* folder where features of the fixed part are kept for other runs; it
                                must exist. NULL: nowhere */
    const char *const *allow_missing, *const *allow_unexpected; /* globs, NULL-terminated */
    /* algorithms.h: decides what an algorithm auto:FILE lacks; NULL: nothing is decided any
     * more. */
    enum status (*decide)(const struct impl *impl, struct impl_ctx *ctx,
                          const struct op_desc *desc, struct decision *decision);
    FILE *talk;              /* notes and progress; NULL: silent */
    bool terminal;           /* one line that is redrawn, instead of plain lines */
    void (*on_step)(void *data, int step, double loss, double accuracy); /* NULL: none */
    void *on_step_data;
};

/* Runs it. A diverged run is OK with result->diverged set. The caller frees result->predictions. */
enum status train_run(const struct train_settings *settings, const struct train_io *io,
                      struct train_result *result);

#endif
