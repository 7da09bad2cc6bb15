/* Private to this folder: what the two passes of fused attention share. A site is the plan's own
 * part: which form, which kernels, where everything lies in `save` and `scratch`. A job is one
 * call.
 *
 * Symbols: x the map, gc and gs its gates, g the gated map, y = keep x + mix x gc gs the result
 * before the shortcut (keep 0, mix 1; inner: 1, 1; alpha a: 1-a, a). */
#ifndef IMPLS_FUSED_ATTENTION_H
#define IMPLS_FUSED_ATTENTION_H

#include "impls/fused/attention_kernels.h"
#include "impls/layer.h"

/* Parameter slots (impls/ops.c). */
enum { P_W1, P_B1, P_W2, P_B2, P_CONV, P_CONV_BIAS, P_BN, P_ALPHA = 10, P_REDUCE = 11 };

enum { FUSED_THREADS = 64, FUSED_WIDEST = 63 }; /* most threads, largest window */

/* Offsets in floats from the start of an image's record, each padded. */
struct fused_keep {
    size_t pooled[2];    /* [c]: what enters the MLP: mean and maximum, or one vector */
    size_t hidden[2];    /* [hidden]: behind its relu; for backward alone */
    size_t hidden_sum;   /* [hidden]: both; the second layer may see their sum */
    size_t squashed[2];  /* [c]: the article's two branches, whose sum is gc */
    size_t channel;      /* gc [c] */
    size_t lens;         /* [c]: what channels are multiplied by before they are pooled */
    size_t pixel_of;     /* int32 [c]: pixel of the channel's maximum, where there are several */
    size_t spatial;      /* gs [h*w] */
    size_t logit;        /* [h*w]: before normalisation */
    size_t plane[2];     /* [h*w] */
    size_t channel_of;   /* int32 [h*w]: channel of the pixel's maximum */
    size_t total;
};

/* Offsets in floats within an image's part of scratch in backward. */
struct fused_diff {
    size_t across, plain; /* [h*w]: sums over channels of the first pass */
    size_t logit;         /* [h*w]: gradient of the logit */
    size_t of_channel;    /* [h*w]: gradient of the channels' maximum at each pixel */
    size_t of_plane;      /* [h*w]: gradient that goes to all channels of the pixel alike */
    size_t channel;       /* [c]: gradient of gc */
    size_t squashed[2];   /* [c]: of the gate's logits; the first one replaces `channel` */
    size_t hidden[2];     /* [hidden] */
    size_t pooled[2];     /* [c]: of what entered the MLP; replaced by mean and max */
    size_t mean, max;     /* [c]: of the pools; mean already divided by h*w */
    size_t weight;        /* [planes*k*k] of the convolution */
    size_t reduce;        /* [c] of the 1x1 convolution */
    size_t total;
};

/* What one thread found in one image; added up in a fixed order. */
struct fused_unit {
    struct fused_moments moments; /* of the logits */
    double diff, dot;             /* sums of the logits' gradient, and of it times the logits */
    double bias;                  /* sum of the gradient of the convolution's result */
    double alpha;
};

struct fused_site {
    const struct fused_kernels *k;
    int threads;
    bool batch;                 /* batch statistics couple the images */
    bool peaks;                 /* where maxima are is kept for backward */
    int block;                  /* images whose gates are computed together by one thread */
    bool one_pixel;             /* in training: mean and maximum are the same */
    int branches;               /* pooled vectors that go through the MLP: 1 or 2 */
    float times;                /* how often the only branch counts: twice if it stands for two */
    bool article;               /* each branch is squashed */
    float channel_factor, spatial_factor; /* 2 where the gates are doubled */
    bool own_lens;              /* lens is not gc */
    int mean_plane, max_plane;  /* which plane of two; -1: there is none */
    bool half;                  /* one plane, half of each */
    bool reduce;                /* the plane is a 1x1 convolution */
    struct fused_window window;
    struct fused_keep keep;
    struct fused_diff diff;
    /* Bytes from the start of scratch. `records` holds what inference does not save. */
    size_t records, diffs, units, columns, hidden, planes;
    size_t columns_each, hidden_each, planes_each; /* of one thread */
    size_t save_bytes, scratch_bytes;
};

