/* What all verbs share in reading their command line: see options.h. */
#include "bench/verbs/options.h"

#include "bench/net/safetensors.h"
#include "impls/ops.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* argp passes an int through; statuses are put where no errno value is. */
enum { ERROR_BASE = 10000 };

error_t option_error(enum status status)
{
    return status == OK ? 0 : ERROR_BASE + (int)status;
}

enum status option_parse(const struct argp *argp, const char *verb, int argc, char **argv,
                         void *input)
{
    char name[64];
    snprintf(name, sizeof name, "cbam-bench %s", verb);
    char *own = argv[0];
    argv[0] = name;
    argp_err_exit_status = 2;
    error_t error = argp_parse(argp, argc, argv, 0, NULL, input);
    argv[0] = own;
    if (error >= ERROR_BASE)
        return (enum status)(error - ERROR_BASE);
    return error ? fail(ERR_USAGE, "%s", strerror(error)) : OK;
}

error_t option_unknown(int key, const char *value)
{
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    return option_error(fail(ERR_USAGE, "'%s' was not expected: every value follows an option that "
                             "begins with --", value));
}

int verb_fail(const char *verb, enum status status)
{
    if (status == OK)
        return 0;
    fflush(stdout);
    fprintf(stderr, "cbam-bench %s: %s\n", verb, fail_text());
    return status == ERR_USAGE ? 2 : 1;
}

enum status option_int(const char *option, const char *text, int low, int high, int *value)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (end == text || *end || errno || number < low || number > high)
        return fail(ERR_USAGE, "%s %s: a whole number from %d to %d was expected", option, text,
                    low, high);
    *value = (int)number;
    return OK;
}

enum status option_seed(const char *option, const char *text, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno)
        return fail(ERR_USAGE, "%s %s: a whole number from 0 to 2^64-1 was expected", option, text);
    *value = number;
    return OK;
}

enum status option_double(const char *option, const char *text, double low, double high,
                          double *value)
{
    char *end;
    double number = strtod(text, &end);
    if (end == text || *end || !(number >= low && number <= high))
        return fail(ERR_USAGE, "%s %s: a number from %g to %g was expected", option, text, low,
                    high);
    *value = number;
    return OK;
}

enum status option_word(const char *option, const char *text, const char *const *words, int count,
                        int *index)
{
    char known[256] = "";
    for (int i = 0; i < count; i++) {
        size_t used = strlen(known);
        if (strcmp(text, words[i]) == 0) {
            *index = i;
            return OK;
        }
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", words[i]);
    }
    return fail(ERR_USAGE, "%s %s: one of these was expected: %s", option, text, known);
}

enum status option_switch(const char *option, const char *text, bool *value)
{
    static const char *const words[] = {"off", "on"};
    int index;
    TRY(option_word(option, text, words, 2, &index));
    *value = index == 1;
    return OK;
}

static int count_items(const char *text)
{
    int count = 1;
    for (; *text; text++)
        count += *text == ',';
    return count;
}

enum status option_split(const char *option, const char *text, struct option_list *list)
{
    *list = (struct option_list){.text = strdup(text), .count = count_items(text)};
    list->items = calloc((size_t)list->count, sizeof *list->items);
    if (!list->text || !list->items) {
        option_list_free(list);
        return fail(ERR_MEMORY, "no memory for the value of %s", option);
    }
    char *at = list->text;
    for (int i = 0; i < list->count; i++) {
        list->items[i] = strsep(&at, ",");
        if (list->items[i][strspn(list->items[i], " \t")] == '\0') {
            option_list_free(list);
            return fail(ERR_USAGE, "%s '%s': an item is empty (',' separates items)", option, text);
        }
    }
    return OK;
}

void option_list_free(struct option_list *list)
{
    free(list->text);
    free(list->items);
    *list = (struct option_list){0};
}

static enum status add_impl(const char *option, const struct impl *impl, const struct impl **list,
                            int *count)
{
    for (int i = 0; i < *count; i++)
        if (list[i] == impl)
            return fail(ERR_USAGE, "%s: %s is named twice", option, impl->name);
    if (*count == OPTION_IMPLS)
        return fail(ERR_USAGE, "%s: more than %d implementations", option, OPTION_IMPLS);
    list[(*count)++] = impl;
    return OK;
}

