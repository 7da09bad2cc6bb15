/* Blocked orders of weights: see order.h. */
#include "impls/onednn/order.h"

#include "impls/base/memory.h"
#include "impls/base/threads.h"

#include <string.h>

enum { OUT, IN, HIGH, WIDE, SIZES }; /* of weights */
enum { GROUP = TRANSPOSE_ROWS };

/* ---- where elements are ---- */

/* Of element `x` of size `d`. */
static size_t place_of(const struct shim_order *o, int d, dnnl_dim_t x)
{
    size_t place = 0, step = 1;
    for (int b = o->blocks - 1; b >= 0; b--) {
        if (o->block_dim[b] == d) {
            place += (size_t)(x % o->block[b]) * step;
            x /= o->block[b];
        }
        step *= (size_t)o->block[b];
    }
    return place + (size_t)x * (size_t)o->strides[d];
}

static bool is_plain(const struct shim_order *o, const struct shim_view *plain)
{
    bool same = o->blocks == 0;
    for (int d = 0; d < o->ndims; d++)
        same = same && (o->dims[d] == 1 || o->strides[d] == plain->strides[d]);
    return same;
}

static void fill(struct dnn_order *order, const struct shim_order *o)
{
    const int wide = (int)o->dims[WIDE];
    for (int r = 0; r < order->rows; r++)
        order->row[r] = (uint32_t)place_of(o, OUT, r);
    for (int j = 0; j < order->columns; j++) {
        const int tap = j % order->taps;
        order->column[j] =
            (uint32_t)(place_of(o, IN, j / order->taps) + place_of(o, HIGH, tap / wide) +
                       place_of(o, WIDE, tap % wide));
    }
}

/* Whether elements `step` apart lie together, in every whole group of them. */
static bool lie_together(const uint32_t *at, int count, int step)
{
    for (int i = 0; i + GROUP <= count; i += GROUP)
        for (int k = 1; k < GROUP; k++)
            if (at[(size_t)(i + k) * (size_t)step] != at[(size_t)i * (size_t)step] + (uint32_t)k)
                return false;
    return count >= GROUP;
}

enum status dnn_order_make(struct dnn_order *order, const struct shim_view *plain,
                           const struct shim_prim *user, int arg, bool *same)
{
    struct shim_order o;
    enum fused_isa isa;
    memset(order, 0, sizeof *order);
    *same = false;
    if (!shim_order_of(user, arg, &o))
        return OK;
    *same = is_plain(&o, plain);
    if (*same || o.ndims != SIZES || shim_bytes(user, arg) / sizeof(float) > INT32_MAX)
        return OK;
    TRY(fused_isa_choose(&isa));
    order->kernel = transpose_for(isa);
    order->rows = (int)o.dims[OUT];
    order->taps = (int)(o.dims[HIGH] * o.dims[WIDE]);
    order->columns = (int)o.dims[IN] * order->taps;
    order->row = memory_alloc((size_t)order->rows * sizeof *order->row);
    order->column = memory_alloc((size_t)order->columns * sizeof *order->column);
    if (!order->row || !order->column) {
        dnn_order_release(order);
        return ERR_MEMORY;
    }
    fill(order, &o);
    order->across = lie_together(order->row, order->rows, 1);
    if (!order->across && !lie_together(order->column, (int)o.dims[IN], order->taps))
        dnn_order_release(order);
    return OK;
}

void dnn_order_release(struct dnn_order *order)
{
    memory_free(order->row);
    memory_free(order->column);
    memset(order, 0, sizeof *order);
}

/* ---- packing ---- */

static int at_most(int count, int most)
{
    return count < most ? count : most;
}

/* Rows first .. first+count-1, columns from `from` on, one by one. */
static void pack_singly(const struct dnn_order *o, const float *plain, float *blocked, int first,
                        int count, int from)
{
    for (int r = first; r < first + count; r++)
        for (int j = from; j < o->columns; j++)
            blocked[o->row[r] + o->column[j]] = plain[(size_t)r * (size_t)o->columns + (size_t)j];
}

/* Sixteen channels of a row: their taps become rows of sixteen. */
static void pack_channels(const struct dnn_order *o, const float *row, int j, float *to)
{
    if (o->taps == 1)
        memcpy(to + o->column[j], row + j, GROUP * sizeof *row);
    else
        o->kernel->pack(row + j, (size_t)o->taps, o->taps, o->column + j, to);
}

static void pack_along(const struct dnn_order *o, const float *plain, float *blocked, int first,
                       int count)
{
    const int step = GROUP * o->taps, whole = o->columns / step * step;
    for (int j = 0; j < whole; j += step)
        for (int r = first; r < first + count; r++)
            pack_channels(o, plain + (size_t)r * (size_t)o->columns, j, blocked + o->row[r]);
    pack_singly(o, plain, blocked, first, count, whole);
}

static void pack_group(const struct dnn_order *o, const float *plain, float *blocked, int first)
{
    const int count = at_most(o->rows - first, GROUP);
    const size_t columns = (size_t)o->columns;
    if (!o->across)
        pack_along(o, plain, blocked, first, count);
    else if (count == GROUP)
        o->kernel->pack(plain + (size_t)first * columns, columns, o->columns, o->column,
                        blocked + o->row[first]);
    else
        pack_singly(o, plain, blocked, first, count, 0);
}

void dnn_order_pack(const struct dnn_order *order, const float *plain, float *blocked)
{
    const size_t count = (size_t)order->rows * (size_t)order->columns;
#pragma omp parallel for schedule(static) if (threads_worth(count))
    for (int r = 0; r < order->rows; r += GROUP)
        pack_group(order, plain, blocked, r);
}

/* ---- and back ---- */

static void take(float *to, float value, bool add)
{
    *to = add ? *to + value : value;
}

static void unpack_singly(const struct dnn_order *o, const float *blocked, float *plain, int first,
                          int count, bool add)
{
    for (int r = first; r < first + count; r++)
        for (int j = 0; j < o->columns; j++)
            take(plain + (size_t)r * (size_t)o->columns + (size_t)j,
                 blocked[o->row[r] + o->column[j]], add);
}

void dnn_order_unpack(const struct dnn_order *order, const float *blocked, float *plain, bool add)
{
    const size_t columns = (size_t)order->columns, count = (size_t)order->rows * columns;
#pragma omp parallel for schedule(static) if (threads_worth(count))
    for (int r = 0; r < order->rows; r += GROUP) {
        const int some = at_most(order->rows - r, GROUP);
        if (order->across && some == GROUP)
            order->kernel->unpack(blocked + order->row[r], order->column, order->columns,
                                  plain + (size_t)r * columns, columns, add);
        else
            unpack_singly(order, blocked, plain, r, some, add);
    }
}