/* Fills all but k and threads, which must be set. */
void fused_site_init(struct fused_site *site, const struct op_desc *desc);

struct fused_job {
    const struct fused_site *site;
    const struct op_desc *desc;
    const struct op_args *args;
    float keep, mix;
    float *head;        /* mean, rest and inverse deviation of batch statistics */
    char *records;      /* one record an image */
    int n, h, w, c, pixels;
};

struct fused_job fused_job_of(const struct op_plan *plan, const struct op_args *args);

/* Threads to run the call with: the plan's, unless fewer are allowed now; one for small maps. */
int fused_job_threads(const struct fused_job *job);

/* Things first .. last-1. */
struct fused_share {
    int first, last;
};

/* The threads that work on one image: all of them where there are fewer images than threads, else
 * one. A member has an equal share of rows, or of channels. */
struct fused_crew {
    int size, rank;
    int thread;          /* whose scratch this member uses */
    int first, last;     /* images */
};

struct fused_crew fused_crew_of(const struct fused_job *job, int thread, int threads);

/* Images from `first` on that the crew takes together: a block, or one. */
struct fused_share fused_crew_block(const struct fused_job *job, const struct fused_crew *crew,
                                    int first);

/* Waits for the other members. */
void fused_crew_wait(const struct fused_crew *crew);

/* A member's share of `count` things in units of `unit`. */
struct fused_share fused_crew_share(const struct fused_crew *crew, int count, int unit);

/* ---- addresses ---- */

static inline float *fused_keep_at(const struct fused_job *job, int image, size_t offset)
{
    return (float *)job->records + (size_t)image * job->site->keep.total + offset;
}

static inline float *fused_diff_at(const struct fused_job *job, int image, size_t offset)
{
    return (float *)((char *)job->args->scratch + job->site->diffs) +
           (size_t)image * job->site->diff.total + offset;
}

/* A thread's part of an image's sums. */
struct fused_unit *fused_unit_at(const struct fused_job *job, int image, int rank);

/* A thread's columns, without `at`; `rank` counts within the crew. */
struct fused_columns fused_columns_at(const struct fused_job *job, const struct fused_crew *crew,
                                      int rank);

/* A thread's hidden vectors of the MLP: what its channels give to the first layer, and the layer
 * itself, each [hidden], for one or two branches. */
struct fused_hidden {
    float *part[2], *layer[2], *sum;
};
struct fused_hidden fused_hidden_at(const struct fused_job *job, const struct fused_crew *crew,
                                    int rank);

/* The crew's padded planes: 0 and 1 of the map, 2 of a gradient. */
float *fused_planes_at(const struct fused_job *job, const struct fused_crew *crew, int which);

/* This member's own results of a convolution, rows of window.pitch floats. */
float *fused_results_at(const struct fused_job *job, const struct fused_crew *crew);

/* Zeros the first `count` padded planes of the crew, where the form has any. */
void fused_planes_clear(const struct fused_job *job, const struct fused_crew *crew, int count);

/* Copies rows first .. last-1 of a plane [h*w] into a padded one. */
void fused_plane_pad(const struct fused_window *window, const float *plane, int first, int last,
                     float *padded);

/* One image of a tensor: floats, or bf16. */
void *fused_image(const struct tensor *t, int image);

/* Pixels of the map from row `first` on. */
struct fused_span fused_rows_of(const struct fused_job *job, int image, struct fused_share rows);

/* Channel i of pixel p of a span of this job's map. */
float fused_value_at(const struct fused_job *job, const struct fused_span *x, int p, int i);

/* Parameter `slot`: its values, or NULL where the form does not have it. */
const float *fused_param(const struct fused_job *job, int slot);

/* The lens of an image: what its channels are multiplied by before they are pooled. */
static inline float *fused_lens_at(const struct fused_job *job, int image)
{
    const struct fused_keep *keep = &job->site->keep;
    return fused_keep_at(job, image, job->site->own_lens ? keep->lens : keep->channel);
}

/* How logits are normalised, by the statistics in job->head or by the running ones. */
struct fused_norm fused_norm_of(const struct fused_job *job);

enum status fused_forward(const struct op_plan *plan, const struct op_args *args);
enum status fused_backward(const struct op_plan *plan, const struct op_args *args);

#endif
