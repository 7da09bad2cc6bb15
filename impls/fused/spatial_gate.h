/* Private to this folder: the spatial gate of one image, forward and backward. Called by every
 * member of the crew; each does its rows. */
#ifndef IMPLS_FUSED_SPATIAL_GATE_H
#define IMPLS_FUSED_SPATIAL_GATE_H

#include "impls/fused/attention.h"

/* Pools the channels of this member's rows and convolves the planes: the logits of these rows. */
void fused_spatial_logits(const struct fused_job *job, const struct fused_crew *crew, int image);

/* gs of some rows, from their logits. */
void fused_spatial_squash(const struct fused_job *job, int image, struct fused_share rows);

/* The result of some rows, from both gates. */
void fused_apply_rows(const struct fused_job *job, int image, struct fused_share rows);

/* This member's part of the statistics of the logits, and the statistics over all images (with
 * the running ones, by the one who is asked to). */
void fused_spatial_measure(const struct fused_job *job, const struct fused_crew *crew, int image);
void fused_spatial_statistics(const struct fused_job *job, int members);

/* From diff.across, the sum over channels of dy mix x gc, to the gradient of the logits, and this
 * member's sums of it. Call fused_spatial_totals() when all images have theirs. */
void fused_spatial_unsquash(const struct fused_job *job, const struct fused_crew *crew, int image);

/* Sums over all images, in a fixed order. */
struct fused_unit fused_spatial_totals(const struct fused_job *job, int members);

/* From the gradient of the logits to that of the convolution's result and of its planes, hence of
 * the pools: diff.of_channel and diff.of_plane; and to this image's gradient of the weights. */
void fused_spatial_backward(const struct fused_job *job, const struct fused_crew *crew, int image,
                            const struct fused_unit *totals);

/* Gradients of the parameters of convolution and normalisation; by one thread, when all images are
 * done. `members`: those of a crew. */
void fused_spatial_gradients(const struct fused_job *job, int members);

#endif
