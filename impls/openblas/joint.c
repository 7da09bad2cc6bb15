/* Before and after the products of a convolution: see joint.h. */
#include "impls/openblas/joint.h"

#include "impls/openblas/bias.h"

#include <string.h>

/* Floats below which a parallel region costs more than it saves. */
enum { WORTH_THREADS = 1 << 14 };

static float *pixel_of(const struct tensor *t, int pixel)
{
    return (float *)t->data + (size_t)pixel * (size_t)t->stride;
}

static void add_row(const float *shortcut, const float *bias, int count, float *y)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        y[i] = shortcut[i] + bias[i];
}

/* A NaN passes, as in a relu of its own. */
static void relu_row(float *y, int count)
{
#pragma omp simd
    for (int i = 0; i < count; i++)
        y[i] = y[i] <= 0.0f ? 0.0f : y[i];
}

float joint_begin(const struct conv *conv, const struct op_args *args, int from, int to)
{
    const float *bias = conv_bias(conv, args);
    const struct tensor *shortcut = &args->src[1];
    int channels = conv->groups * conv->oc;
    bool there = conv->sum && shortcut->data == args->dst.data;
    if (!conv->sum && bias)
        bias_spread(bias, to - from, channels, pixel_of(&args->dst, from), conv->ldy);
    for (int pixel = from; conv->sum && bias && pixel < to; pixel++)
        add_row(pixel_of(shortcut, pixel), bias, channels, pixel_of(&args->dst, pixel));
    for (int pixel = from; conv->sum && !bias && !there && pixel < to; pixel++)
        memcpy(pixel_of(&args->dst, pixel), pixel_of(shortcut, pixel),
               (size_t)channels * sizeof(float));
    return conv->sum || bias ? 1.0f : 0.0f;
}

void joint_end(const struct conv *conv, const struct op_args *args, int from, int to)
{
    for (int pixel = from; conv->relu && pixel < to; pixel++)
        relu_row(pixel_of(&args->dst, pixel), conv->groups * conv->oc);
}

static int parts_of(const struct conv *conv)
{
    return (size_t)conv->pixels * (size_t)conv->ldy < WORTH_THREADS ? 1 : conv->threads;
}

static int start_of(int count, int part, int parts)
{
    return (int)((long)count * part / parts);
}

float joint_begin_all(const struct conv *conv, const struct op_args *args)
{
    int parts = conv->sum || conv->bias ? parts_of(conv) : 1;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++)
        joint_begin(conv, args, start_of(conv->pixels, part, parts),
                    start_of(conv->pixels, part + 1, parts));
    return conv->sum || conv->bias ? 1.0f : 0.0f;
}

void joint_end_all(const struct conv *conv, const struct op_args *args)
{
    int parts = conv->relu ? parts_of(conv) : 1;
#pragma omp parallel for schedule(static) num_threads(parts) if (parts > 1)
    for (int part = 0; part < parts; part++)
        joint_end(conv, args, start_of(conv->pixels, part, parts),
                  start_of(conv->pixels, part + 1, parts));
}
