/* The committed baselines: instruction counts with the key of what made them, and the curves of the
 * training run. Files of JSON, one case a line, so that a change shows in review. Measures
 * nothing. */
#ifndef BENCH_REGRESS_BASELINE_H
#define BENCH_REGRESS_BASELINE_H

#include "bench/regress/accuracy.h"
#include "bench/regress/outcome.h"

/* Reads a baseline of counts: {"key": {...}, "cases": {name: {"instructions", "how"}}}. A new
 * reference in *json. ERR_IO, ERR_FORMAT: the file is not there or is no baseline; a case whose
 * count is no positive number is named. */
enum status baseline_read(const char *path, json_t **json);

/* Count and kernels of a case: false when the baseline does not have it. */
bool baseline_case(const json_t *json, const char *name, double *instructions, const char **how);

/* Whether two keys are of the same compiler, flags, valgrind, glibc and libraries. ERR_UNSUPPORTED
 * names the first member that differs, with both values. Members that do not change instruction
 * counts ("protocol", "cpu", "commit") are not looked at. */
enum status baseline_same_key(const json_t *base, const json_t *head);

/* Writes the counts of all rows that have one in `head`, with outcome->head_key. */
enum status baseline_write(const char *path, const struct regress_outcome *outcome);

/* The committed curve of an implementation: ERR_IO, ERR_FORMAT; ERR_UNSUPPORTED when the file has
 * none of it. */
enum status baseline_read_curve(const char *path, const char *impl, struct accuracy_curve *curve);

/* Writes the curves of `count` implementations. */
enum status baseline_write_curves(const char *path, const char *const *impls_trained,
                                  const struct accuracy_curve *curves, int count);

#endif
