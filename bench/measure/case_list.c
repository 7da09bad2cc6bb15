/* Lists of layer cases: see case_list.h. */
#include "bench/measure/case_list.h"
#include "bench/measure/benchdnn_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096, NESTED_MOST = 8 };

/* What one item is read with. */
struct reading {
    struct case_list *cases;
    struct benchdnn_sink sink;
    struct benchdnn_reader reader;
    const char *path; /* of the file being read; NULL: none */
    int depth;        /* files that are open */
};

/* ---- the list ---- */

static enum status reserve(struct case_list *cases)
{
    if (cases->count < cases->capacity)
        return OK;
    int capacity = cases->capacity ? 2 * cases->capacity : 32;
    struct op_desc *list = realloc(cases->list, (size_t)capacity * sizeof *list);
    if (list)
        cases->list = list;
    struct case_info *info = realloc(cases->info, (size_t)capacity * sizeof *info);
    if (info)
        cases->info = info;
    if (!list || !info)
        return fail(ERR_MEMORY, "no memory for %d cases", capacity);
    cases->capacity = capacity;
    return OK;
}

static enum status append(struct case_list *cases, const struct op_desc *desc,
                          const struct case_info *info)
{
    TRY(reserve(cases));
    cases->list[cases->count] = *desc;
    cases->info[cases->count++] = *info;
    return OK;
}

/* `count` more of `what`; the last place takes whatever finds no other. */
static void tally(struct case_tally *tallies, const char *what, int count)
{
    int i = 0;
    while (i < CASE_TALLIES - 1 && tallies[i].count > 0 && strcmp(tallies[i].what, what) != 0)
        i++;
    if (tallies[i].count == 0)
        snprintf(tallies[i].what, sizeof tallies[i].what, "%.63s",
                 i < CASE_TALLIES - 1 ? what : "others");
    tallies[i].count += count;
}

static int tally_sum(const struct case_tally *tallies)
{
    int sum = 0;
    for (int i = 0; i < CASE_TALLIES; i++)
        sum += tallies[i].count;
    return sum;
}

/* Appends "three-dimensional (7), ..." to a text. */
static void print_tallies(const struct case_tally *tallies, char *text, size_t size)
{
    for (int i = 0; i < CASE_TALLIES && tallies[i].count > 0; i++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s (%d)", i ? ", " : "", tallies[i].what,
                 tallies[i].count);
    }
}

int case_list_print_scope(const struct case_list *cases, char *text, size_t size)
{
    int sum = tally_sum(cases->out_of_scope);
    text[0] = '\0';
    if (sum > 0) {
        snprintf(text, size, "%d problem%s out of scope: ", sum, sum > 1 ? "s are" : " is");
        print_tallies(cases->out_of_scope, text, size);
    }
    return sum;
}

int case_list_print_ignored(const struct case_list *cases, char *text, size_t size)
{
    int sum = tally_sum(cases->ignored);
    text[0] = '\0';
    if (sum > 0) {
        snprintf(text, size, "options without a meaning here: ");
        print_tallies(cases->ignored, text, size);
    }
    return sum;
}

void case_list_free(struct case_list *cases)
{
    free(cases->list);
    free(cases->info);
    *cases = (struct case_list){0};
}

/* ---- batches ---- */

static enum status set_batch(struct op_desc *desc, int batch)
{
    for (int i = 0; i < op_sources(desc->kind); i++)
        desc->src[i].n = batch;
    return op_infer(desc);
}

enum status case_list_batches(struct case_list *cases, const int *batches, int count)
{
    struct case_list all = {0};
    enum status status = OK;
    for (int i = 0; status == OK && i < cases->count; i++)
        for (int k = 0; status == OK && k < count; k++) {
            struct op_desc desc = cases->list[i];
            status = set_batch(&desc, batches[k]);
            if (status == OK)
                status = append(&all, &desc, &cases->info[i]);
        }
    free(status == OK ? cases->list : all.list);
    free(status == OK ? cases->info : all.info);
    if (status == OK) {
        cases->list = all.list;
        cases->info = all.info;
        cases->count = all.count;
        cases->capacity = all.capacity;
    }
    return status;
}

/* ---- lines ---- */

static bool starts_with_operation(const char *text)
{
    size_t length = strcspn(text, " \t\r\n");
    for (int k = 0; k < OP_KINDS; k++) {
        const char *name = op_name((enum op_kind)k);
        if (strlen(name) == length && strncmp(name, text, length) == 0)
            return true;
    }
    return false;
}

static enum status add_operation(struct reading *r, const char *text)
{
    struct op_desc desc;
    TRY(benchdnn_end(&r->reader));
    TRY(op_parse(text, &desc));
    return append(r->cases, &desc, &(struct case_info){0});
}

/* Whether a line can only be benchdnn's: an option, a descriptor, or the rest of a word. */
static bool is_benchdnn(const struct reading *r, const char *text)
{
    return r->reader.continued || text[0] == '-' || text[0] == '\\' || benchdnn_starts(text);
}

static enum status add_words(struct reading *r, char *text)
{
    char *rest;
    for (char *word = strtok_r(text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest))
        TRY(benchdnn_word(&r->reader, word));
    return OK;
}

