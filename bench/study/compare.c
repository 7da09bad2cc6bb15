/* The comparisons of a study: see compare.h. */
#include "bench/study/compare.h"
#include "bench/study/claims.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = {"better", "worse", "not shown", "diverged", "no pairs",
                                        "exploratory"};
    return names[verdict];
}

/* ---- one comparison ---- */

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

static double outcome_of(const struct train_result *result, enum outcome outcome)
{
    if (!result)
        return NAN;
    if (outcome == OUTCOME_SHIFTED)
        return result->shifted_accuracy;
    return outcome == OUTCOME_GAP ? result->train_accuracy - result->test_accuracy
                                  : result->test_accuracy;
}

/* Outcomes and train accuracy of one side at every seed; counts runs that diverged. */
static void read_side(const struct study_data *data, struct grid_place place, bool with,
                      struct comparison *c)
{
    double train[STUDY_SEEDS_MAX];
    for (place.seed = 0; place.seed < data->seeds.count; place.seed++) {
        int i = study_data_find(data, &place);
        const struct train_result *result = study_data_result(data, &place);
        train[place.seed] = result ? result->train_accuracy : NAN;
        c->diverged += i >= 0 && data->results[i] && data->results[i]->diverged;
        for (int o = 0; o < OUTCOME_COUNT; o++) {
            struct paired *paired = &c->outcome[o];
            double *side = with ? paired->with : paired->without;
            side[place.seed] = outcome_of(result, (enum outcome)o);
        }
    }
    *(with ? &c->with_train : &c->without_train) = summarise(train, data->seeds.count);
}

/* Resamples of the bootstrap, kept while the number of pairs stays the same. */
struct resamples {
    int n;
    int *index;
};

static void bootstrap(struct paired *paired, const double *pairs, int n, struct resamples *draws)
{
    if (draws->n != n) {
        free(draws->index);
        *draws = (struct resamples){n, stats_resamples(n)};
    }
    paired->boot_low = paired->boot_high = NAN;
    if (draws->index)
        stats_bootstrap(pairs, n, draws->index, STATS_RESAMPLES, &paired->boot_low,
                        &paired->boot_high);
}

/* Everything about an outcome but its corrections. */
static void compare_outcome(struct paired *paired, int seeds, struct resamples *draws)
{
    double pairs[STUDY_SEEDS_MAX];
    for (int i = 0; i < seeds; i++)
        paired->difference[i] = paired->with[i] - paired->without[i];
    paired->without_all = summarise(paired->without, seeds);
    paired->with_all = summarise(paired->with, seeds);
    int n = keep_numbers(paired->difference, seeds, pairs);
    paired->all = stats_summarise(pairs, n);
    paired->median = stats_median(pairs, n);
    paired->improvement = stats_improvement(pairs, n);
    paired->p = stats_sign_flip_p(pairs, n);
    paired->smallest_p = stats_smallest_p(n);
    paired->bounded = stats_interval(pairs, n, &paired->low, &paired->high);
    paired->p_max_t = paired->p_holm = NAN;
    paired->could_show = INFINITY;
    bootstrap(paired, pairs, n, draws);
}

static void compare_sides(const struct study_data *data, struct comparison *c,
                          struct resamples *draws)
{
    read_side(data, c->base, false, c);
    read_side(data, c->place, true, c);
    for (int o = 0; o < OUTCOME_COUNT; o++)
        compare_outcome(&c->outcome[o], data->seeds.count, draws);
}

static enum verdict decide(const struct comparison *c)
{
    const struct paired *test = &c->outcome[OUTCOME_TEST];
    if (c->diverged > 0)
        return VERDICT_DIVERGED;
    if (test->all.n == 0)
        return VERDICT_NO_PAIRS;
    if (c->family < 0)
        return VERDICT_EXPLORATORY;
    if (!(test->p_max_t < COMPARE_LEVEL))
        return VERDICT_NOT_SHOWN;
    return test->all.mean > 0 ? VERDICT_BETTER : VERDICT_WORSE;
}

/* ---- corrections ---- */

/* Room for the comparisons of one family. */
struct family {
    int m;
    int *member;         /* their indices */
    double *difference;  /* m x seeds */
    double *p, *max_t, *holm, *could_show;
};

