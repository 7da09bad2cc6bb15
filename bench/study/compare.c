/* The comparisons of a study: see compare.h. */
#include "bench/study/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"better", "worse", "not shown", "diverged", "no pairs"};
    return names[verdict];
}

/* Keeps the numbers among n values, in order; returns how many there are. */
static int keep_numbers(const double *x, int n, double *out)
{
    int kept = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(x[i]))
            out[kept++] = x[i];
    return kept;
}

static struct stats_summary summarise(const double *x, int n)
{
    double numbers[STUDY_SEEDS_MAX];
    int kept = keep_numbers(x, n, numbers);
    return stats_summarise(numbers, kept);
}

/* Test and train accuracies of one side at every seed; counts runs that diverged. */
static void read_side(const struct study_data *data, struct grid_place place, double *test,
                      double *train, int *diverged)
{
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
        int i = study_data_find(data, &place);
        const struct train_result *result = study_data_result(data, &place);
        test[place.seed] = result ? result->test_accuracy : NAN;
        train[place.seed] = result ? result->train_accuracy : NAN;
        *diverged += i >= 0 && data->results[i] && data->results[i]->diverged;
    }
}

static void compare_sides(const struct study_data *data, struct comparison *c)
{
    double train_without[STUDY_SEEDS_MAX], train_with[STUDY_SEEDS_MAX];
    double pairs[STUDY_SEEDS_MAX];
    int seeds = data->seeds.count;
    struct grid_place base = c->place;
    base.attention = 0;
    read_side(data, base, c->without, train_without, &c->diverged);
    read_side(data, c->place, c->with, train_with, &c->diverged);
    for (int i = 0; i < seeds; i++)
        c->difference[i] = c->with[i] - c->without[i];
    c->without_test = summarise(c->without, seeds);
    c->with_test = summarise(c->with, seeds);
    c->without_train = summarise(train_without, seeds);
    c->with_train = summarise(train_with, seeds);
    int n = keep_numbers(c->difference, seeds, pairs);
    c->paired = stats_summarise(pairs, n);
    c->p = stats_sign_flip_p(pairs, n);
    c->smallest_p = stats_smallest_p(n);
    c->bounded = stats_interval(pairs, n, &c->low, &c->high);
}

static enum verdict decide(const struct comparison *c)
{
    if (c->diverged > 0)
        return VERDICT_DIVERGED;
    if (c->paired.n == 0)
        return VERDICT_NO_PAIRS;
    if (!(c->p_max_t < COMPARE_LEVEL))
        return VERDICT_NOT_SHOWN;
    return c->paired.mean > 0 ? VERDICT_BETTER : VERDICT_WORSE;
}

/* Corrections over all comparisons of the study together. */
static enum status correct(struct comparisons *all)
{
    size_t m = (size_t)all->count, n = (size_t)all->seeds;
    double *d = calloc(m * n + 1, sizeof *d), *p = calloc(2 * m + 1, sizeof *p);
    enum status status = d && p ? OK : fail(ERR_MEMORY, "no memory for %d comparisons", all->count);
    for (size_t j = 0; status == OK && j < m; j++) {
        memcpy(d + j * n, all->items[j].difference, n * sizeof *d);
        p[j] = all->items[j].p;
    }
    if (status == OK)
        status = stats_max_t(d, all->count, all->seeds, p + m);
    if (status == OK)
        stats_holm(p, all->count, p);
    for (size_t j = 0; status == OK && j < m; j++) {
        all->items[j].p_holm = p[j];
        all->items[j].p_max_t = p[m + j];
        all->items[j].verdict = decide(&all->items[j]);
    }
    free(d);
    free(p);
    return status;
}

enum status comparisons_make(struct comparisons *all, const struct study_data *data)
{
    int others = data->attention.count - 1;
    int count = data->models.count * data->data.count * data->impls.count * data->arms.count *
                (others > 0 ? others : 0);
    *all = (struct comparisons){.seeds = data->seeds.count};
    all->items = calloc((size_t)count + 1, sizeof *all->items);
    if (!all->items)
        return fail(ERR_MEMORY, "no memory for %d comparisons", count);
    for (int k = 0; k < count; k++) {
        int rest = k;
        struct grid_place place = {0};
        place.attention = 1 + rest % others;
        rest /= others;
        place.arm = rest % data->arms.count;
        rest /= data->arms.count;
        place.data = rest % data->data.count;
        rest /= data->data.count;
        place.impl = rest % data->impls.count;
        place.model = rest / data->impls.count;
        all->items[k].place = place;
        compare_sides(data, &all->items[k]);
    }
    all->count = count;
    enum status status = correct(all);
    if (status != OK)
        comparisons_free(all);
    return status;
}

void comparisons_free(struct comparisons *comparisons)
{
    free(comparisons->items);
    *comparisons = (struct comparisons){0};
}