static enum status add_line(struct reading *r, char *line)
{
    line[strcspn(line, "#\r\n")] = '\0';
    char *text = line + strspn(line, " \t");
    if (!*text)
        return OK;
    if (is_benchdnn(r, text))
        return add_words(r, text);
    if (starts_with_operation(text))
        return add_operation(r, text);
    TRY(benchdnn_end(&r->reader)); /* it may say which driver is next */
    return r->reader.driver != BENCHDNN_ANY ? add_words(r, text) : add_operation(r, text);
}

/* ---- files ---- */

static enum status add_lines(struct reading *r, FILE *file, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t read;
    enum status status = OK;
    int number = 0;
    while (status == OK && (read = getline(&line, &size, file)) >= 0) {
        number++;
        status = strlen(line) == (size_t)read
                     ? add_line(r, line)
                     : fail(ERR_FORMAT, "holds a NUL character; a text file of cases was expected");
    }
    if (status == OK)
        status = benchdnn_end(&r->reader);
    if (status != OK)
        fail_prefix(status, "%s, line %d", path, number);
    else if (ferror(file))
        status = fail(ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    free(line);
    return status;
}

static enum status add_file(struct reading *r, const char *path)
{
    struct stat info;
    const char *outer = r->path;
    if (stat(path, &info) != 0)
        return fail(ERR_USAGE, "'%s' is neither an operation nor a file that can be read (%s)",
                    path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return fail(ERR_IO, "%s: not a regular file", path);
    if (r->depth == NESTED_MOST)
        return fail(ERR_FORMAT, "%s: more than %d files within each other", path, NESTED_MOST);
    FILE *file = fopen(path, "r");
    if (!file)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    r->path = path;
    r->depth++;
    enum status status = add_lines(r, file, path);
    r->depth--;
    r->path = outer;
    fclose(file);
    return status;
}

/* ---- what benchdnn's words lead to ---- */

static enum status sink_add(void *data, const struct op_desc *desc, const char *name,
                            unsigned passes)
{
    const struct reading *r = data;
    struct case_info info = {.passes = passes};
    snprintf(info.name, sizeof info.name, "%s", name);
    return append(r->cases, desc, &info);
}

static void sink_skip(void *data, const char *reason)
{
    const struct reading *r = data;
    tally(r->cases->out_of_scope, reason, 1);
}

static void sink_ignore(void *data, const char *option)
{
    const struct reading *r = data;
    tally(r->cases->ignored, option, 1);
}

/* A file beside the one that names it, or as seen from here. */
static enum status sink_batch(void *data, const char *name)
{
    struct reading *r = data;
    char path[PATH_SIZE];
    struct stat info;
    const char *slash = r->path ? strrchr(r->path, '/') : NULL;
    int folder = slash && name[0] != '/' ? (int)(slash - r->path) + 1 : 0;
    int length = snprintf(path, sizeof path, "%.*s%s", folder, folder ? r->path : "", name);
    if (length >= PATH_SIZE)
        return fail(ERR_FORMAT, "--batch: the path is longer than %d characters", PATH_SIZE - 1);
    return add_file(r, folder && stat(path, &info) != 0 ? name : path);
}

/* ---- items ---- */

/* "conv:REST": the driver, and REST in *item. */
static enum status take_prefix(struct reading *r, const char **item)
{
    size_t length = strcspn(*item, ":");
    if ((*item)[length] != ':')
        return OK;
    enum benchdnn_driver driver = benchdnn_driver_find(*item, length);
    if (driver == BENCHDNN_OTHER)
        return fail(ERR_USAGE, "'%s': of benchdnn's drivers conv, pool, ip and bnorm are known "
                    "here", *item);
    if (driver != BENCHDNN_ANY)
        *item += length + 1;
    r->reader.driver = driver;
    return OK;
}

static enum status add_text(struct reading *r, const char *item)
{
    char *copy = strdup(item);
    enum status status = copy ? add_line(r, copy) : fail(ERR_MEMORY, "no memory for a case");
    free(copy);
    return status == OK ? benchdnn_end(&r->reader) : status;
}

static enum status add_item(struct reading *r, const char *item)
{
    struct stat info;
    if (starts_with_operation(item))
        return add_text(r, item);
    TRY(take_prefix(r, &item));
    bool is_file = stat(item, &info) == 0;
    return !is_file && (item[0] == '-' || benchdnn_starts(item)) ? add_text(r, item)
                                                                 : add_file(r, item);
}

enum status case_list_add(struct case_list *cases, const char *item)
{
    struct reading r = {.cases = cases};
    struct case_tally earlier[CASE_TALLIES];
    char scope[512];
    int before = cases->count;
    memcpy(earlier, cases->out_of_scope, sizeof earlier);
    memset(cases->out_of_scope, 0, sizeof earlier);
    r.sink = (struct benchdnn_sink){&r, sink_add, sink_skip, sink_ignore, sink_batch};
    r.reader.sink = &r.sink;
    enum status status = add_item(&r, item);
    int left_out = case_list_print_scope(cases, scope, sizeof scope);
    for (int i = 0; i < CASE_TALLIES && earlier[i].count > 0; i++)
        tally(cases->out_of_scope, earlier[i].what, earlier[i].count);
    if (status != OK || cases->count > before)
        return status;
    return left_out > 0
               ? fail(ERR_UNSUPPORTED, "%s: holds no case that can run here; %s", item, scope)
               : fail(ERR_FORMAT, "%s: holds no case", item);
}
