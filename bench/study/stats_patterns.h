/* Sign patterns, shared by the files stats*.c alone. Pattern number k: bit i set means that the
 * sign of pair i is turned. A pattern and its opposite give the same |sum|, so the last pair keeps
 * its sign and 2^(n-1) patterns are visited. */
#ifndef BENCH_STUDY_STATS_PATTERNS_H
#define BENCH_STUDY_STATS_PATTERNS_H

#include "bench/study/stats.h"
#include "impls/base/random.h"

#include <stdint.h>

/* Sums that are equal in exact arithmetic differ by rounding: they count as equal below this share
 * of their size. */
#define STATS_TIE 1e-12

struct stats_patterns {
    int n;
    bool exact;
    uint32_t count;
};

static inline struct stats_patterns stats_patterns_of(int n)
{
    struct stats_patterns p = {n, n <= STATS_EXACT_MAX, STATS_DRAWS};
    if (p.exact)
        p.count = n > 0 ? 1u << (n - 1) : 1;
    return p;
}

/* Whether pair i is turned in pattern k. Drawn patterns are a function of (k, i) alone. */
static inline bool stats_is_turned(const struct stats_patterns *p, uint32_t k, int i)
{
    if (p->exact)
        return k >> i & 1;
    struct random_stream stream = {k, random_name("sign flips")};
    return random_u32(stream, (uint64_t)i) >> 31;
}

/* Signs of a pattern as +1 and -1. */
static inline void stats_pattern_signs(const struct stats_patterns *p, uint32_t k, double *sign)
{
    for (int i = 0; i < p->n; i++)
        sign[i] = stats_is_turned(p, k, i) ? -1 : 1;
}

/* Share of the patterns that were hits. Drawn patterns need the one seen among them, or p could
 * be 0. */
static inline double stats_share(const struct stats_patterns *p, uint32_t hits)
{
    return p->exact ? (double)hits / p->count : (1.0 + hits) / (1.0 + p->count);
}

#endif
