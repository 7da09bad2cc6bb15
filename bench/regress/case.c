/* Cases and targets of the regression check: see case.h. */
#include "bench/regress/case.h"

#include "bench/models/model.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char network_word[] = "network";

const char *regress_pass_name(enum regress_pass pass)
{
    static const char *const names[REGRESS_PASSES] = {"fwd", "bwd", "infer", "step"};
    return names[pass];
}

/* ---- one case ---- */

static bool first_word_is(const char *text, const char *word)
{
    size_t length = strcspn(text, " \t\r\n");
    return strlen(word) == length && strncmp(text, word, length) == 0;
}

static enum status parse_number(const char *word, const char *key, int high, int *value)
{
    char *end;
    long number = strtol(word + strlen(key), &end, 10);
    if (*end || end == word + strlen(key) || number < 1 || number > high)
        return fail(ERR_USAGE, "'%s': %s and a whole number from 1 to %d was expected", word, key,
                    high);
    *value = (int)number;
    return OK;
}

static enum status parse_word(struct regress_case *subject, const char *word)
{
    static const char classes[] = "classes", winograd[] = "winograd";
    if (!subject->model[0]) {
        snprintf(subject->model, sizeof subject->model, "%s", word);
        return OK;
    }
    if (!subject->attention[0]) {
        snprintf(subject->attention, sizeof subject->attention, "%s", word);
        return OK;
    }
    if (strncmp(word, classes, sizeof classes - 1) == 0)
        return parse_number(word, classes, 100000, &subject->classes);
    if (strcmp(word, winograd) == 0) {
        subject->winograd = true;
        return OK;
    }
    if (word[0] == 'n')
        return parse_number(word, "n", 4096, &subject->batch);
    if (word[0] == 'i')
        return parse_number(word, "i", 4096, &subject->size);
    return fail(ERR_USAGE, "'%s': nN, iN, classesN or winograd was expected behind a network",
                word);
}

static enum status parse_network(struct regress_case *subject, const char *text)
{
    struct model_spec spec;
    char copy[sizeof subject->text], *rest = copy;
    *subject = (struct regress_case){.network = true, .batch = 1, .size = 32, .classes = 10};
    if (strlen(text) >= sizeof copy)
        return fail(ERR_USAGE, "a case of more than %zu characters", sizeof copy - 1);
    strcpy(copy, text);
    strsep(&rest, " \t");
    for (const char *word; (word = strsep(&rest, " \t"));)
        if (*word)
            TRY(parse_word(subject, word));
    if (!subject->attention[0])
        return fail(ERR_USAGE, "'%s': a model and an attention were expected behind 'network'",
                    text);
    TRY(model_parse(subject->model, subject->attention, &spec));
    int used = snprintf(subject->text, sizeof subject->text, "network %s %s n%d i%d classes%d%s",
                        subject->model, subject->attention, subject->batch, subject->size,
                        subject->classes, subject->winograd ? " winograd" : "");
    return used < (int)sizeof subject->text ? OK : fail(ERR_USAGE, "'%s' is too long", text);
}

enum status regress_case_parse(struct regress_case *subject, const char *text)
{
    text += strspn(text, " \t");
    if (first_word_is(text, network_word))
        return parse_network(subject, text);
    *subject = (struct regress_case){.network = false};
    TRY(op_parse(text, &subject->desc));
    op_print(&subject->desc, subject->text, sizeof subject->text);
    return OK;
}

/* ---- lists ---- */

static enum status append(struct regress_list *cases, const struct regress_case *subject)
{
    for (int i = 0; i < cases->count; i++)
        if (strcmp(cases->list[i].text, subject->text) == 0)
            return OK;
    if (cases->count == cases->capacity) {
        int capacity = cases->capacity ? 2 * cases->capacity : 32;
        struct regress_case *grown = realloc(cases->list, (size_t)capacity * sizeof *grown);
        if (!grown)
            return fail(ERR_MEMORY, "no memory for %d cases", capacity);
        cases->list = grown;
        cases->capacity = capacity;
    }
    cases->list[cases->count++] = *subject;
    return OK;
}

static enum status add_text(struct regress_list *cases, const char *text)
{
    struct regress_case subject;
    TRY(regress_case_parse(&subject, text));
    return append(cases, &subject);
}

