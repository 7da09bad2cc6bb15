/* Packed weights: see weights.h. */
#include "impls/openblas/weights.h"

#include "impls/base/memory.h"

/* Below this many weights a parallel region costs more than the copy. */
enum { WORTH_THREADS = 1 << 14 };

enum status weights_init(struct weights *weights, int batches, int rows, int columns)
{
    *weights = (struct weights){.batches = batches, .rows = rows, .columns = columns};
    if (rows == 1 || columns == 1)
        return OK;
    weights->packed = memory_alloc(weights_count(weights) * sizeof *weights->packed);
    return weights->packed ? OK : ERR_MEMORY;
}

void weights_release(struct weights *weights)
{
    memory_free(weights->packed);
    *weights = (struct weights){0};
}

size_t weights_count(const struct weights *weights)
{
    return (size_t)weights->batches * (size_t)weights->rows * (size_t)weights->columns;
}

/* Row `line` of all batches' packed rows: one column of the parameter's matrix. */
static void pack_line(const struct weights *weights, const float *from, int line)
{
    size_t rows = (size_t)weights->rows, columns = (size_t)weights->columns;
    size_t batch = (size_t)line / columns, column = (size_t)line % columns;
    const float *source = from + batch * rows * columns + column;
    float *to = weights->packed + (size_t)line * rows;
    for (size_t r = 0; r < rows; r++)
        to[r] = source[r * columns];
}

const float *weights_get(struct weights *weights, const struct param *param, int threads)
{
    if (!weights->packed)
        return param->data;
    if (weights->from == param->data && weights->version == param->version)
        return weights->packed;
    int lines = weights->batches * weights->columns;
    bool shared = threads > 1 && weights_count(weights) >= WORTH_THREADS;
#pragma omp parallel for schedule(static) num_threads(threads) if (shared)
    for (int line = 0; line < lines; line++)
        pack_line(weights, param->data, line);
    weights->from = param->data;
    weights->version = param->version;
    return weights->packed;
}

/* One row of the parameter's matrices: a column of the packed ones. */
static void unpack_line(const struct weights *weights, const float *partial, int parts, bool add,
                        float *grad, int line)
{
    size_t rows = (size_t)weights->rows, columns = (size_t)weights->columns;
    size_t batch = (size_t)line / rows, row = (size_t)line % rows, count = weights_count(weights);
    const float *source = partial + batch * rows * columns + row;
    float *to = grad + (size_t)line * columns;
    for (size_t k = 0; k < columns; k++) {
        float sum = source[k * rows];
        for (int part = 1; part < parts; part++)
            sum += source[(size_t)part * count + k * rows];
        to[k] = add ? to[k] + sum : sum;
    }
}

void weights_unpack_gradient(const struct weights *weights, const float *partial, int parts,
                             bool add, float *grad, int threads)
{
    int lines = weights->batches * weights->rows;
    bool shared = threads > 1 && weights_count(weights) >= WORTH_THREADS;
#pragma omp parallel for schedule(static) num_threads(threads) if (shared)
    for (int line = 0; line < lines; line++)
        unpack_line(weights, partial, parts, add, grad, line);
}
