/* Which algorithm each convolution of a network runs: by one rule, or by decisions that stand in a
 * file. Decides nothing by time itself (bench/measure/decide.h does). */
#ifndef BENCH_NET_ALGORITHMS_H
#define BENCH_NET_ALGORITHMS_H

#include "impls/layer.h"

enum algorithm_rule {
    ALGORITHM_DIRECT,
    ALGORITHM_WINOGRAD, /* Winograd's wherever a convolution has the shape for it */
    ALGORITHM_AUTO      /* as decided for each convolution */
};

enum { ALGORITHM_TEXT = 160 };

/* What was decided for a convolution, and from which figures; NaN: not tried. */
struct decision {
    char text[ALGORITHM_TEXT]; /* op_print() of the direct form */
    char impl[16];
    int threads;
    unsigned gradients;        /* bit 0: of the source, bit 1: of the weight; 0: inference */
    enum conv_algorithm algorithm;
    double ms[CONV_ALGORITHMS], error[CONV_ALGORITHMS];
};

struct algorithms {
    enum algorithm_rule rule;
    const char *path; /* of the decisions; NULL: they are not kept. Borrowed */
    bool fixed;       /* nothing is decided any more: what the file lacks runs direct */
    /* Decides what is not decided yet (decision->text to gradients are set); NULL: nobody does, and
     * such a convolution runs direct. */
    enum status (*decide)(const struct impl *impl, struct impl_ctx *ctx,
                          const struct op_desc *desc, struct decision *decision);
    struct decision *list; /* owned */
    int count;
};

/* "direct", "winograd", "auto" or "auto:FILE". With a file: its decisions are read when it exists.
 * `text` must outlive the result. ERR_USAGE, or what algorithms_read() gives. */
enum status algorithms_parse(const char *option, const char *text, struct algorithms *out);
void algorithms_free(struct algorithms *algorithms); /* a zeroed one is allowed: direct */

/* Sets *algorithm for a convolution (any kind) as it will be planned; for others, and with
 * algorithms NULL, it is CONV_DIRECT. Decides where it has to, and then writes the file anew. */
enum status algorithms_choose(struct algorithms *algorithms, const struct impl *impl,
                              struct impl_ctx *ctx, const struct op_desc *desc,
                              enum conv_algorithm *algorithm);

/* The file: JSON. Reading adds to the list; ERR_FORMAT, ERR_IO. Writing is atomic. */
enum status algorithms_read(struct algorithms *algorithms, const char *path);
enum status algorithms_write(const struct algorithms *algorithms, const char *path);

/* "direct", "winograd2", "winograd4". */
const char *algorithm_name(enum conv_algorithm algorithm);

/* "direct", "winograd", or "auto-" and a digest of all decisions in hexadecimal (of what was
 * decided, not of the figures or the order): for keys and result rows. */
enum { ALGORITHM_NAME = 32 };
void algorithms_name(const struct algorithms *algorithms, char name[ALGORITHM_NAME]);

#endif
