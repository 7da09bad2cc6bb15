/* Weight files into and out of a network's parameters: strict by name and shape, with a report.
 * The file format itself is in safetensors.h. */
#ifndef BENCH_NET_WEIGHTS_H
#define BENCH_NET_WEIGHTS_H

#include "bench/net/params.h"
#include "bench/net/safetensors.h"

/* What may differ between file and network. Globs as in the shell (*, ?, [..]). */
struct weights_rules {
    const char *const *allow_missing; /* globs over names of the network; NULL-terminated or NULL */
    const char *const *allow_unexpected; /* globs over names of the file */
    bool new_head;                    /* the head stays as it is: not read, not missed */
};

struct weights_report {
    int loaded, missing, unexpected, mismatched;
    char example[3][160];             /* the first missing, unexpected, mismatched name */
};

/* Loads every parameter and buffer by name. Tensors named *.num_batches_tracked are ignored. When
 * a tensor is missing, unexpected or mismatched beyond the rules, nothing is changed and the
 * message names the counts and the first of each: ERR_FORMAT. ERR_NUMERIC for a value that is not
 * finite (some kernels would turn it into a 0 and go on); then some values are changed. */
enum status weights_load(struct params *params, const struct safetensors *file,
                         const struct weights_rules *rules, struct weights_report *report);

/* "loaded 320, missing 2 (fc.weight ...), unexpected 0, mismatched 0" */
void weights_report_print(const struct weights_report *report, char *text, size_t size);

/* Writes every parameter and buffer, with metadata pairs (safetensors_write). */
enum status weights_save(const char *path, const struct params *params,
                         const struct safetensors_pair *metadata, size_t metadata_count);

#endif
