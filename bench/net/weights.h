/* Weight files into and out of a network's parameters: strict by name and shape, with a report.
 * The file format itself is in safetensors.h. */
#ifndef BENCH_NET_WEIGHTS_H
#define BENCH_NET_WEIGHTS_H

#include "bench/net/params.h"
#include "bench/net/safetensors.h"

/* What may differ between file and network. Globs as in the shell (*, ?, [..]). */
struct weights_rules {
    const char *const *allow_missing; /* globs over names of the network; NULL-terminated or NULL */
    const char *const *allow_unexpected; /* globs over names of the file, with or without prefix */
    bool new_head;                    /* the head stays as it is: not read, not missed */
    bool draw;                        /* what the file does not give is drawn anew, from `seed` */
    uint64_t seed;
};

enum { WEIGHTS_PREFIX = 48 };

/* How a file spells the names of a network. Wrappers put words before all of them: DataParallel
 * "module.", others "model.", "backbone.", torch.compile "_orig_mod.", one behind the other too.
 * Old DenseNet files have "norm.1", "conv.2" where torchvision has "norm1", "conv2". */
struct weights_names {
    char prefix[WEIGHTS_PREFIX]; /* what stands before the names; "" for nothing */
    bool dotted;                 /* DenseNet's old spelling */
};

/* The spelling under which most names of the network are in the file; of equals, that with the
 * fewest words in front. ERR_FORMAT when old and new spelling are mixed: such a file is not read at
 * all. */
enum status weights_names_find(const struct params *params, const struct safetensors *file,
                               struct weights_names *names);

/* The file's tensor for a parameter: its name with the prefix, of a head else without it (a head
 * may stand beside a wrapped backbone); NULL when there is none. */
const struct safetensors_tensor *weights_find(const struct safetensors *file,
                                              const struct weights_names *names,
                                              const struct net_param *param);

struct weights_report {
    int loaded, missing, unexpected, mismatched;
    char example[3][160];             /* the first missing, unexpected, mismatched name */
    struct weights_names names;
};

/* Loads every parameter and buffer by name. Tensors named *.num_batches_tracked are ignored. When
 * a tensor is missing, unexpected or mismatched beyond the rules, nothing is changed and the
 * message names the counts and the first of each: ERR_FORMAT. */
enum status weights_load(struct params *params, const struct safetensors *file,
                         const struct weights_rules *rules, struct weights_report *report);

/* "loaded 320, missing 2 (fc.weight ...), unexpected 0, mismatched 0" */
void weights_report_print(const struct weights_report *report, char *text, size_t size);

/* Writes every parameter and buffer, with metadata pairs (safetensors_write). */
enum status weights_save(const char *path, const struct params *params,
                         const struct safetensors_pair *metadata, size_t metadata_count);

#endif
