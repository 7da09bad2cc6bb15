/* The grid of a search: the combinations of training settings that every arm tries on seeds that do
 * not count, and how one of them is written down and applied. Knows no cell and no result. */
#ifndef BENCH_STUDY_SEARCH_H
#define BENCH_STUDY_SEARCH_H

#include "bench/study/study.h"

/* Whether a training setting may be searched: how a network is trained, but neither for how long
 * (that is the budget) nor what on, nor what the study itself decides. */
bool search_allows(const char *option);

/* Adds a setting with the values to try, in their order; `texts` as train_settings_set() takes
 * them. ERR_FORMAT on a setting that may not be searched, a value that cannot be, or one that
 * stands there twice. Settings are to be added in the order of train_settings_fields(). */
enum status search_add(struct study_search *search, const char *option, char *const *texts,
                       int count);

/* Whether the search decides this setting. */
bool search_has(const struct study_search *search, const char *option);

/* Number of combinations; 0 without a search. The first setting varies slowest. */
int search_points(const struct study_search *search);

/* Seed number i (from 0) of a search: from SEARCH_SEED_FIRST on. */
enum { SEARCH_SEED_FIRST = 1000000 };
uint64_t search_seed(int i);

/* A combination as the store keeps it, {"lr":"0.03","weight-decay":"0.0005"}; free() it. NULL when
 * there is no memory. */
char *search_choice(const struct study_search *search, int point);

/* Sets what such a text says. ERR_FORMAT when it is no such text. */
enum status search_apply(const char *choice, struct train_settings *settings);

/* The same for people: "lr 0.03, weight-decay 0.0005". */
void search_print(const char *choice, char *text, size_t size);

#endif
