/* What oneDNN does to a result before it stores it. Private to this folder. */
#ifndef IMPLS_ONEDNN_POST_H
#define IMPLS_ONEDNN_POST_H

#include "impls/onednn/shim.h"

/* Makes `post` a context like ctx whose primitives add their result to what the destination holds
 * (`sum`) and then apply a relu (`relu`). It borrows engine and stream, and must outlive the
 * primitives made with it. ERR_LIBRARY. To be released with dnn_post_release(). */
enum status dnn_post_make(const struct impl_ctx *ctx, bool sum, bool relu, struct impl_ctx *post);
void dnn_post_release(struct impl_ctx *post); /* a zeroed one is allowed */

#endif
