/* The three products of a layer on OpenBLAS: see product.h. */
#include "impls/openblas/product.h"

#include <cblas.h>
#include <stddef.h>

enum {
    /* Up to this many rows (samples), one SGEMV a row beats SGEMM, which would pack all weights
     * to use each of them a few times. */
    FEW_ROWS = 4,
    /* OpenBLAS starts its threads for an SGEMV from 9216 elements on, but waking them costs more
     * than they save below some 65536 (measured, 2 threads: C=512 to 32, 0.8 us alone, 1.3 to
     * 55 us together). In between, the matrix is therefore handed over in pieces. */
    SGEMV_PIECE = 9000,
    SGEMV_THREADS = 65536
};

static int few_rows(struct product p)
{
    return p.rows <= FEW_ROWS;
}

/* Length of the pieces in which an axis of `length` is handed over when each of its steps has
 * `width` elements. */
static int piece(int length, int width)
{
    if ((size_t)length * (size_t)width > SGEMV_THREADS)
        return length;
    int steps = SGEMV_PIECE / width;
    return steps < 1 ? 1 : steps < length ? steps : length;
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* y[out] = w x + beta y, by rows of w. */
static void vector_y(int in, int out, const float *x, const float *w, float beta, float *y)
{
    int step = piece(out, in);
    for (int o = 0; o < out; o += step)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, smaller(step, out - o), in, 1.0f,
                    w + (size_t)o * (size_t)in, in, x, 1, beta, y + o, 1);
}

/* dx[in] = w^T dy + beta dx, by columns of w, so that no two pieces share a result. */
static void vector_dx(int in, int out, const float *dy, const float *w, float beta, float *dx)
{
    int step = piece(in, out);
    for (int i = 0; i < in; i += step)
        cblas_sgemv(CblasRowMajor, CblasTrans, out, smaller(step, in - i), 1.0f, w + i, in, dy, 1,
                    beta, dx + i, 1);
}

void product_y(struct product p, const float *x, int ldx, const float *w, float beta, float *y,
               int ldy)
{
    if (few_rows(p))
        for (int r = 0; r < p.rows; r++)
            vector_y(p.in, p.out, x + (size_t)r * (size_t)ldx, w, beta,
                     y + (size_t)r * (size_t)ldy);
    else if (p.out == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, p.rows, p.in, 1.0f, x, ldx, w, 1, beta, y, ldy);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, p.rows, p.out, p.in, 1.0f, x, ldx, w,
                    p.in, beta, y, ldy);
}

void product_dx(struct product p, const float *dy, int ldy, const float *w, float beta, float *dx,
                int ldx)
{
    if (few_rows(p))
        for (int r = 0; r < p.rows; r++)
            vector_dx(p.in, p.out, dy + (size_t)r * (size_t)ldy, w, beta,
                      dx + (size_t)r * (size_t)ldx);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, p.rows, p.in, p.out, 1.0f, dy, ldy,
                    w, p.in, beta, dx, ldx);
}

void product_dw(struct product p, const float *dy, int ldy, const float *x, int ldx, float beta,
                float *dw)
{
    if (p.out == 1)
        cblas_sgemv(CblasRowMajor, CblasTrans, p.rows, p.in, 1.0f, x, ldx, dy, ldy, beta, dw, 1);
    else
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, p.out, p.in, p.rows, 1.0f, dy, ldy, x,
                    ldx, beta, dw, p.in);
}

const char *product_how(struct product p)
{
    return few_rows(p) || p.out == 1 ? "sgemv" : "sgemm";
}
