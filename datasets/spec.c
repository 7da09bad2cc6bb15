/* Data specifications: see spec.h. Opens no file. */
#include "datasets/spec.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char padded_options[] = "classes, per-class, val, test-per-class, size, pad";
static const char folder_options[] =
    "classes, per-class, val, test-per-class, size, resize, broken";

static const struct {
    const char *name;
    bool needs_dir;
    const char *options; /* for messages */
} kinds[DATA_KINDS] = {
    [DATA_FASHION_MNIST] = {"fashion-mnist", false, padded_options},
    [DATA_CIFAR10] = {"cifar10", true, padded_options},
    [DATA_CIFAR100] = {"cifar100", true, padded_options},
    [DATA_IDX] = {"idx", true, padded_options},
    [DATA_FOLDER] = {"folder", true, folder_options},
};

/* Which kinds take an option. */
enum {
    ON_FOLDER = 1 << DATA_FOLDER,
    ON_ALL = (1 << DATA_KINDS) - 1,
    ON_PADDED = ON_ALL & ~ON_FOLDER
};

static const struct number_option {
    const char *key;
    size_t field; /* an int of struct data_spec */
    int min, max;
    int on;
} numbers[] = {
    {"per-class", offsetof(struct data_spec, per_class), 1, 10000000, ON_ALL},
    {"val", offsetof(struct data_spec, val), 0, 10000000, ON_ALL},
    {"test-per-class", offsetof(struct data_spec, test_per_class), 1, 10000000, ON_ALL},
    {"size", offsetof(struct data_spec, size), 1, DATA_SIDE_MAX, ON_ALL},
    {"pad", offsetof(struct data_spec, pad), 1, DATA_SIDE_MAX / 2, ON_PADDED},
    {"resize", offsetof(struct data_spec, resize), 1, 2 * DATA_SIDE_MAX, ON_FOLDER},
};

enum {
    NUMBERS = sizeof numbers / sizeof numbers[0],
    CLASSES_BIT = NUMBERS,
    BROKEN_BIT,
    FOLDER_SIZE = 224,      /* ImageNet's networks, and 256 for the short side before the crop */
    FOLDER_SHORT_SIDE = 256,
    FOLDER_MARGIN_FROM = 64 /* smaller inputs take the whole short side */
};

static int *number_field(struct data_spec *spec, int i)
{
    return (int *)((char *)spec + numbers[i].field);
}

const char *data_kind_name(enum data_kind kind)
{
    return kinds[kind].name;
}

/* Digits at *p as a number of at most `max`; moves *p behind them. */
static bool read_number(const char **p, int max, int *out)
{
    int64_t value = 0;
    const char *start = *p;
    for (; **p >= '0' && **p <= '9'; (*p)++) {
        value = value * 10 + (**p - '0');
        if (value > max)
            return false;
    }
    *out = (int)value;
    return *p > start;
}

static enum status mark_classes(struct data_spec *spec, int first, int last)
{
    for (int k = first; k <= last; k++) {
        if (spec->class_wanted[k])
            return fail(ERR_USAGE, "classes= names class %d twice", k);
        spec->class_wanted[k] = true;
    }
    return OK;
}

static int count_wanted(const struct data_spec *spec)
{
    int count = 0;
    for (int k = 0; k < DATA_CLASSES_MAX; k++)
        count += spec->class_wanted[k];
    return count;
}

static enum status set_classes(struct data_spec *spec, const char *value)
{
    const char *p = value;
    for (;;) {
        int first, last;
        bool good = read_number(&p, DATA_CLASSES_MAX - 1, &first);
        last = first;
        if (good && *p == '-') {
            p++;
            good = read_number(&p, DATA_CLASSES_MAX - 1, &last) && first <= last;
        }
        if (!good || (*p != '+' && *p != '\0'))
            return fail(ERR_USAGE, "'classes=%s' is no class list: numbers 0 to %d were expected, "
                        "as in classes=0-4 or classes=0+2+7", value, DATA_CLASSES_MAX - 1);
        TRY(mark_classes(spec, first, last));
        if (*p++ == '\0')
            break;
    }
    spec->classes_given = true;
    if (count_wanted(spec) < 2)
        return fail(ERR_USAGE, "'classes=%s': at least 2 classes are needed", value);
    return OK;
}

