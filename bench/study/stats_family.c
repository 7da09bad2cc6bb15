/* Corrections for many comparisons, and what could have been shown under them: see stats.h. Knows
 * no study and no table. */
#include "bench/study/stats.h"
#include "bench/study/stats_patterns.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Of the search for a difference: at most so many doublings (a factor of 10^12), then so many
 * halvings (4 digits). */
enum { SEARCH_DOUBLINGS = 40, SEARCH_HALVINGS = 14 };

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

/* |t| of n pairs from u = sum^2 / sum of squares, which lies in [0, n]: t^2 = (n - 1) u / (n - u).
 * No variance that could vanish is divided by until the end. */
static double t_from(double u, int pairs)
{
    if (pairs - u <= STATS_TIE * pairs)
        return DBL_MAX;
    return sqrt((pairs - 1) * u / (pairs - u));
}

/* |t| of the differences d with the signs given; missing pairs (NaN) are left out. */
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
    return squares == 0 ? 0 : t_from(sum * sum / squares, pairs);
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
static void count_pattern(struct max_t *work, const struct stats_patterns *p, uint32_t k)
{
    double largest = 0;
    stats_pattern_signs(p, k, work->sign);
    for (int r = work->m - 1; r >= 0; r--) {
        double t = abs_t(work->d + (size_t)work->order[r].index * (size_t)work->n,
                         work->sign, work->n);
        largest = fmax(largest, t);
        double seen = -work->order[r].value;
        work->hits[r] += largest >= seen - STATS_TIE * seen;
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
    struct stats_patterns patterns = stats_patterns_of(work->n);
    for (uint32_t k = 0; k < patterns.count; k++)
        count_pattern(work, &patterns, k);
    double before = 0;
    for (int r = 0; r < work->m; r++) {
        bool empty = work->order[r].value == 0;
        before = fmax(before, empty ? 1 : stats_share(&patterns, work->hits[r]));
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

/* ---- what could have been shown ----
 * Comparison j is given the mean x instead of its own: d - mean + x. For each pattern the largest
 * |t| of the other comparisons is known beforehand; j's own follows from three sums of its
 * differences, so that a trial costs a pattern a few operations. */

struct power {
    struct max_t *work;
    struct stats_patterns patterns;
    double level;
    double *first, *second; /* per pattern: the largest |t| of all comparisons, and the next */
    int *leader;            /* whose the largest is */
    double *sum, *signs;    /* per pattern: signed sum of the residuals of the comparison at hand,
                               and of the signs of its pairs */
};

/* Fills first, second and leader. */
static void rank_patterns(struct power *p)
{
    struct max_t *work = p->work;
    for (uint32_t k = 0; k < p->patterns.count; k++) {
        stats_pattern_signs(&p->patterns, k, work->sign);
        for (int r = 0; r < work->m; r++) {
            int j = work->order[r].index;
            double t = abs_t(work->d + (size_t)j * (size_t)work->n, work->sign, work->n);
            if (t > p->first[k]) {
                p->second[k] = p->first[k];
                p->first[k] = t;
                p->leader[k] = j;
            } else {
                p->second[k] = fmax(p->second[k], t);
            }
        }
    }
}

/* Fills sum and signs for a comparison with the given mean. */
static void sum_patterns(struct power *p, const double *d, double mean)
{
    struct max_t *work = p->work;
    for (uint32_t k = 0; k < p->patterns.count; k++) {
        stats_pattern_signs(&p->patterns, k, work->sign);
        p->sum[k] = p->signs[k] = 0;
        for (int i = 0; i < work->n; i++) {
            if (isnan(d[i]))
                continue;
            p->sum[k] += work->sign[i] * (d[i] - mean);
            p->signs[k] += work->sign[i];
        }
    }
}

/* Whether comparison j would have been shown with a mean of x; `squares`: of its residuals. */
static bool would_show(const struct power *p, int j, double x, int pairs, double squares)
{
    double all = squares + pairs * x * x;
    double seen = t_from(pairs * x * (pairs * x) / all, pairs);
    uint32_t hits = 0;
    for (uint32_t k = 0; k < p->patterns.count; k++) {
        double sum = p->sum[k] + p->signs[k] * x;
        double others = p->leader[k] == j ? p->second[k] : p->first[k];
        hits += fmax(t_from(sum * sum / all, pairs), others) >= seen - STATS_TIE * seen;
    }
    return stats_share(&p->patterns, hits) < p->level;
}

/* By doubling, then halving. */
static double search(const struct power *p, int j, int pairs, double squares)
{
    double low = 0, high = sqrt(squares / pairs);
    if (high == 0)
        return 0;
    for (int tries = 0; !would_show(p, j, high, pairs, squares); tries++) {
        if (tries == SEARCH_DOUBLINGS)
            return INFINITY;
        low = high;
        high *= 2;
    }
    for (int i = 0; i < SEARCH_HALVINGS; i++) {
        double middle = (low + high) / 2;
        if (would_show(p, j, middle, pairs, squares))
            high = middle;
        else
            low = middle;
    }
    return high;
}

static double could_show(struct power *p, int j)
{
    const struct max_t *work = p->work;
    const double *d = work->d + (size_t)j * (size_t)work->n;
    double mean = 0, squares = 0;
    int pairs = count_pairs(work, j);
    if (pairs < STATS_INTERVAL_MIN)
        return INFINITY;
    for (int i = 0; i < work->n; i++)
        mean += isnan(d[i]) ? 0 : d[i] / pairs;
    for (int i = 0; i < work->n; i++)
        squares += isnan(d[i]) ? 0 : (d[i] - mean) * (d[i] - mean);
    sum_patterns(p, d, mean);
    return search(p, j, pairs, squares);
}

static void search_all(struct power *p, int m, double *smallest)
{
    rank_comparisons(p->work, m);
    rank_patterns(p);
    for (int j = 0; j < m; j++)
        smallest[j] = INFINITY;
    for (int r = 0; r < p->work->m; r++)
        smallest[p->work->order[r].index] = could_show(p, p->work->order[r].index);
}

enum status stats_could_show(const double *d, int m, int n, double level, double *smallest)
{
    size_t places = (size_t)(m ? m : 1), pairs = (size_t)(n ? n : 1);
    struct max_t work = {d, 0, n, calloc(places, sizeof *work.order),
                         calloc(pairs, sizeof *work.sign), NULL};
    struct power p = {.work = &work, .patterns = stats_patterns_of(n), .level = level};
    size_t count = p.patterns.count;
    double *space = calloc(4 * count, sizeof *space);
    p.leader = calloc(count, sizeof *p.leader);
    enum status status = OK;
    if (work.order && work.sign && space && p.leader) {
        p.first = space;
        p.second = space + count;
        p.sum = space + 2 * count;
        p.signs = space + 3 * count;
        search_all(&p, m, smallest);
    } else {
        status = fail(ERR_MEMORY, "no memory for the statistics of %d comparisons", m);
    }
    free(work.order);
    free(work.sign);
    free(space);
    free(p.leader);
    return status;
}
