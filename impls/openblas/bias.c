/* Biases of layers: see bias.h. */
#include "impls/openblas/bias.h"

#include <string.h>

/* Below this many elements a sum is shorter than the start of a parallel region. */
enum { WORTH_THREADS = 1 << 15 };

static int parts(int rows, int columns, int threads)
{
    size_t elements = (size_t)rows * (size_t)columns;
    return elements < WORTH_THREADS || rows < threads ? 1 : threads;
}

void bias_spread(const float *bias, int rows, int columns, float *y, int ld)
{
    for (int r = 0; r < rows; r++)
        memcpy(y + (size_t)r * (size_t)ld, bias, (size_t)columns * sizeof *y);
}

size_t bias_scratch(int rows, int columns, int threads)
{
    return (size_t)parts(rows, columns, threads) * (size_t)columns * sizeof(double);
}

static void sum_rows(const float *restrict dy, int rows, int columns, int ld,
                     double *restrict sums)
{
    memset(sums, 0, (size_t)columns * sizeof *sums);
    for (int r = 0; r < rows; r++) {
        const float *row = dy + (size_t)r * (size_t)ld;
        for (int c = 0; c < columns; c++)
            sums[c] += (double)row[c];
    }
}

void bias_gradient(const float *dy, int rows, int columns, int ld, bool add, float *grad,
                   double *scratch, int threads)
{
    int count = parts(rows, columns, threads);
#pragma omp parallel for schedule(static) num_threads(count) if (count > 1)
    for (int part = 0; part < count; part++) {
        int from = (int)((long)rows * part / count), to = (int)((long)rows * (part + 1) / count);
        sum_rows(dy + (size_t)from * (size_t)ld, to - from, columns, ld,
                 scratch + (size_t)part * (size_t)columns);
    }
    for (int c = 0; c < columns; c++) {
        double sum = add ? (double)grad[c] : 0.0;
        for (int part = 0; part < count; part++)
            sum += scratch[(size_t)part * (size_t)columns + (size_t)c];
        grad[c] = (float)sum;
    }
}
