/* Convolution as matrix products. Without patches for 1x1 windows of stride 1 (an NHWC map is the
 * matrix [pixels][channels] already); with im2col, in blocks of bounded size, for all others.
 * A group is a slice of the channels: all groups use the same code with other offsets.
 * Weights are [oc][kh][kw][c of a group]; a group's weights are consecutive. */
#include "impls/base/memory.h"
#include "impls/openblas/conv2d.h"
#include "impls/openblas/joint.h"
#include "impls/openblas/product.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

enum {
    BLOCK_BYTES = 4 << 20,      /* patches of a block, for each thread */
    BLOCK_PIXELS = 1024,        /* more rows do not make a product faster */
    SHARE_PIXELS = 192,         /* least pixels for which a thread works by itself: every product
                                   packs all the weights first */
    PRIVATE_BYTES = 1 << 20,    /* largest weight gradient of which each thread has its own */
    JOINT_BYTES = 1 << 20,      /* results of a block that are to be in the cache a second time */
    WORTH_THREADS = 1 << 14     /* floats below which a parallel region costs more than a copy */
};

static struct product product_of(const struct conv *conv, int rows)
{
    return (struct product){.rows = rows, .in = window_width(&conv->win), .out = conv->oc};
}

static size_t group_weights(const struct conv *conv, int group)
{
    return (size_t)group * (size_t)conv->oc * (size_t)window_width(&conv->win);
}

/* First float of pixel `pixel` in group `group` of the destination, or of its gradient. */
static float *group_y(const struct conv *conv, const struct tensor *y, int group, int pixel)
{
    return (float *)y->data + (size_t)pixel * (size_t)conv->ldy +
           (size_t)group * (size_t)conv->oc;
}

static float *group_x(const struct conv *conv, const struct tensor *x, int group)
{
    return (float *)x->data + (size_t)group * (size_t)conv->win.c;
}

