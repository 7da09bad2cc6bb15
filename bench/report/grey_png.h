/* Grey pictures of small maps, as PNG. Knows nothing of what they show. */
#ifndef BENCH_REPORT_GREY_PNG_H
#define BENCH_REPORT_GREY_PNG_H

#include "impls/base/status.h"

/* Writes h x w values as a grey PNG, whole or not at all: 0 becomes black, 1 white, what is beyond
 * is cut. Every value becomes a square of pixels, so many that the longer side has at least
 * `least` pixels. ERR_NUMERIC for a NaN, ERR_USAGE for a picture beyond 65535 pixels a side. */
enum status grey_png_write(const char *path, const float *values, int h, int w, int least);

#endif
