/* Self-test of the loaded OpenBLAS against plain loops in double precision. Calls the library
 * itself, not this folder's layers: it answers whether the library can be trusted here. */
#include "impls/openblas/openblas.h"

#include "impls/base/memory.h"
#include "impls/base/random.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>

/* c[m][n] = op(a) op(b) + beta c; a vector product when n is 1 and `vector` is set. */
struct shape {
    int m, n, k;
    bool trans_a, trans_b, vector;
    float beta;
};

/* Largest axis of a shape; a, b and c are LARGEST x LARGEST with their rows LARGEST apart, so
 * that leading dimensions are exercised too. */
enum { LARGEST = 200 };

struct matrices {
    float *a, *b, *c, *old;
};

static void matrices_free(struct matrices *m)
{
    memory_free(m->a);
    memory_free(m->b);
    memory_free(m->c);
    memory_free(m->old);
}

static enum status matrices_make(struct matrices *m)
{
    size_t count = (size_t)LARGEST * LARGEST;
    size_t bytes = count * sizeof(float);
    *m = (struct matrices){memory_alloc(bytes), memory_alloc(bytes), memory_alloc(bytes),
                           memory_alloc(bytes)};
    if (!m->a || !m->b || !m->c || !m->old)
        return ERR_MEMORY;
    struct random_stream stream = {1, random_name("openblas selftest")};
    for (size_t i = 0; i < count; i++) {
        m->a[i] = 2.0f * random_uniform(stream, i) - 1.0f;
        m->b[i] = 2.0f * random_uniform(stream, count + i) - 1.0f;
    }
    return OK;
}

/* Fills c before a product: NaN where beta is 0, because it must not be read then. */
static void fill(const struct matrices *m, float beta)
{
    for (size_t i = 0; i < (size_t)LARGEST * LARGEST; i++)
        m->c[i] = m->old[i] = beta == 0.0f ? NAN : m->b[i];
}

static void multiply(const struct matrices *m, const struct shape *s)
{
    CBLAS_TRANSPOSE ta = s->trans_a ? CblasTrans : CblasNoTrans;
    CBLAS_TRANSPOSE tb = s->trans_b ? CblasTrans : CblasNoTrans;
    if (s->vector)
        cblas_sgemv(CblasRowMajor, ta, s->trans_a ? s->k : s->m, s->trans_a ? s->m : s->k, 1.0f,
                    m->a, LARGEST, m->b, s->trans_b ? 1 : LARGEST, s->beta, m->c, LARGEST);
    else
        cblas_sgemm(CblasRowMajor, ta, tb, s->m, s->n, s->k, 1.0f, m->a, LARGEST, m->b, LARGEST,
                    s->beta, m->c, LARGEST);
}

static double element(const float *matrix, bool trans, int row, int column)
{
    return (double)(trans ? matrix[column * LARGEST + row] : matrix[row * LARGEST + column]);
}

/* Whether c[i][j] is right to 1e-5 of the sum of its terms' absolute values. */
static bool right(const struct matrices *m, const struct shape *s, int i, int j)
{
    double sum = 0, size = 0;
    for (int k = 0; k < s->k; k++) {
        double term = element(m->a, s->trans_a, i, k) * element(m->b, s->trans_b, k, j);
        sum += term;
        size += fabs(term);
    }
    if (s->beta != 0.0f) {
        sum += (double)s->beta * (double)m->old[i * LARGEST + j];
        size += fabs((double)s->beta * (double)m->old[i * LARGEST + j]);
    }
    return fabs((double)m->c[i * LARGEST + j] - sum) <= 1e-5 * size;
}

/* Whether an element outside the result is as it was. */
static bool untouched(const struct matrices *m, int i, int j)
{
    float now = m->c[i * LARGEST + j], before = m->old[i * LARGEST + j];
    return isnan(before) ? isnan(now) : now == before;
}

static enum status check_shape(const struct matrices *m, const struct shape *s)
{
    fill(m, s->beta);
    multiply(m, s);
    for (int i = 0; i < LARGEST; i++)
        for (int j = 0; j < LARGEST; j++)
            if (!(i < s->m && j < s->n ? right(m, s, i, j) : untouched(m, i, j)))
                return fail(ERR_LIBRARY,
                            "OpenBLAS (%s) computes a wrong %s: m %d, n %d, k %d, transposed "
                            "%d %d, beta %g, element (%d,%d) is %g; another OPENBLAS_CORETYPE "
                            "may help", openblas_corename(), s->vector ? "SGEMV" : "SGEMM", s->m,
                            s->n, s->k, s->trans_a, s->trans_b, (double)s->beta, i, j,
                            (double)m->c[i * LARGEST + j]);
    return OK;
}

/* Sizes around the kernels' tile edges, and some that are large enough for several threads. */
static const int sizes[][3] = {
    {1, 1, 1},    {1, 17, 5},  {2, 3, 200},   {5, 4, 3},    {7, 9, 31},   {8, 8, 8},
    {16, 16, 16}, {17, 33, 9}, {24, 24, 64},  {31, 1, 147}, {32, 64, 27}, {49, 32, 130},
    {63, 65, 64}, {96, 97, 3}, {129, 64, 64}, {200, 200, 70},
};

enum status openblas_selftest(void)
{
    struct matrices m;
    enum status status = matrices_make(&m);
    for (size_t i = 0; status == OK && i < sizeof sizes / sizeof sizes[0]; i++)
        for (int form = 0; status == OK && form < 8; form++) {
            struct shape s = {.m = sizes[i][0], .n = sizes[i][1], .k = sizes[i][2],
                              .trans_a = form & 1, .trans_b = form & 2,
                              .beta = form & 4 ? 1.0f : 0.0f, .vector = sizes[i][1] == 1};
            status = check_shape(&m, &s);
        }
    matrices_free(&m);
    return status;
}