static int start_of(int count, int part, int parts)
{
    return (int)((long)count * part / parts);
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* Threads that move one block of `rows` patches. */
static int team_of(const struct conv *conv, struct split split, int rows)
{
    size_t floats = (size_t)rows * (size_t)window_width(&conv->win);
    return floats < WORTH_THREADS ? 1 : conv->threads / split.teams;
}

/* Blocks as equal as they can be, none of more than `most` pixels. */
static struct split even_split(const struct conv *conv, int teams, int most)
{
    int share = (conv->pixels + teams - 1) / teams;
    int count = (share + most - 1) / most;
    return (struct split){.teams = teams, .block = (share + count - 1) / count};
}

static struct split split_of(const struct conv *conv, int teams)
{
    size_t row = (size_t)window_width(&conv->win) * sizeof(float);
    size_t bytes = (size_t)BLOCK_BYTES * (size_t)(conv->threads / teams);
    return even_split(conv, teams,
                      row > bytes ? 1 : smaller((int)(bytes / row), BLOCK_PIXELS));
}

/* Images can be dealt to the threads without leaving much more than a fifth of them idle. */
static bool images_divide(const struct conv *conv)
{
    int rounds = (conv->images + conv->threads - 1) / conv->threads;
    return conv->images * 5 >= rounds * conv->threads * 4;
}

static enum status init(struct conv *conv)
{
    int alone = conv->pixels / conv->threads >= SHARE_PIXELS ? conv->threads : 1;
    conv->forward = split_of(conv, alone);
    conv->data = split_of(conv, images_divide(conv) ? alone : 1);
    enum status status = weights_init(&conv->weights, conv->groups * conv->oc, conv->win.c,
                                      conv->win.kh * conv->win.kw);
    bool small = weights_count(&conv->weights) * sizeof(float) <= PRIVATE_BYTES;
    conv->weight = split_of(conv, small ? alone : 1);
    return status;
}

/* Without patches a block only serves what follows the product. */
static enum status init_pixels(struct conv *conv)
{
    TRY(init(conv));
    size_t row = (size_t)conv->groups * (size_t)conv->oc * sizeof(float);
    int most = row > JOINT_BYTES / SHARE_PIXELS ? SHARE_PIXELS
                                                : smaller((int)(JOINT_BYTES / row), BLOCK_PIXELS);
    bool together = conv->forward.teams < conv->threads;
    if (together || !(conv->sum || conv->relu))
        conv->forward = (struct split){.teams = 1, .block = conv->pixels};
    else
        conv->forward = even_split(conv, conv->threads, most);
    return OK;
}

/* Bytes of one team's block of patches. */
static size_t block_bytes(const struct conv *conv, struct split split)
{
    return memory_round((size_t)split.block * (size_t)window_width(&conv->win) * sizeof(float));
}

static float *team_block(const struct conv *conv, struct split split, void *scratch, int team)
{
    return (float *)((char *)scratch + (size_t)team * block_bytes(conv, split));
}

static size_t patches_scratch(const struct conv *conv, const struct op_desc *desc)
{
    size_t most = (size_t)conv->forward.teams * block_bytes(conv, conv->forward);
    size_t data = (size_t)conv->data.teams * block_bytes(conv, conv->data);
    if (desc->want_diff_src & 1 && data > most)
        most = data;
    size_t gradients = weights_count(&conv->weights) * sizeof(float);
    size_t weight = (size_t)conv->weight.teams * (block_bytes(conv, conv->weight) + gradients);
    return desc->want_diff_param & 1 && weight > most ? weight : most;
}

static size_t no_scratch(const struct conv *conv, const struct op_desc *desc)
{
    (void)conv;
    (void)desc;
    return 0;
}

/* The products of output pixels from..to-1 of a convolution without patches. */
static void pixels_products(const struct conv *conv, const float *weights,
                            const struct op_args *args, int from, int to, float beta)
{
    for (int g = 0; g < conv->groups; g++)
        product_y(product_of(conv, to - from),
                  group_x(conv, &args->src[0], g) + (size_t)from * (size_t)conv->win.stride,
                  conv->win.stride, weights + group_weights(conv, g), beta,
                  group_y(conv, &args->dst, g, from), conv->ldy);
}

/* One product for all pixels, shared by the threads; or, when something follows the product, a
 * block at a time, so that it still is in the cache then. */
static void pixels_forward(const struct conv *conv, const float *weights,
                           const struct op_args *args)
{
    struct split split = conv->forward;
    int blocks = (conv->pixels + split.block - 1) / split.block;
    if (blocks == 1) {
        pixels_products(conv, weights, args, 0, conv->pixels, joint_begin_all(conv, args));
        joint_end_all(conv, args);
        return;
    }
#pragma omp parallel for schedule(static) num_threads(split.teams) if (split.teams > 1)
    for (int b = 0; b < blocks; b++) {
        int from = b * split.block, to = smaller(from + split.block, conv->pixels);
        pixels_products(conv, weights, args, from, to, joint_begin(conv, args, from, to));
        joint_end(conv, args, from, to);
    }
}

static void pixels_backward_data(const struct conv *conv, const float *weights,
                                 const struct op_args *args)
{
    for (int g = 0; g < conv->groups; g++)
        product_dx(product_of(conv, conv->pixels), group_y(conv, &args->diff_dst, g, 0), conv->ldy,
                   weights + group_weights(conv, g), args->add_diff_src & 1 ? 1.0f : 0.0f,
                   group_x(conv, &args->diff_src[0], g), conv->win.stride);
}

static void pixels_backward_weights(const struct conv *conv, const struct op_args *args)
{
    for (int g = 0; g < conv->groups; g++)
        product_dw(product_of(conv, conv->pixels), group_y(conv, &args->diff_dst, g, 0), conv->ldy,
                   group_x(conv, &args->src[0], g), conv->win.stride,
                   args->add_diff_param & 1 ? 1.0f : 0.0f,
                   args->param[0]->grad + group_weights(conv, g));
}

static void forward_block(const struct conv *conv, const float *weights,
                          const struct op_args *args, int from, int to, float *col)
{
    float beta = joint_begin(conv, args, from, to);
    int team = team_of(conv, conv->forward, to - from);
    for (int g = 0; g < conv->groups; g++) {
        im2col(&conv->win, group_x(conv, &args->src[0], g), from, to, col, team);
        product_y(product_of(conv, to - from), col, window_width(&conv->win),
                  weights + group_weights(conv, g), beta, group_y(conv, &args->dst, g, from),
                  conv->ldy);
    }
    joint_end(conv, args, from, to);
}

static void patches_forward(const struct conv *conv, const float *weights,
                            const struct op_args *args)
{
    struct split split = conv->forward;
    int blocks = (conv->pixels + split.block - 1) / split.block;
#pragma omp parallel for schedule(static) num_threads(split.teams) if (split.teams > 1)
    for (int b = 0; b < blocks; b++)
        forward_block(conv, weights, args, b * split.block,
                      smaller((b + 1) * split.block, conv->pixels),
                      team_block(conv, split, args->scratch,
                                 split.teams > 1 ? omp_get_thread_num() : 0));
}

/* Clears the gradient's channels in pixels from..to-1 of the source. */
static void clear_pixels(const struct conv *conv, float *diff, int from, int to)
{
    size_t channels = (size_t)(conv->groups * conv->win.c), stride = (size_t)conv->win.stride;
    for (int pixel = from; pixel < to; pixel++)
        memset(diff + (size_t)pixel * stride, 0, channels * sizeof *diff);
}

/* Gradient of images from..to-1. */
static void data_of_images(const struct conv *conv, const float *weights,
                           const struct op_args *args, int from, int to, float *col)
{
    int area = conv->win.oh * conv->win.ow, source = conv->win.ih * conv->win.iw;
    if (!(args->add_diff_src & 1))
        clear_pixels(conv, args->diff_src[0].data, from * source, to * source);
    int end;
    for (int first = from * area; first < to * area; first = end) {
        end = smaller(first + conv->data.block, to * area);
        int team = team_of(conv, conv->data, end - first);
        for (int g = 0; g < conv->groups; g++) {
            product_dx(product_of(conv, end - first), group_y(conv, &args->diff_dst, g, first),
                       conv->ldy, weights + group_weights(conv, g), 0.0f, col,
                       window_width(&conv->win));
            col2im_add(&conv->win, col, first, end, group_x(conv, &args->diff_src[0], g), team);
        }
    }
}

static void patches_backward_data(const struct conv *conv, const float *weights,
                                  const struct op_args *args)
{
    struct split split = conv->data;
#pragma omp parallel for schedule(static) num_threads(split.teams) if (split.teams > 1)
    for (int t = 0; t < split.teams; t++)
        data_of_images(conv, weights, args, start_of(conv->images, t, split.teams),
                       start_of(conv->images, t + 1, split.teams),
                       team_block(conv, split, args->scratch, t));
}

/* Sum over output pixels from..to-1 into `gradient`, in the order of the packed weights. */
static void weights_of_pixels(const struct conv *conv, const struct op_args *args, int from,
                              int to, float *gradient, float *col)
{
    int end;
    for (int first = from; first < to; first = end) {
        end = smaller(first + conv->weight.block, to);
        int team = team_of(conv, conv->weight, end - first);
        for (int g = 0; g < conv->groups; g++) {
            im2col(&conv->win, group_x(conv, &args->src[0], g), first, end, col, team);
            product_dw(product_of(conv, end - first), group_y(conv, &args->diff_dst, g, first),
                       conv->ldy, col, window_width(&conv->win), first > from ? 1.0f : 0.0f,
                       gradient + group_weights(conv, g));
        }
    }
}

/* Scratch: the teams' blocks of patches, then their gradients. */
static void patches_backward_weights(const struct conv *conv, const struct op_args *args)
{
    struct split split = conv->weight;
    size_t count = weights_count(&conv->weights);
    float *gradients = team_block(conv, split, args->scratch, split.teams);
#pragma omp parallel for schedule(static) num_threads(split.teams) if (split.teams > 1)
    for (int t = 0; t < split.teams; t++)
        weights_of_pixels(conv, args, start_of(conv->pixels, t, split.teams),
                          start_of(conv->pixels, t + 1, split.teams),
                          gradients + (size_t)t * count,
                          team_block(conv, split, args->scratch, t));
    weights_unpack_gradient(&conv->weights, gradients, split.teams, args->add_diff_param & 1,
                            args->param[0]->grad, conv->threads);
}

static void describe_pixels(const struct conv *conv, char *text, size_t size)
{
    snprintf(text, size, "%s", product_how(product_of(conv, conv->pixels)));
}

static void describe_patches(const struct conv *conv, char *text, size_t size)
{
    bool one = conv->win.kh == 1 && conv->win.kw == 1;
    snprintf(text, size, "%s+%s", one ? "gather" : "im2col",
             product_how(product_of(conv, conv->forward.block)));
}

const struct conv_kernel conv_pixels = {
    .init = init_pixels,
    .scratch = no_scratch,
    .forward = pixels_forward,
    .backward_data = pixels_backward_data,
    .backward_weights = pixels_backward_weights,
    .describe = describe_pixels,
};

const struct conv_kernel conv_patches = {
    .init = init,
    .scratch = patches_scratch,
    .forward = patches_forward,
    .backward_data = patches_backward_data,
    .backward_weights = patches_backward_weights,
    .describe = describe_patches,
};
