/* Operations that move or drop values: concatenation, subsampling, dropout. */
#include "impls/naive/naive.h"

#include "impls/base/random.h"
#include "impls/base/threads.h"
#include "impls/naive/loops.h"
#include "impls/ops.h"

#include <stdio.h>
#include <string.h>

/* Copies `c` channels, or adds them. */
static void move(const float *from, float *to, int c, bool add)
{
    if (!add && from != to)
        memcpy(to, from, (size_t)c * sizeof *to);
    for (int i = 0; add && i < c; i++)
        to[i] += from[i];
}

static void clear(float *to, int c)
{
    memset(to, 0, (size_t)c * sizeof *to);
}

/* What only moves values forward takes any dtype, the same everywhere. */
static enum status plan_move(struct impl_ctx *ctx, struct op_plan *plan)
{
    const struct op_desc *d = &plan->desc;
    if (!op_has_bf16(d))
        return naive_plan_loops(ctx, plan);
    for (int i = 0; i < op_sources(d->kind); i++)
        if (d->src[i].dtype != d->dst.dtype)
            return fail(ERR_UNSUPPORTED, "naive %s: maps of one dtype are accepted",
                        op_name(d->kind));
    snprintf(plan->how, sizeof plan->how, "naive loops");
    return OK;
}

static void copy(const char *from, char *to, size_t bytes)
{
    if (from != to)
        memcpy(to, from, bytes);
}

/* Pixel (n,y,x), or pixel number `index`, of a map whose values have `each` bytes. */
static char *pixel_bytes(const struct tensor *t, size_t index, size_t each)
{
    return (char *)t->data + index * (size_t)t->stride * each;
}

static char *bytes_at(const struct tensor *t, int n, int y, int x, size_t each)
{
    return pixel_bytes(t, ((size_t)n * (size_t)t->h + (size_t)y) * (size_t)t->w + (size_t)x, each);
}

/* The first source may already lie where it belongs: DenseNet's map grows in place. */
static enum status concat_forward(const struct op_plan *plan, const struct op_args *args)
{
    const size_t each = dtype_bytes(plan->desc.dst.dtype);
    const size_t first = (size_t)plan->desc.src[0].c * each;
    const size_t second = (size_t)plan->desc.src[1].c * each;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&args->dst)))
    for (size_t p = 0; p < naive_pixels(&args->dst); p++) {
        char *to = pixel_bytes(&args->dst, p, each);
        copy(pixel_bytes(&args->src[0], p, each), to, first);
        copy(pixel_bytes(&args->src[1], p, each), to + first, second);
    }
    return OK;
}

static enum status concat_backward(const struct op_plan *plan, const struct op_args *args)
{
    const unsigned want = plan->desc.want_diff_src, add = args->add_diff_src;
    const int first = plan->desc.src[0].c, second = plan->desc.src[1].c;
#pragma omp parallel for schedule(static) if (threads_worth(tensor_count(&args->diff_dst)))
    for (size_t p = 0; p < naive_pixels(&args->diff_dst); p++) {
        const float *from = naive_pixel(&args->diff_dst, p);
        if (want & 1)
            move(from, naive_pixel(&args->diff_src[0], p), first, add & 1);
        if (want & 2)
            move(from + first, naive_pixel(&args->diff_src[1], p), second, add & 2);
    }
    return OK;
}

const struct op_entry naive_concat = {
    .name = "naive concat",
    .strided = true,
    .bf16 = true,
    .plan = plan_move,
    .forward = concat_forward,
    .backward = concat_backward,
};

static enum status subsample_forward(const struct op_plan *plan, const struct op_args *args)
{
    const int stride = plan->desc.subsample.stride;
    const size_t each = dtype_bytes(plan->desc.dst.dtype);
    const size_t before = (size_t)plan->desc.subsample.before * each;
    const size_t bytes = (size_t)plan->desc.src[0].c * each;
    const size_t after = (size_t)plan->desc.subsample.after * each;
    const struct tensor *dst = &args->dst;
#pragma omp parallel for schedule(static) collapse(3) if (threads_worth(tensor_count(dst)))
    for (int n = 0; n < dst->n; n++)
        for (int y = 0; y < dst->h; y++)
            for (int x = 0; x < dst->w; x++) {
                char *to = bytes_at(dst, n, y, x, each);
                memset(to, 0, before);
                copy(bytes_at(&args->src[0], n, y * stride, x * stride, each), to + before, bytes);
                memset(to + before + bytes, 0, after);
            }
    return OK;
}

