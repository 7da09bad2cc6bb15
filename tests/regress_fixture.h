/* One made-up outcome of the regression check, in which every number that can be missing is missing
 * somewhere. */
#ifndef TESTS_REGRESS_FIXTURE_H
#define TESTS_REGRESS_FIXTURE_H

#include "bench/regress/outcome.h"
#include "tests/temp_dir.h"

#include <math.h>

enum { MADE_ROUNDS = 10 };

static inline struct regress_row *made_add_pair(struct regress_outcome *o, const char *name,
                                                double ratio, enum regress_state how_it_went)
{
    struct regress_row *row = outcome_add(o, name, "ms");
    assert_non_null(row);
    row->base_rounds = calloc(MADE_ROUNDS, sizeof *row->base_rounds);
    row->head_rounds = calloc(MADE_ROUNDS, sizeof *row->head_rounds);
    row->ratio_rounds = calloc(MADE_ROUNDS, sizeof *row->ratio_rounds);
    assert_true(row->base_rounds && row->head_rounds && row->ratio_rounds);
    row->rounds = MADE_ROUNDS;
    for (int i = 0; i < MADE_ROUNDS; i++) {
        double base = 0.5 + 0.001 * i;
        row->base_rounds[i] = (struct regress_sample){base, base, 20};
        row->head_rounds[i] = (struct regress_sample){base * ratio, base * ratio, 20};
        row->ratio_rounds[i] = ratio;
    }
    row->base = 0.5045;
    row->head = 0.5045 * ratio;
    row->ratio = ratio;
    row->low = ratio - 0.01;
    row->high = ratio + 0.01;
    row->bound = 0.05;
    row->p = 2.0 / 1024;
    row->state = how_it_went;
    return row;
}

static inline struct regress_row *made_add_bare(struct regress_outcome *o, const char *name,
                                                const char *unit, enum regress_state how_it_went,
                                                const char *reason)
{
    struct regress_row *row = outcome_add(o, name, unit);
    assert_non_null(row);
    row->state = how_it_went;
    snprintf(row->reason, sizeof row->reason, "%s", reason);
    return row;
}

static inline json_t *made_key(void)
{
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s}", "protocol", 1, "compiler", "gcc 12", "cpu",
                     "A \"fine\", small CPU", "commit", "abc123", "onednn", "2.6.3", "valgrind",
                     "3.19.0");
}

static inline struct regress_outcome made_pair(void)
{
    struct regress_outcome o;
    outcome_start(&o, "pair");
    made_add_pair(&o, "naive fwd relu c8", 1.001, REGRESS_OK);
    made_add_pair(&o, "onednn fwd conv2d <h8> & \"w8\", c16", 1.25, REGRESS_REGRESSED);
    made_add_bare(&o, "onednn bwd relu c8", "ms", REGRESS_FAILED, "dst is not finite");
    made_add_bare(&o, "openblas fwd relu c8", "ms", REGRESS_ADDED, "");
    made_add_bare(&o, "openblas bwd relu c8", "ms", REGRESS_REMOVED, "onednn does not offer it");
    struct regress_row *row = made_add_bare(&o, "naive training x", "loss", REGRESS_OK, "");
    row->base = row->head = 0.25;
    row->accuracy = 0.75;
    o.control = (struct ratio){MADE_ROUNDS, 1.001, 0.99, 1.01};
    o.noise_floor = 0.004;
    o.threads = 1;
    o.base_key = made_key();
    o.head_key = made_key();
    outcome_settle(&o);
    return o;
}

static inline struct regress_row *made_add_count(struct regress_outcome *o, const char *name,
                                                 double base, double head)
{
    struct regress_row *row = outcome_add(o, name, "instructions");
    assert_non_null(row);
    row->base = base;
    row->head = head;
    row->ratio = head / base;
    row->bound = judge_count_bound(row->impl, row->allowed);
    row->state = judge_count(base, head, row->bound);
    snprintf(row->how_head, sizeof row->how_head, "naive \"direct\"");
    return row;
}

static inline int count_of(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)); text++)
        count++;
    return count;
}

#endif
