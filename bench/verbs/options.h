/* What all verbs share in reading their command line: numbers, lists, names, and how a verb says
 * that something cannot be. Knows no verb. Every message names the option and what was expected. */
#ifndef BENCH_VERBS_OPTIONS_H
#define BENCH_VERBS_OPTIONS_H

#include "impls/layer.h"

#include <argp.h>

/* Parses a verb's arguments with argp; argv[0] is whatever, help speaks of "cbam-bench VERB".
 * A parser reports a bad value by fail() and returns option_error(status). Options that argp does
 * not know, and --help, end the program there (exit status 2 and 0). */
enum status option_parse(const struct argp *argp, const char *verb, int argc, char **argv,
                         void *input);

/* What an argp parser returns: 0 for OK, else an error that option_parse() turns back into the
 * status. */
error_t option_error(enum status status);

/* What an argp parser returns for a key that is none of its options: refuses arguments that are
 * not options by name. */
error_t option_unknown(int key, const char *value);

/* Says "cbam-bench VERB: message" (fail_text()) on stderr and returns the exit status: 2 for
 * ERR_USAGE, 1 for everything else, 0 for OK, silently. */
int verb_fail(const char *verb, enum status status);

/* Numbers in a range, all of the text, nothing else: ERR_USAGE otherwise. `option` is what the
 * message names: "--batch". */
enum status option_int(const char *option, const char *text, int low, int high, int *value);
enum status option_seed(const char *option, const char *text, uint64_t *value);
enum status option_double(const char *option, const char *text, double low, double high,
                          double *value);

/* One of the `count` words; its index. ERR_USAGE lists them. */
enum status option_word(const char *option, const char *text, const char *const *words, int count,
                        int *index);

/* "on" or "off". */
enum status option_switch(const char *option, const char *text, bool *value);

/* The items of a value, which ',' separates. None is empty. */
struct option_list {
    char *text;   /* owned */
    char **items; /* owned; they point into text */
    int count;
};
enum status option_split(const char *option, const char *text, struct option_list *list);
void option_list_free(struct option_list *list); /* a zeroed list is allowed */

enum { OPTION_IMPLS = 8, OPTION_NUMBERS = 16, OPTION_DTYPES = 2 };

/* "all" or names of implementations, without repetition; list[OPTION_IMPLS]. */
enum status option_impls(const char *option, const char *text, const struct impl **list,
                         int *count);

/* Different numbers in a range; values[OPTION_NUMBERS]. */
enum status option_ints(const char *option, const char *text, int low, int high, int *values,
                        int *count);

/* Different dtypes, "f32,bf16"; list[OPTION_DTYPES]. */
enum status option_dtypes(const char *option, const char *text, enum dtype *list, int *count);

bool option_has_bf16(const enum dtype *dtypes, int count);

/* ERR_UNSUPPORTED, with what is missing, when bf16 is among the dtypes and none of the
 * implementations offers it here: no row could be, which is said once. */
enum status option_check_bf16(const char *option, const enum dtype *dtypes, int dtype_count,
                              const struct impl *const *list, int count);

/* "224" or "224x160": height and width, each in a range. */
enum status option_size(const char *option, const char *text, int low, int high, int *h, int *w);

/* `text`, which may come from anywhere (a file name), fit to be printed: control characters, and
 * every byte beyond ASCII when it is not UTF-8, become '?'; cut to `size`. */
void option_shown(const char *text, char *out, size_t size);

#endif
