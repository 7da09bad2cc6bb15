/* What the loops of fused batch normalisation work on: a rectangle of maps, and the table of the
 * loops' compiled forms. Private to bn_act*.c. The loops know neither plans nor threads.
 *
 * A map is walked as rows of columns. A row is one pixel or, in dense maps of few channels, several
 * neighbouring ones; a column then belongs to the channel (column mod channels). */
#ifndef IMPLS_FUSED_BN_ACT_PART_H
#define IMPLS_FUSED_BN_ACT_PART_H

#include <stdbool.h>
#include <stddef.h>

enum {
    BN_COLUMNS = 512, /* most columns of a part: its sums stay in the first-level cache */
    BN_RUN = 64       /* rows that are summed in single precision before they join a double */
};

/* Row r starts at data + r*stride. Stride 0: one row of zeros that stands for an absent map. */
struct bn_map {
    float *data;
    size_t stride;
};

struct bn_part {
    size_t rows, columns;
    struct bn_map x, shortcut, y; /* of forward: y = relu(bn(x) + shortcut) */
    struct bn_map dy, dx, dshortcut;
    struct bn_map old_dx, old_dshortcut; /* what is added to: the map itself, or zeros */
    struct bn_map masked; /* sums() stores old_dshortcut + g here; data NULL: it does not */
    /* One value a column. */
    const float *mean, *scale, *shift, *slope;
    const float *gate_scale, *gate_shift; /* of forward, for backward: y is then not read, but the
                                             sign of (x - mean) * scale + shift; NULL: y is */
    const float *origin; /* the map's first row: statistics are taken relative to it */
    double *sum[2];      /* added to */
    float floor;         /* 0 with a relu, else -infinity */
    bool stream;         /* y and dx go past the caches: they are 64-byte aligned in every row, and
                            too large to be found there again */
};

/* g is the gradient that passes the relu: dy where y > floor, else 0. Without a shortcut y follows
 * from x by forward's own operations, to the bit: one map less to read. */
struct bn_loops {
    /* sum[0] += sum of (x - origin), sum[1] += sum of its squares. */
    void (*statistics)(const struct bn_part *part);
    /* y = max((x - mean) * scale + shift + shortcut, floor); a NaN passes. */
    void (*forward)(const struct bn_part *part);
    /* sum[0] += sum of g, sum[1] += sum of g * (x - mean). */
    void (*sums)(const struct bn_part *part);
    /* dx = old_dx + scale * g - slope * (x - mean) + shift; dshortcut = old_dshortcut + g. Either
     * may have NULL data. */
    void (*backward)(const struct bn_part *part);
};

extern const struct bn_loops bn_loops_baseline, bn_loops_avx2, bn_loops_avx512;

#endif
