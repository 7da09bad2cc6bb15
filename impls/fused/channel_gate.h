/* Private to this folder: the channel gate of one image, forward and backward. Called by every
 * member of the crew; each does its share. */
#ifndef IMPLS_FUSED_CHANNEL_GATE_H
#define IMPLS_FUSED_CHANNEL_GATE_H

#include "impls/fused/attention.h"

/* Pools the map (times gs where the spatial gate comes first) and computes gc, and the lens that
 * depends on it. Ends with everybody having it. */
void fused_channel_forward(const struct fused_job *job, const struct fused_crew *crew, int image);

/* Elements first .. last-1 of the lens: gc where the channel gate comes first, times the weights of
 * the 1x1 convolution where there is one. */
void fused_lens_fill(const struct fused_job *job, int image, struct fused_share channels);

/* From the gradient of gc to those of the pooled vectors: diff.mean and diff.max, and what the
 * gradients of the MLP's parameters need. To be called by one member. */
void fused_channel_backward(const struct fused_job *job, int image);

/* Gradients of the MLP's parameters over all images: this thread's share of the rows. */
void fused_mlp_gradients(const struct fused_job *job, int thread, int threads);

#endif
