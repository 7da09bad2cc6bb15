/* Convolution of stride 1 between maps of few channels: hands it to stencil.h. */
#include "impls/base/memory.h"
#include "impls/openblas/conv2d.h"
#include "impls/openblas/joint.h"
#include "impls/openblas/stencil.h"

#include <stdio.h>

static struct stencil stencil_of(const struct conv *conv)
{
    const struct window *win = &conv->win;
    return (struct stencil){
        .images = conv->images, .in = win->c, .ih = win->ih, .iw = win->iw,
        .in_stride = win->stride, .out = conv->oc, .oh = win->oh, .ow = win->ow,
        .out_stride = conv->ldy, .kh = win->kh, .kw = win->kw, .dh = win->dh, .dw = win->dw,
        .ph = win->ph, .pw = win->pw, .threads = conv->threads};
}

static enum status init(struct conv *conv)
{
    return weights_init(&conv->weights, conv->oc * conv->win.c, 1, conv->win.kh * conv->win.kw);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Scratch of backward_data(): the turned weights, then the stencil's. */
static size_t turned_bytes(const struct stencil *s)
{
    return memory_round(stencil_weights(s) * sizeof(float));
}

static size_t scratch(const struct conv *conv, const struct op_desc *desc)
{
    struct stencil s = stencil_of(conv), back = stencil_backward(&s);
    size_t most = stencil_scratch(&s);
    if (desc->want_diff_src & 1)
        most = larger(most, turned_bytes(&s) + stencil_scratch(&back));
    if (desc->want_diff_param & 1)
        most = larger(most, stencil_weights_scratch(&s));
    return most;
}

static void forward(const struct conv *conv, const float *weights, const struct op_args *args)
{
    struct stencil s = stencil_of(conv);
    if (conv->sum)
        joint_begin_all(conv, args);
    stencil_run(&s, args->src[0].data, weights, conv->sum ? NULL : conv_bias(conv, args),
                conv->sum, args->dst.data, args->scratch);
    joint_end_all(conv, args);
}

static void backward_data(const struct conv *conv, const float *weights,
                          const struct op_args *args)
{
    struct stencil s = stencil_of(conv), back = stencil_backward(&s);
    float *turned = args->scratch;
    stencil_turn(&s, weights, turned);
    stencil_run(&back, args->diff_dst.data, turned, NULL, args->add_diff_src & 1,
                args->diff_src[0].data, (char *)args->scratch + turned_bytes(&s));
}

static void backward_weights(const struct conv *conv, const struct op_args *args)
{
    struct stencil s = stencil_of(conv);
    stencil_run_weights(&s, args->src[0].data, args->diff_dst.data, args->add_diff_param & 1,
                        args->param[0]->grad, args->scratch);
}

static void describe(const struct conv *conv, char *text, size_t size)
{
    (void)conv;
    snprintf(text, size, "direct planes");
}

const struct conv_kernel conv_planes = {
    .init = init,
    .scratch = scratch,
    .forward = forward,
    .backward_data = backward_data,
    .backward_weights = backward_weights,
    .describe = describe,
};