static enum status add_lines(struct regress_list *cases, FILE *file, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t read;
    enum status status = OK;
    for (int number = 1; status == OK && (read = getline(&line, &size, file)) >= 0; number++) {
        if (strlen(line) != (size_t)read)
            status = fail(ERR_FORMAT, "holds a NUL character; a text file of cases was expected");
        line[strcspn(line, "#\r\n")] = '\0';
        if (status == OK && line[strspn(line, " \t")])
            status = add_text(cases, line);
        if (status != OK)
            fail_prefix(status, "%s, line %d", path, number);
    }
    if (status == OK && ferror(file))
        status = fail(ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    free(line);
    return status;
}

static enum status add_file(struct regress_list *cases, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return fail(ERR_USAGE, "'%s' is neither a case nor a file that can be read (%s)", path,
                    strerror(errno));
    if (!S_ISREG(info.st_mode))
        return fail(ERR_USAGE, "%s: not a regular file", path);
    FILE *file = fopen(path, "r");
    if (!file)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    enum status status = add_lines(cases, file, path);
    fclose(file);
    return status;
}

static bool starts_case(const char *text)
{
    text += strspn(text, " \t");
    bool found = first_word_is(text, network_word);
    for (int k = 0; k < OP_KINDS && !found; k++)
        found = first_word_is(text, op_name((enum op_kind)k));
    return found;
}

enum status regress_list_add(struct regress_list *cases, const char *item)
{
    return starts_case(item) ? add_text(cases, item) : add_file(cases, item);
}

void regress_list_free(struct regress_list *cases)
{
    free(cases->list);
    *cases = (struct regress_list){0};
}

/* ---- targets ---- */

static bool match_one(const char *pattern, const char *name)
{
    if (strpbrk(pattern, "*?["))
        return fnmatch(pattern, name, FNM_NOESCAPE) == 0;
    return strstr(name, pattern) != NULL;
}

bool regress_match(const char *pattern, const char *name)
{
    char one[sizeof ((struct regress_target *)0)->name];
    for (;;) {
        size_t length = strcspn(pattern, "|");
        snprintf(one, sizeof one, "%.*s", (int)length, pattern);
        if (one[0] && match_one(one, name))
            return true;
        if (!pattern[length])
            return false;
        pattern += length + 1;
    }
}

static bool offers(const struct impl *impl, const struct regress_case *subject,
                   enum regress_pass pass)
{
    if (subject->winograd && !impl->ops[OP_CONV2D]->winograd)
        return false;
    if (subject->network)
        return pass == REGRESS_INFER || pass == REGRESS_STEP;
    const struct op_entry *entry = impl->ops[subject->desc.kind];
    return entry && (pass == REGRESS_FWD || (pass == REGRESS_BWD && entry->backward));
}

static void add_target(struct regress_targets *targets, const struct regress_case *subject,
                       const struct impl *impl, enum regress_pass pass, const char *filter)
{
    struct regress_target *target = &targets->list[targets->count];
    *target = (struct regress_target){.subject = subject, .impl = impl, .pass = pass};
    snprintf(target->name, sizeof target->name, "%s %s %s", impl->name, regress_pass_name(pass),
             subject->text);
    if (!filter || regress_match(filter, target->name))
        targets->count++;
}

enum status regress_targets_make(struct regress_targets *targets, const struct regress_list *cases,
                                 const struct impl *const *impls_asked, int impl_count,
                                 const char *filter)
{
    size_t most = (size_t)cases->count * (size_t)impl_count * REGRESS_PASSES;
    *targets = (struct regress_targets){.list = calloc(most + 1, sizeof *targets->list)};
    if (!targets->list)
        return fail(ERR_MEMORY, "no memory for %zu cases", most);
    for (int c = 0; c < cases->count; c++)
        for (int i = 0; i < impl_count; i++)
            for (int pass = 0; pass < REGRESS_PASSES; pass++)
                if (offers(impls_asked[i], &cases->list[c], (enum regress_pass)pass))
                    add_target(targets, &cases->list[c], impls_asked[i], (enum regress_pass)pass,
                               filter);
    return OK;
}

void regress_targets_free(struct regress_targets *targets)
{
    free(targets->list);
    *targets = (struct regress_targets){0};
}
