/* The plots of `latency`, from the rows that it prints: how time grows with batch, input, width and
 * threads (growth.gp), and layers under the machine's roofs (roofline.gp). */
#ifndef BENCH_REPORT_LATENCY_PLOTS_H
#define BENCH_REPORT_LATENCY_PLOTS_H

#include "impls/base/status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct latency_plots_data {
    const json_t *rows;          /* of the table latency */
    const json_t *layers, *peaks; /* of the table layers; NULL: none were timed */
};

/* Writes growth.dat, roofline.dat and labels.gp into folder/data (plots/README.md explains their
 * columns) and draws what there is to be drawn into `folder`: growth.* when one of the axes has at
 * least two values, roofline.* when there are layers. *drawn is false, and `note` says why, when
 * nothing could be drawn. */
enum status latency_plots(const struct latency_plots_data *data, const char *folder, bool *drawn,
                          char *note, size_t size);

#endif
