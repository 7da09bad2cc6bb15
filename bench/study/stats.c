/* Statistics of paired differences: see stats.h. Knows no study and no table. */
#include "bench/study/stats.h"
#include "impls/base/random.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* Sums that are equal in exact arithmetic differ by rounding: they count as equal below this. */
static const double TIE = 1e-12;

struct stats_summary stats_summarise(const double *x, int n)
{
    struct stats_summary s = {n, NAN, NAN};
    double sum = 0, squares = 0;
    if (n == 0)
        return s;
    for (int i = 0; i < n; i++)
        sum += x[i];
    s.mean = sum / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - s.mean) * (x[i] - s.mean);
    if (n > 1)
        s.sd = sqrt(squares / (n - 1));
    return s;
}

double stats_smallest_p(int n)
{
    return n == 0 ? 1 : ldexp(2, -n);
}

/* ---- sign patterns ----
 * Pattern number k: bit i set means that the sign of pair i is turned. A pattern and its opposite
 * give the same |sum|, so the last pair keeps its sign and 2^(n-1) patterns are visited. */

struct patterns {
    int n;
    bool exact;
    uint32_t count;
};

static struct patterns patterns_of(int n)
{
    struct patterns p = {n, n <= STATS_EXACT_MAX, STATS_DRAWS};
    if (p.exact)
        p.count = n > 0 ? 1u << (n - 1) : 1;
    return p;
}

/* Whether pair i is turned in pattern k. Drawn patterns are a function of (k, i) alone. */
static bool is_turned(const struct patterns *p, uint32_t k, int i)
{
    if (p->exact)
        return k >> i & 1;
    struct random_stream stream = {k, random_name("sign flips")};
    return random_u32(stream, (uint64_t)i) >> 31;
}

/* Signs of a pattern as +1 and -1. */
static void pattern_signs(const struct patterns *p, uint32_t k, double *sign)
{
    for (int i = 0; i < p->n; i++)
        sign[i] = is_turned(p, k, i) ? -1 : 1;
}

/* Share of the patterns that were hits. Drawn patterns need the one seen among them, or p could
 * be 0. */
static double share(const struct patterns *p, uint32_t hits)
{
    return p->exact ? (double)hits / p->count : (1.0 + hits) / (1.0 + p->count);
}

static double turned_sum(const struct patterns *p, uint32_t k, const double *d)
{
    double sum = 0;
    for (int i = 0; i < p->n; i++)
        sum += is_turned(p, k, i) ? -d[i] : d[i];
    return fabs(sum);
}

double stats_sign_flip_p(const double *d, int n)
{
    double sum = 0, size = 0;
    if (n == 0)
        return 1;
    for (int i = 0; i < n; i++) {
        sum += d[i];
        size += fabs(d[i]);
    }
    struct patterns patterns = patterns_of(n);
    uint32_t hits = 0;
    for (uint32_t k = 0; k < patterns.count; k++)
        hits += turned_sum(&patterns, k, d) >= fabs(sum) - TIE * size;
    return share(&patterns, hits);
}

/* ---- interval ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Mean of the differences in subset k (numbered from 1, bit i: difference i is in it); a drawn
 * subset that happens to be empty counts as the whole. */
static double subset_mean(const struct patterns *p, uint32_t k, const double *d)
{
    double sum = 0, all = 0;
    int members = 0;
    for (int i = 0; i < p->n; i++) {
        all += d[i];
        if (is_turned(p, k, i)) {
            sum += d[i];
            members++;
        }
    }
    return members ? sum / members : all / p->n;
}

bool stats_interval(const double *d, int n, double *low, double *high)
{
    *low = *high = NAN;
    if (n < STATS_INTERVAL_MIN)
        return false;
    struct patterns subsets = patterns_of(n);
    uint32_t count = subsets.exact ? (1u << n) - 1 : subsets.count;
    double *means = malloc(count * sizeof *means);
    if (!means) {
        fail(ERR_MEMORY, "no memory for the interval of %d differences", n);
        return false;
    }
    for (uint32_t k = 0; k < count; k++)
        means[k] = subset_mean(&subsets, k + 1, d);
    qsort(means, count, sizeof *means, compare);
    /* The p of a value with i subset means below it is 2 (i + 1) / 2^n: not rejected, and so in
     * the interval, from i = floor(0.025 * 2^n) on, and likewise from above. */
    uint32_t outside = (uint32_t)floor(0.025 * (count + 1.0));
    *low = means[outside - 1];
    *high = means[count - outside];
    free(means);
    return true;
}

/* ---- corrections for many comparisons ---- */

struct ranked {
    double value;
    int index;
};