static enum status set_number(struct data_spec *spec, int i, const char *value)
{
    const char *p = value;
    int number;
    if (!read_number(&p, numbers[i].max, &number) || *p != '\0' || number < numbers[i].min)
        return fail(ERR_USAGE, "'%s=%s': a whole number from %d to %d was expected",
                    numbers[i].key, value, numbers[i].min, numbers[i].max);
    *number_field(spec, i) = number;
    return OK;
}

static bool is_word(const char *key, size_t length, const char *word)
{
    return length == strlen(word) && strncmp(key, word, length) == 0;
}

/* Index of the option called `key`, CLASSES_BIT or BROKEN_BIT; -1 when `kind` has none such. */
static int find_option(enum data_kind kind, const char *key, size_t length)
{
    if (is_word(key, length, "classes"))
        return CLASSES_BIT;
    if (kind == DATA_FOLDER && is_word(key, length, "broken"))
        return BROKEN_BIT;
    for (int i = 0; i < NUMBERS; i++)
        if (numbers[i].on & 1 << kind && is_word(key, length, numbers[i].key))
            return i;
    return -1;
}

static enum status set_broken(struct data_spec *spec, const char *value)
{
    spec->skip_broken = strcmp(value, "skip") == 0;
    if (!spec->skip_broken && strcmp(value, "refuse") != 0)
        return fail(ERR_USAGE, "'broken=%s': refuse or skip was expected", value);
    return OK;
}

static enum status set_value(struct data_spec *spec, int option, const char *value)
{
    if (option == CLASSES_BIT)
        return set_classes(spec, value);
    if (option == BROKEN_BIT)
        return set_broken(spec, value);
    return set_number(spec, option, value);
}

static enum status set_option(struct data_spec *spec, const char *word, unsigned *seen)
{
    const char *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    int option = find_option(spec->kind, word, length);
    if (option < 0)
        return fail(ERR_USAGE, "unknown option '%.*s': known are %s", (int)length, word,
                    kinds[spec->kind].options);
    if (!equals)
        return fail(ERR_USAGE, "option '%s' needs a value: %s=...", word, word);
    if (*seen & 1u << option)
        return fail(ERR_USAGE, "option '%.*s' is given twice", (int)length, word);
    *seen |= 1u << option;
    return set_value(spec, option, equals + 1);
}

static enum status finish_folder(struct data_spec *spec)
{
    if (!spec->size)
        spec->size = FOLDER_SIZE;
    if (!spec->resize && spec->size < FOLDER_MARGIN_FROM)
        spec->resize = spec->size;
    else if (!spec->resize)
        spec->resize = (spec->size * FOLDER_SHORT_SIDE + FOLDER_SIZE / 2) / FOLDER_SIZE;
    if (spec->resize < spec->size)
        return fail(ERR_USAGE, "resize=%d is less than size=%d: the crop is taken from the resized "
                    "picture", spec->resize, spec->size);
    return OK;
}

static enum status finish(struct data_spec *spec, unsigned seen)
{
    bool val_given = seen & 1u << find_option(spec->kind, "val", 3);
    if (!val_given)
        spec->val = spec->per_class / 5;
    if (spec->per_class && spec->val >= spec->per_class)
        return fail(ERR_USAGE, "val=%d leaves nothing to train on of per-class=%d", spec->val,
                    spec->per_class);
    if (spec->size && spec->pad)
        return fail(ERR_USAGE, "size= and pad= exclude each other");
    return spec->kind == DATA_FOLDER ? finish_folder(spec) : OK;
}