static enum status subsample_backward(const struct op_plan *plan, const struct op_args *args)
{
    const int stride = plan->desc.subsample.stride, before = plan->desc.subsample.before;
    const struct tensor *dx = &args->diff_src[0];
    const bool add = args->add_diff_src & 1;
    if (!(plan->desc.want_diff_src & 1))
        return OK;
#pragma omp parallel for schedule(static) collapse(3) if (threads_worth(tensor_count(dx)))
    for (int n = 0; n < dx->n; n++)
        for (int y = 0; y < dx->h; y++)
            for (int x = 0; x < dx->w; x++) {
                float *to = naive_at(dx, n, y, x);
                if (y % stride == 0 && x % stride == 0)
                    move(naive_at(&args->diff_dst, n, y / stride, x / stride) + before, to, dx->c,
                         add);
                else if (!add)
                    clear(to, dx->c);
            }
    return OK;
}

const struct op_entry naive_subsample = {
    .name = "naive subsample",
    .strided = true,
    .bf16 = true,
    .plan = plan_move,
    .forward = subsample_forward,
    .backward = subsample_backward,
};

/* Whether anything is dropped: else dropout is the identity. */
static bool drops(const struct op_desc *desc)
{
    return desc->train && desc->dropout.rate > 0;
}

/* Save: one byte for each element in dense NHWC order, 1 where the value is kept. */
static enum status dropout_plan(struct impl_ctx *ctx, struct op_plan *plan)
{
    TRY(naive_plan_loops(ctx, plan));
    if (drops(&plan->desc))
        plan->save_bytes = tensor_count(&plan->desc.dst);
    return OK;
}

static void copy_rows(const struct tensor *src, const struct tensor *dst, bool add)
{
    const struct tensor *list[] = {src, dst};
    const struct naive_rows rows = naive_rows_of(list, 2);
    if (src->data == dst->data && !add)
        return;
#pragma omp parallel for schedule(static) if (threads_worth(rows.total))
    for (size_t r = 0; r < rows.count; r++)
        move(naive_row(&rows, src, r), naive_row(&rows, dst, r), (int)naive_row_width(&rows, r),
             add);
}

/* to = kept ? scale * from : 0 (+ to when add). */
static void mask_rows(const struct tensor *src, const struct tensor *dst, const uint8_t *mask,
                      float scale, bool add)
{
    const struct tensor *list[] = {src, dst};
    const struct naive_rows rows = naive_rows_of(list, 2);
#pragma omp parallel for schedule(static) if (threads_worth(rows.total))
    for (size_t r = 0; r < rows.count; r++) {
        const float *from = naive_row(&rows, src, r);
        const uint8_t *kept = mask + r * rows.width;
        float *to = naive_row(&rows, dst, r);
        const size_t n = naive_row_width(&rows, r);
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            to[i] = (kept[i] ? scale * from[i] : 0.0f) + (add ? to[i] : 0.0f);
    }
}

static void draw_mask(struct random_stream stream, float rate, uint8_t *mask, size_t count)
{
#pragma omp parallel for schedule(static) if (threads_worth(8 * count))
    for (size_t i = 0; i < count; i++)
        mask[i] = random_uniform(stream, i) >= rate;
}

static enum status dropout_forward(const struct op_plan *plan, const struct op_args *args)
{
    enum { PURPOSE = 0x64726f70 }; /* "drop": keeps these numbers apart from all others */
    const float rate = plan->desc.dropout.rate;
    if (!drops(&plan->desc)) {
        copy_rows(&args->src[0], &args->dst, false);
        return OK;
    }
    draw_mask((struct random_stream){args->seed, random_mix(args->step, PURPOSE)}, rate,
              args->save, tensor_count(&args->dst));
    mask_rows(&args->src[0], &args->dst, args->save, 1.0f / (1.0f - rate), false);
    return OK;
}

static enum status dropout_backward(const struct op_plan *plan, const struct op_args *args)
{
    const bool add = args->add_diff_src & 1;
    if (!(plan->desc.want_diff_src & 1))
        return OK;
    if (drops(&plan->desc))
        mask_rows(&args->diff_dst, &args->diff_src[0], args->save,
                  1.0f / (1.0f - plan->desc.dropout.rate), add);
    else
        copy_rows(&args->diff_dst, &args->diff_src[0], add);
    return OK;
}

const struct op_entry naive_dropout = {
    .name = "naive dropout",
    .strided = true,
    .plan = dropout_plan,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