static enum status add_impls(const char *option, const struct option_list *names,
                             const struct impl **list, int *count)
{
    for (int i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], "all") == 0) {
            for (int k = 0; impls[k]; k++)
                TRY(add_impl(option, impls[k], list, count));
            continue;
        }
        const struct impl *impl = impl_find(names->items[i]);
        if (!impl)
            return fail_prefix(ERR_USAGE, "%s", option);
        TRY(add_impl(option, impl, list, count));
    }
    return OK;
}

enum status option_impls(const char *option, const char *text, const struct impl **list,
                         int *count)
{
    struct option_list names;
    *count = 0;
    TRY(option_split(option, text, &names));
    enum status status = add_impls(option, &names, list, count);
    option_list_free(&names);
    return status;
}

static enum status add_int(const char *option, const char *text, int low, int high, int *values,
                           int *count)
{
    int value = low;
    TRY(option_int(option, text, low, high, &value));
    for (int i = 0; i < *count; i++)
        if (values[i] == value)
            return fail(ERR_USAGE, "%s: %d is named twice", option, value);
    if (*count == OPTION_NUMBERS)
        return fail(ERR_USAGE, "%s: more than %d numbers", option, OPTION_NUMBERS);
    values[(*count)++] = value;
    return OK;
}

enum status option_ints(const char *option, const char *text, int low, int high, int *values,
                        int *count)
{
    struct option_list items;
    *count = 0;
    TRY(option_split(option, text, &items));
    enum status status = OK;
    for (int i = 0; status == OK && i < items.count; i++)
        status = add_int(option, items.items[i], low, high, values, count);
    option_list_free(&items);
    return status;
}

enum status option_dtypes(const char *option, const char *text, enum dtype *list, int *count)
{
    struct option_list items;
    TRY(option_split(option, text, &items));
    enum status status = OK;
    *count = 0;
    for (int i = 0; status == OK && i < items.count; i++) {
        enum dtype dtype = DTYPE_F32;
        status = dtype_parse(option, items.items[i], &dtype);
        for (int k = 0; status == OK && k < *count; k++)
            if (list[k] == dtype)
                status = fail(ERR_USAGE, "%s: %s is named twice", option, items.items[i]);
        if (status == OK)
            list[(*count)++] = dtype;
    }
    option_list_free(&items);
    return status;
}

bool option_has_bf16(const enum dtype *dtypes, int count)
{
    for (int d = 0; d < count; d++)
        if (dtypes[d] == DTYPE_BF16)
            return true;
    return false;
}

enum status option_check_bf16(const char *option, const enum dtype *dtypes, int dtype_count,
                              const struct impl *const *list, int count)
{
    const bool asked = option_has_bf16(dtypes, dtype_count);
    bool offered = false;
    for (int i = 0; i < count; i++)
        offered |= impl_offers_bf16(list[i]) == OK;
    return !asked || offered ? OK : fail_prefix(impl_offers_bf16(list[count - 1]), "%s bf16",
                                                option);
}

enum status option_size(const char *option, const char *text, int low, int high, int *h, int *w)
{
    char copy[32];
    if (strlen(text) >= sizeof copy)
        return fail(ERR_USAGE, "%s: 'SIDE' or 'HEIGHTxWIDTH' was expected", option);
    strcpy(copy, text);
    char *cross = strchr(copy, 'x');
    if (cross)
        *cross = '\0';
    TRY(option_int(option, copy, low, high, h));
    *w = *h;
    return cross ? option_int(option, cross + 1, low, high, w) : OK;
}

void option_shown(const char *text, char *out, size_t size)
{
    json_t *sound = json_string(text); /* NULL when it is not UTF-8 */
    safetensors_printable(text, out, size);
    for (; !sound && *out; out++)
        if ((unsigned char)*out >= 0x80)
            *out = '?';
    json_decref(sound);
}
