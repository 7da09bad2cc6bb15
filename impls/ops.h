/* What every operation is, once for all implementations: output shape, parameters, cost, and a
 * text form that case files, logs, result rows and repro lines share. */
#ifndef IMPLS_OPS_H
#define IMPLS_OPS_H

#include "impls/layer.h"

/* A dense f32 tensor description (or view, when data is given). */
struct tensor tensor_dense(void *data, int n, int h, int w, int c);

/* Bytes of an element; "f32" or "bf16". */
size_t dtype_bytes(enum dtype dtype);
const char *dtype_name(enum dtype dtype);

/* The other way. ERR_USAGE names `option` and what there is. */
enum status dtype_parse(const char *option, const char *text, enum dtype *dtype);

/* Whether a source or the destination is bf16. */
bool op_has_bf16(const struct op_desc *desc);

/* Elements of the logical tensor (n*h*w*c), and of the memory it spans with its stride. */
size_t tensor_count(const struct tensor *t);
size_t tensor_span(const struct tensor *t);

bool tensor_is_dense(const struct tensor *t);
bool tensor_same_shape(const struct tensor *a, const struct tensor *b); /* stride aside */

/* Short name of a kind: "conv2d", "batchnorm", ... */
const char *op_name(enum op_kind kind);

/* Whether a kind begins with a convolution: desc->conv holds its attributes. */
bool op_is_conv(enum op_kind kind);

/* Whether a convolution has the shape for Winograd's algorithms: 3x3 windows, stride 1, not
 * dilated, one group, padding of at most 2. */
bool op_fits_winograd(const struct op_desc *desc);

/* Number of sources: 1 or 2. */
int op_sources(enum op_kind kind);

/* Checks attributes and sources and fills desc->dst (dense, unless desc->dst.stride was preset to
 * more than its channels; of the dtype of src[0]). ERR_USAGE names the impossible value. */
enum status op_infer(struct op_desc *desc);

/* Parameters of an operation in the order of layer.h. */
struct op_param_info {
    const char *name; /* "weight", "bias", "running_mean", ... */
    int ndim, dim[4];
    bool buffer;      /* running statistics: no gradient */
};
/* Fills info[OP_MAX_PARAM], returns how many slots there are. A slot with ndim 0 is empty: the
 * operation has no such parameter in this form (fused kinds only). */
int op_params(const struct op_desc *desc, struct op_param_info info[OP_MAX_PARAM]);

/* Multiply-accumulates of one forward pass by the paper's rule: conv and linear only. */
double op_macs(const struct op_desc *desc);

/* Floating-point operations of one forward pass, for a roofline: two a multiply-accumulate, one for
 * each addition, product, comparison or maximum of an element; an exponential counts as one, too,
 * and so do the few numbers of a gate as none. */
double op_flops(const struct op_desc *desc);

/* Bytes that a forward pass must at least move: sources, destination and parameters once. */
double op_bytes(const struct op_desc *desc);

/* Whether backward reads src[0..1] / dst: decides what a program must keep. */
bool op_backward_reads_src(enum op_kind kind);
bool op_backward_reads_dst(enum op_kind kind);

/* Whether dst may be the same memory as src[0], also in training (backward does not read src). */
bool op_in_place(enum op_kind kind);

/* Which source dst may be written over when nobody reads that source again: 0, 1, or -1 (none). */
int op_overwrites(enum op_kind kind);

/* "conv2d n16 h32 w32 c64 oc64 k3 s1 p1": defaults are left out; op_parse accepts what op_print
 * writes, in any order of the words after the first, k/s/p/d setting both axes and
 * kh/kw/sh/sw/ph/pw/dh/dw one. op_parse infers dst. `train`, `fwd`-only and wants are no part of
 * the text: the caller sets them. */
void op_print(const struct op_desc *desc, char *text, size_t size);
enum status op_parse(const char *text, struct op_desc *desc);

#endif
