/* Private to this folder: the channel gate's MLP for a block of images at once, as matrix products,
 * forward and backward: weights are read once for all of them. fused_mlp_forward() and _backward()
 * are called in training by a thread that works alone on its images; the parts below them also for
 * one image, in inference too. */
#ifndef IMPLS_FUSED_CHANNEL_MLP_H
#define IMPLS_FUSED_CHANNEL_MLP_H

#include "impls/fused/attention.h"

/* From what images first .. last-1 keep of their pooled vectors to gc, and what backward needs. */
void fused_mlp_forward(const struct fused_job *job, struct fused_share images);

/* From the gradients of their gc to those of the pooled vectors. */
void fused_mlp_backward(const struct fused_job *job, struct fused_share images);

/* Gradients of the MLP's parameters over all images: this thread's share of the rows. */
void fused_mlp_gradients(const struct fused_job *job, int thread, int threads);

/* ---- parts of both, and of one image's passes ---- */

/* Behind the first layer, whose products layer[b] holds before and whose units after: bias and
 * relu; sum: of the branches, each as often as it counts, which the second layer may see. */
void fused_mlp_hidden(const struct fused_job *job, float *const layer[2], float *sum);

/* Elements of gc from the second layer's products, which stand in gc, or in the article's form in
 * squashed[2]. */
void fused_mlp_squash(const struct fused_job *job, int image, struct fused_share channels);

/* Gradients of the logits, in place of that of gc in the image's diff record. */
void fused_mlp_unsquash(const struct fused_job *job, int image);

/* Gradients of the hidden units, in place of the second layer's products in diff.hidden: through
 * the relu. */
void fused_mlp_unhide(const struct fused_job *job, int image);

#endif
