/* The three matrix products of every layer y = x w^T: forward, gradient of x, gradient of w.
 * Chooses between SGEMM and SGEMV. Knows neither maps nor windows. */
#ifndef IMPLS_OPENBLAS_PRODUCT_H
#define IMPLS_OPENBLAS_PRODUCT_H

/* x is [rows][in] with rows `ldx` apart, y is [rows][out] with rows `ldy` apart, w is dense
 * [out][in]. All sizes are at least 1. */
struct product {
    int rows, in, out;
};

/* y = x w^T + beta y. With beta 0, y is overwritten whatever it held. */
void product_y(struct product p, const float *x, int ldx, const float *w, float beta, float *y,
               int ldy);

/* dx = dy w + beta dx. */
void product_dx(struct product p, const float *dy, int ldy, const float *w, float beta, float *dx,
                int ldx);

/* dw = dy^T x + beta dw. */
void product_dw(struct product p, const float *dy, int ldy, const float *x, int ldx, float beta,
                float *dw);

/* What product_y() calls: "sgemm" or "sgemv". Static text. */
const char *product_how(struct product p);

#endif
