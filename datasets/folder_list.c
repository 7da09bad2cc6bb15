/* Names of classes and files: see folder_list.h. Opens no picture. */
#include "datasets/folder_list.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4 * DATA_TEXT_MAX, NAMES_TEXT = 500, FILES_MAX = 10000000 };

/* Entries of a directory, sorted, without hidden ones. */
struct entries {
    struct dirent **entry;
    int n;
};

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Not alphasort(), whose order depends on the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void entries_free(struct entries *e)
{
    for (int i = 0; i < e->n; i++)
        free(e->entry[i]);
    free(e->entry);
    *e = (struct entries){0};
}

static enum status entries_read(struct entries *e, const char *path)
{
    *e = (struct entries){0};
    int n = scandir(path, &e->entry, is_visible, by_bytes);
    if (n < 0)
        return fail(errno == ENOMEM ? ERR_MEMORY : ERR_IO, "%s: cannot be listed: %s", path,
                    strerror(errno));
    e->n = n;
    return OK;
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

void folder_show_name(char *text, size_t size, const char *name)
{
    size_t i = 0;
    for (; name[i] && i + 1 < size; i++)
        text[i] = (unsigned char)name[i] < ' ' || name[i] == 0x7f ? '?' : name[i];
    text[i] = '\0';
}

bool folder_append_name(char *text, size_t size, const char *name)
{
    char shown[DATA_TEXT_MAX];
    const size_t used = strlen(text);
    folder_show_name(shown, sizeof shown, name);
    const int length = snprintf(text + used, size - used, "%s%s", used ? ", " : "", shown);
    if ((size_t)length < size - used)
        return true;
    text[used] = '\0';
    return false;
}

/* Bytes of the UTF-8 sequence that `lead` begins; 0 when it begins none. */
static int sequence_length(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead < 0xe0)
        return 2;
    if (lead >= 0xe0 && lead < 0xf0)
        return 3;
    return lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
}

/* UTF-8 without control characters (RFC 3629: no surrogates, no overlong forms): class names go
 * into JSON and tables. */