static enum status find_kind(const char *word, enum data_kind *kind)
{
    for (int i = 0; i < DATA_KINDS; i++) {
        if (strcmp(word, kinds[i].name) == 0) {
            *kind = (enum data_kind)i;
            return OK;
        }
    }
    return fail(ERR_USAGE, "unknown data set '%s': known are fashion-mnist, cifar10:DIR, "
                "cifar100:DIR, idx:DIR, folder:DIR", word);
}

static enum status set_dir(struct data_spec *spec, const char *word)
{
    const char *name = kinds[spec->kind].name;
    if (!word || !*word)
        return fail(ERR_USAGE, "%s needs its directory: %s:DIR", name, name);
    const char *equals = strchr(word, '=');
    if (equals && find_option(spec->kind, word, (size_t)(equals - word)) >= 0)
        return fail(ERR_USAGE, "%s needs its directory before its options: %s:DIR:%s", name, name,
                    word);
    snprintf(spec->dir, sizeof spec->dir, "%s", word);
    return OK;
}

static enum status parse_words(char *words, struct data_spec *spec)
{
    unsigned seen = 0;
    char *rest = words;
    TRY(find_kind(strsep(&rest, ":"), &spec->kind));
    if (kinds[spec->kind].needs_dir)
        TRY(set_dir(spec, strsep(&rest, ":")));
    while (rest)
        TRY(set_option(spec, strsep(&rest, ":"), &seen));
    return finish(spec, seen);
}

enum status data_spec_parse(const char *text, struct data_spec *spec)
{
    char words[DATA_TEXT_MAX];
    *spec = (struct data_spec){0};
    if (strlen(text) >= sizeof words)
        return fail(ERR_USAGE, "data '%.40s...': is longer than %zu characters", text,
                    sizeof words - 1);
    if (strchr(text, ','))
        return fail(ERR_USAGE, "data '%s': one data set was expected; ',' separates the items of "
                    "a list", text);
    memcpy(words, text, strlen(text) + 1);
    enum status status = parse_words(words, spec);
    return status == OK ? OK : fail_prefix(status, "data '%s'", text);
}

/* Appends in printf form at *used, never beyond `size`. */
static void append(char *text, size_t size, size_t *used, const char *word, int number)
{
    if (*used < size)
        *used += (size_t)snprintf(text + *used, size - *used, "%s%d", word, number);
}

static void print_classes(const struct data_spec *spec, char *text, size_t size, size_t *used)
{
    const char *before = ":classes=";
    for (int k = 0; k < DATA_CLASSES_MAX; k++) {
        if (!spec->class_wanted[k])
            continue;
        int last = k;
        while (last + 1 < DATA_CLASSES_MAX && spec->class_wanted[last + 1])
            last++;
        append(text, size, used, before, k);
        if (last > k)
            append(text, size, used, "-", last);
        before = "+";
        k = last;
    }
}

void data_spec_print_options(const struct data_spec *spec, char *text, size_t size)
{
    size_t used = 0;
    if (size > 0)
        text[0] = '\0';
    if (spec->classes_given)
        print_classes(spec, text, size, &used);
    if (spec->per_class)
        append(text, size, &used, ":per-class=", spec->per_class);
    if (spec->per_class || spec->val)
        append(text, size, &used, ":val=", spec->val);
    if (spec->test_per_class)
        append(text, size, &used, ":test-per-class=", spec->test_per_class);
    if (spec->size)
        append(text, size, &used, ":size=", spec->size);
    if (spec->pad)
        append(text, size, &used, ":pad=", spec->pad);
    if (spec->resize)
        append(text, size, &used, ":resize=", spec->resize);
    if (spec->skip_broken && used < size)
        snprintf(text + used, size - used, ":broken=skip");
}

void data_spec_print(const struct data_spec *spec, char *text, size_t size)
{
    int used = snprintf(text, size, "%s%s%s", kinds[spec->kind].name, spec->dir[0] ? ":" : "",
                        spec->dir);
    if ((size_t)used < size)
        data_spec_print_options(spec, text + used, size - (size_t)used);
}
