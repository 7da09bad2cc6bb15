/* Private to this folder: the channel gate, forward and backward, of one image or of a block of
 * them: a block by a thread that works alone on its images, one image by every member of the
 * crew, each doing its share. */
#ifndef IMPLS_FUSED_CHANNEL_GATE_H
#define IMPLS_FUSED_CHANNEL_GATE_H

#include "impls/fused/attention.h"

/* Pools the maps (times gs where the spatial gate comes first) and computes gc, and the lens that
 * depends on it. Ends with everybody having it. */
void fused_channel_forward(const struct fused_job *job, const struct fused_crew *crew,
                           struct fused_share images);

/* Elements first .. last-1 of the lens: gc where the channel gate comes first, times the weights of
 * the 1x1 convolution where there is one. */
void fused_lens_fill(const struct fused_job *job, int image, struct fused_share channels);

/* From the gradient of gc to those of the pooled vectors: diff.mean and diff.max, and what the
 * gradients of the MLP's parameters need. To be called by one member. */
void fused_channel_backward(const struct fused_job *job, struct fused_share images);

#endif