static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;
    int order = (x->value > y->value) - (x->value < y->value);
    return order ? order : x->index - y->index;
}

void stats_holm(const double *p, int m, double *adjusted)
{
    struct ranked *order = malloc((size_t)(m ? m : 1) * sizeof *order);
    CHECK(order);
    for (int j = 0; j < m; j++)
        order[j] = (struct ranked){p[j], j};
    qsort(order, (size_t)m, sizeof *order, compare_ranked);
    double before = 0;
    for (int r = 0; r < m; r++) {
        double corrected = fmin(1, order[r].value * (m - r));
        before = fmax(before, corrected);
        adjusted[order[r].index] = before;
    }
    free(order);
}

/* |t| of the differences d with the signs given; missing pairs (NaN) are left out. With n pairs,
 * u = sum^2 / sum of squares lies in [0, n] and t^2 = (n - 1) u / (n - u): no variance that could
 * vanish is divided by until the end. */
static double abs_t(const double *d, const double *sign, int n)
{
    double sum = 0, squares = 0;
    int pairs = 0;
    for (int i = 0; i < n; i++) {
        if (isnan(d[i]))
            continue;
        sum += sign ? sign[i] * d[i] : d[i];
        squares += d[i] * d[i];
        pairs++;
    }
    if (squares == 0)
        return 0;
    double u = sum * sum / squares;
    if (pairs - u <= TIE * pairs)
        return DBL_MAX;
    return sqrt((pairs - 1) * u / (pairs - u));
}

/* What max-T works with: the m comparisons that take part in falling order of |t| (kept as
 * negative numbers), and hits per place in that order. */
struct max_t {
    const double *d;
    int m, n;
    struct ranked *order;
    double *sign;
    uint32_t *hits;
};

/* Counts one pattern: a place is hit when the largest |t| of it and all lower places reaches the
 * |t| seen there. */
static void count_pattern(struct max_t *work, const struct patterns *p, uint32_t k)
{
    double largest = 0;
    pattern_signs(p, k, work->sign);
    for (int r = work->m - 1; r >= 0; r--) {
        double t = abs_t(work->d + (size_t)work->order[r].index * (size_t)work->n, work->sign,
                         work->n);
        largest = fmax(largest, t);
        double seen = -work->order[r].value;
        work->hits[r] += largest >= seen - TIE * seen;
    }
}

static int count_pairs(const struct max_t *work, int j)
{
    int pairs = 0;
    for (int i = 0; i < work->n; i++)
        pairs += !isnan(work->d[(size_t)j * (size_t)work->n + (size_t)i]);
    return pairs;
}

/* Chooses and orders the comparisons that take part. One with so few pairs that it could never
 * reach 0.05 would only spoil the others: the |t| of one or two pairs is easily infinite. */
static void rank_comparisons(struct max_t *work, int m)
{
    int most = 0;
    for (int j = 0; j < m; j++)
        most = count_pairs(work, j) > most ? count_pairs(work, j) : most;
    int needed = most < STATS_INTERVAL_MIN ? most : STATS_INTERVAL_MIN;
    for (int j = 0; j < m; j++) {
        const double *d = work->d + (size_t)j * (size_t)work->n;
        if (count_pairs(work, j) >= needed)
            work->order[work->m++] = (struct ranked){-abs_t(d, NULL, work->n), j};
    }
    qsort(work->order, (size_t)work->m, sizeof *work->order, compare_ranked);
}

static void run_max_t(struct max_t *work, int m, double *adjusted)
{
    rank_comparisons(work, m);
    for (int j = 0; j < m; j++)
        adjusted[j] = 1;
    struct patterns patterns = patterns_of(work->n);
    for (uint32_t k = 0; k < patterns.count; k++)
        count_pattern(work, &patterns, k);
    double before = 0;
    for (int r = 0; r < work->m; r++) {
        bool empty = work->order[r].value == 0;
        before = fmax(before, empty ? 1 : share(&patterns, work->hits[r]));
        adjusted[work->order[r].index] = before;
    }
}

enum status stats_max_t(const double *d, int m, int n, double *adjusted)
{
    size_t places = (size_t)(m ? m : 1), pairs = (size_t)(n ? n : 1);
    struct max_t work = {d, 0, n, calloc(places, sizeof *work.order),
                         calloc(pairs, sizeof *work.sign), calloc(places, sizeof *work.hits)};
    enum status status = OK;
    if (work.order && work.sign && work.hits)
        run_max_t(&work, m, adjusted);
    else
        status = fail(ERR_MEMORY, "no memory for the statistics of %d comparisons", m);
    free(work.order);
    free(work.sign);
    free(work.hits);
    return status;
}
