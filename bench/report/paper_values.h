/* What Woo et al. (ECCV 2018) published of their classifiers, tables 1 to 5: ImageNet-1K, single
 * crop, one run each. Numbers only; knows no study. */
#ifndef BENCH_REPORT_PAPER_VALUES_H
#define BENCH_REPORT_PAPER_VALUES_H

#include "bench/models/model.h"

/* One row. The ablations (tables 1 to 3) share rows; where table 1's cost columns differ from table
 * 2's for the same network, table 2's are given, which are those of the networks. */
struct paper_value {
    const char *tables;      /* "1, 2, 3" */
    const char *description; /* as the paper words it */
    const char *model, *attention; /* as --model and --attention take them, at full size */
    double params_m, gmacs, top1_error, top5_error; /* millions, 10^9, percent */
};

/* The row of a form of attention: of the ablations on ResNet-50 when `ablation`, else of this
 * network, whose stem, width and strides do not matter. NULL: not in the paper. */
const struct paper_value *paper_find(const struct model_spec *spec, bool ablation);

/* Whether only the ablations have this form of attention. */
bool paper_is_ablation(const struct attention_spec *attention);

#endif