static enum status correct_outcome(struct comparisons *all, struct family *f, enum outcome outcome)
{
    size_t n = (size_t)all->seeds;
    for (int j = 0; j < f->m; j++) {
        const struct paired *paired = &all->items[f->member[j]].outcome[outcome];
        memcpy(f->difference + (size_t)j * n, paired->difference, n * sizeof *f->difference);
        f->p[j] = paired->p;
    }
    TRY(stats_max_t(f->difference, f->m, all->seeds, f->max_t));
    TRY(stats_could_show(f->difference, f->m, all->seeds, COMPARE_LEVEL, f->could_show));
    stats_holm(f->p, f->m, f->holm);
    for (int j = 0; j < f->m; j++) {
        struct paired *paired = &all->items[f->member[j]].outcome[outcome];
        paired->p_max_t = f->max_t[j];
        paired->p_holm = f->holm[j];
        /* What was shown could be shown, also where only stepping down shows it. */
        bool shown = f->max_t[j] < COMPARE_LEVEL;
        paired->could_show = shown ? fmin(f->could_show[j], fabs(paired->all.mean))
                                   : f->could_show[j];
    }
    return OK;
}

static enum status correct_family(struct comparisons *all, struct family *f, int family)
{
    f->m = 0;
    for (int k = 0; k < all->count; k++)
        if (all->items[k].family == family)
            f->member[f->m++] = k;
    for (int j = 0; j < f->m; j++)
        all->items[f->member[j]].family_size = f->m;
    for (int o = 0; o < OUTCOME_COUNT; o++)
        TRY(correct_outcome(all, f, (enum outcome)o));
    return OK;
}

static enum status correct(struct comparisons *all, int families)
{
    size_t m = (size_t)all->count + 1, n = (size_t)all->seeds;
    int *member = calloc(m, sizeof *member);
    double *room = calloc(m * (n + 4), sizeof *room);
    enum status status = member && room
                             ? OK : fail(ERR_MEMORY, "no memory for %d comparisons", all->count);
    for (int i = 0; i < families && status == OK; i++) {
        double *rest = room + m * n;
        struct family f = {0, member, room, rest, rest + m, rest + 2 * m, rest + 3 * m};
        status = correct_family(all, &f, i);
    }
    for (int k = 0; k < all->count; k++)
        all->items[k].verdict = decide(&all->items[k]);
    free(member);
    free(room);
    return status;
}

/* ---- all ---- */

/* The index of a place on the axis that is compared. */
static int *axis_index(struct grid_place *place, enum study_axis axis)
{
    if (axis == AXIS_TRANSFER)
        return &place->arm;
    return axis == AXIS_MODELS ? &place->model : &place->attention;
}

/* Place number k, with the attention changing fastest, then arm, data, implementation, network. */
static struct grid_place place_number(const struct study_data *data, int k)
{
    struct grid_place place = {0};
    place.attention = k % data->attention.count;
    k /= data->attention.count;
    place.arm = k % data->arms.count;
    k /= data->arms.count;
    place.data = k % data->data.count;
    k /= data->data.count;
    place.impl = k % data->impls.count;
    place.model = k / data->impls.count;
    return place;
}

static int family_of(const struct study_data *data, const struct grid_place *place)
{
    const struct claims_place at = {data->models.text[place->model],
                                    data->attention.text[place->attention],
                                    data->arms.text[place->arm], data->data.text[place->data]};
    return claims_family(&data->claims, &at);
}

enum status comparisons_make(struct comparisons *all, const struct study_data *data)
{
    int places = data->models.count * data->data.count * data->impls.count * data->arms.count *
                 data->attention.count;
    struct resamples draws = {-1, NULL};
    *all = (struct comparisons){.seeds = data->seeds.count};
    all->items = calloc((size_t)places + 1, sizeof *all->items);
    if (!all->items)
        return fail(ERR_MEMORY, "no memory for %d comparisons", places);
    for (int k = 0; k < places; k++) {
        struct grid_place place = place_number(data, k), base = place;
        if (*axis_index(&place, data->claims.compare) == 0)
            continue;
        *axis_index(&base, data->claims.compare) = 0;
        struct comparison *c = &all->items[all->count++];
        *c = (struct comparison){.place = place, .base = base, .family = family_of(data, &place)};
        compare_sides(data, c, &draws);
    }
    free(draws.index);
    enum status status = correct(all, data->claims.family_count);
    if (status != OK)
        comparisons_free(all);
    return status;
}

void comparisons_free(struct comparisons *comparisons)
{
    free(comparisons->items);
    *comparisons = (struct comparisons){0};
}