static bool is_printable(const char *name)
{
    const unsigned char *p = (const unsigned char *)name;
    while (*p) {
        const int length = sequence_length(*p);
        if (length == 0 || *p < ' ' || *p == 0x7f)
            return false;
        for (int i = 1; i < length; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
            (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
            return false;
        p += length;
    }
    return true;
}

static enum status check_class_name(const char *part, const char *name)
{
    char shown[NAME_MAX + 1];
    folder_show_name(shown, sizeof shown, name);
    if (strlen(name) >= DATA_NAME_MAX)
        return fail(ERR_FORMAT, "%s/%s: a class name of at most %d bytes was expected", part, shown,
                    DATA_NAME_MAX - 1);
    if (!is_printable(name))
        return fail(ERR_FORMAT, "%s/%s: the class name is no UTF-8 text, or has a control "
                    "character", part, shown);
    return OK;
}

/* The class folders of one part. */
struct classes {
    char (*name)[DATA_NAME_MAX];
    int n;
};

static enum status add_class(struct classes *c, const char *dir, const char *part, const char *name)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s/%s", dir, part, name);
    if (!is_directory(path))
        return OK;
    TRY(check_class_name(part, name));
    if (c->n == DATA_CLASSES_MAX)
        return fail(ERR_FORMAT, "%s has more than %d class folders", part, DATA_CLASSES_MAX);
    memcpy(c->name[c->n++], name, strlen(name) + 1);
    return OK;
}

static enum status check_part_exists(const char *dir, const char *part, const char *path)
{
    char other[PATH_SIZE];
    if (is_directory(path))
        return OK;
    snprintf(other, sizeof other, "%s/test", dir);
    return fail(ERR_IO, "there is no directory %s: DIR/train/CLASS/ and DIR/val/CLASS/ were "
                "expected%s", part, strcmp(part, "val") == 0 && is_directory(other)
                ? " (there is a test: rename it to val)" : "");
}

static enum status list_classes(struct classes *c, const char *dir, const char *part)
{
    char path[PATH_SIZE];
    struct entries e;
    snprintf(path, sizeof path, "%s/%s", dir, part);
    TRY(check_part_exists(dir, part, path));
    c->name = calloc(DATA_CLASSES_MAX, sizeof *c->name);
    if (!c->name)
        return fail(ERR_MEMORY, "out of memory for class names");
    enum status status = entries_read(&e, path);
    for (int i = 0; i < e.n && status == OK; i++)
        status = add_class(c, dir, part, e.entry[i]->d_name);
    entries_free(&e);
    return status;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static bool has_class(const struct classes *c, const char *name)
{
    return bsearch(name, c->name, (size_t)c->n, sizeof *c->name, compare_names) != NULL;
}

/* Names of `c` that `other` lacks into `text`; returns how many. */
static int missing_classes(const struct classes *c, const struct classes *other, char *text,
                           size_t size)
{
    int count = 0;
    text[0] = '\0';
    for (int i = 0; i < c->n; i++) {
        if (has_class(other, c->name[i]))
            continue;
        count++;
        folder_append_name(text, size, c->name[i]);
    }
    return count;
}

static enum status check_classes(const struct classes *train, const struct classes *val)
{
    char in_train[NAMES_TEXT / 2], in_val[NAMES_TEXT / 2];
    int more = missing_classes(train, val, in_train, sizeof in_train);
    int fewer = missing_classes(val, train, in_val, sizeof in_val);
    if (more || fewer)
        return fail(ERR_FORMAT, "train and val must have the same classes: only in train (%d): %s; "
                    "only in val (%d): %s", more, more ? in_train : "none", fewer,
                    fewer ? in_val : "none");
    if (train->n < 2)
        return fail(ERR_FORMAT, "train has %d class folders, at least 2 were expected", train->n);
    return OK;
}

static enum status part_grow(struct folder_part *part, int more)
{
    const size_t n = (size_t)part->n + (size_t)more;
    if (n > FILES_MAX)
        return fail(ERR_FORMAT, "more than %d files in one part", FILES_MAX);
    char **path = realloc(part->path, (n + 1) * sizeof *path);
    if (path)
        part->path = path;
    int32_t *label = realloc(part->label, (n + 1) * sizeof *label);
    if (label)
        part->label = label;
    return path && label ? OK : fail(ERR_MEMORY, "out of memory for %zu file names", n);
}

static enum status add_files(struct folder_part *part, const char *name, const char *class_name,
                             int label, const struct entries *e)
{
    TRY(part_grow(part, e->n));
    for (int i = 0; i < e->n; i++) {
        char *path;
        if (asprintf(&path, "%s/%s/%s", name, class_name, e->entry[i]->d_name) < 0)
            return fail(ERR_MEMORY, "out of memory for a file name");
        part->label[part->n] = label;
        part->path[part->n++] = path;
    }
    return OK;
}

/* The files of one class; adds the class to `empty` when there are none. */
static enum status list_class(struct folder_part *part, const char *dir, const char *name,
                              const char *class_name, int label, char *empty)
{
    char path[PATH_SIZE];
    struct entries e;
    snprintf(path, sizeof path, "%s/%s/%s", dir, name, class_name);
    TRY(entries_read(&e, path));
    enum status status = add_files(part, name, class_name, label, &e);
    if (e.n == 0) {
        snprintf(path, sizeof path, "%s/%s", name, class_name);
        folder_append_name(empty, NAMES_TEXT, path);
    }
    entries_free(&e);
    return status;
}

static enum status list_files(struct folder_list *list, const char *dir)
{
    char empty[NAMES_TEXT] = "";
    for (int k = 0; k < list->classes; k++) {
        TRY(list_class(&list->train, dir, "train", list->class_name[k], k, empty));
        TRY(list_class(&list->val, dir, "val", list->class_name[k], k, empty));
    }
    if (empty[0])
        return fail(ERR_FORMAT, "class folders without a picture: %s", empty);
    return OK;
}

static enum status make(struct folder_list *list, const char *dir)
{
    struct classes train = {0}, val = {0};
    enum status status = list_classes(&train, dir, "train");
    if (status == OK)
        status = list_classes(&val, dir, "val");
    if (status == OK)
        status = check_classes(&train, &val);
    free(val.name);
    list->class_name = train.name;
    list->classes = train.n;
    return status == OK ? list_files(list, dir) : status;
}

enum status folder_list_make(struct folder_list *list, const char *dir)
{
    *list = (struct folder_list){0};
    enum status status = make(list, dir);
    if (status == OK)
        return OK;
    folder_list_free(list);
    return fail_prefix(status, "%s", dir);
}

static void part_free(struct folder_part *part)
{
    for (int i = 0; i < part->n; i++)
        free(part->path[i]);
    free(part->path);
    free(part->label);
}

void folder_list_free(struct folder_list *list)
{
    part_free(&list->train);
    part_free(&list->val);
    free(list->class_name);
    *list = (struct folder_list){0};
}
