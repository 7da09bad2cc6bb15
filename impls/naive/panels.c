/* Packing of weights and unpacking of their gradients: see panels.h. */
#include "impls/naive/panels.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"

static int blocks_per_group(const struct naive_shape *shape)
{
    return (shape->width + NAIVE_COLS - 1) / NAIVE_COLS;
}

int naive_shape_blocks(const struct naive_shape *shape)
{
    return shape->groups * blocks_per_group(shape);
}

size_t naive_shape_block_floats(const struct naive_shape *shape)
{
    return (size_t)shape->taps * (size_t)shape->depth * NAIVE_COLS;
}

size_t naive_shape_floats(const struct naive_shape *shape)
{
    return (size_t)naive_shape_blocks(shape) * naive_shape_block_floats(shape);
}

enum status naive_packed_alloc(struct naive_packed *packed)
{
    packed->panels = memory_alloc(naive_shape_floats(&packed->shape) * sizeof(float));
    return packed->panels ? OK : ERR_MEMORY;
}

/* First weight of a block, and how many columns of it exist. */
static size_t block_start(const struct naive_shape *shape, const struct naive_order *order,
                          int block, int *columns)
{
    int per_group = blocks_per_group(shape), first = block % per_group * NAIVE_COLS;
    *columns = shape->width - first < NAIVE_COLS ? shape->width - first : NAIVE_COLS;
    return (size_t)(block / per_group) * order->group + (size_t)first * order->column;
}

static void pack_block(const struct naive_shape *shape, const struct naive_order *order,
                       const float *weight, int columns, float *panel)
{
    for (int tap = 0; tap < shape->taps; tap++)
        for (int k = 0; k < shape->depth; k++, panel += NAIVE_COLS) {
            const float *from = weight + (size_t)tap * order->tap + (size_t)k * order->depth;
            for (int i = 0; i < NAIVE_COLS; i++)
                panel[i] = i < columns ? from[(size_t)i * order->column] : 0.0f;
        }
}

void naive_packed_update(struct naive_packed *packed, const struct param *param)
{
    if (packed->param == param && packed->from == param->data
        && packed->version == param->version)
        return;
    size_t step = naive_shape_block_floats(&packed->shape);
#pragma omp parallel for schedule(static) if (threads_worth(naive_shape_floats(&packed->shape)))
    for (int block = 0; block < naive_shape_blocks(&packed->shape); block++) {
        int columns;
        size_t start = block_start(&packed->shape, &packed->order, block, &columns);
        pack_block(&packed->shape, &packed->order, param->data + start, columns,
                   packed->panels + (size_t)block * step);
    }
    packed->param = param;
    packed->from = param->data;
    packed->version = param->version;
}

static void unpack_block(const float *panel, const struct naive_shape *shape,
                         const struct naive_order *order, int columns, float *grad, bool add)
{
    for (int tap = 0; tap < shape->taps; tap++)
        for (int k = 0; k < shape->depth; k++, panel += NAIVE_COLS) {
            float *to = grad + (size_t)tap * order->tap + (size_t)k * order->depth;
            for (int i = 0; i < columns; i++) {
                float *g = to + (size_t)i * order->column;
                *g = panel[i] + (add ? *g : 0.0f);
            }
        }
}

void naive_panels_unpack(const float *panels, const struct naive_shape *shape,
                         const struct naive_order *order, float *grad, bool add)
{
    size_t step = naive_shape_block_floats(shape);
#pragma omp parallel for schedule(static) if (threads_worth(naive_shape_floats(shape)))
    for (int block = 0; block < naive_shape_blocks(shape); block++) {
        int columns;
        size_t start = block_start(shape, order, block, &columns);
        unpack_block(panels + (size_t)block * step, shape, order, columns, grad + start, add);
    }
}
