/* Lists of layer cases: see case_list.h. */
#include "bench/measure/case_list.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum status append(struct case_list *cases, const struct op_desc *desc)
{
    if (cases->count == cases->capacity) {
        int capacity = cases->capacity ? 2 * cases->capacity : 32;
        struct op_desc *grown = realloc(cases->list, (size_t)capacity * sizeof *grown);
        if (!grown)
            return fail(ERR_MEMORY, "no memory for %d cases", capacity);
        cases->list = grown;
        cases->capacity = capacity;
    }
    cases->list[cases->count++] = *desc;
    return OK;
}

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

static enum status add_text(struct case_list *cases, const char *text)
{
    struct op_desc desc;
    TRY(op_parse(text, &desc));
    return append(cases, &desc);
}

/* `read` characters of a line with its end. */
static enum status add_line(struct case_list *cases, char *line, size_t read)
{
    if (strlen(line) != read)
        return fail(ERR_FORMAT, "holds a NUL character; a text file of cases was expected");
    line[strcspn(line, "#\r\n")] = '\0';
    const char *text = line + strspn(line, " \t");
    return *text ? add_text(cases, text) : OK;
}

static enum status add_lines(struct case_list *cases, FILE *file, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t read;
    enum status status = OK;
    for (int number = 1; status == OK && (read = getline(&line, &size, file)) >= 0; number++) {
        status = add_line(cases, line, (size_t)read);
        if (status != OK)
            fail_prefix(status, "%s, line %d", path, number);
    }
    if (status == OK && ferror(file))
        status = fail(ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
    free(line);
    return status;
}

static enum status add_file(struct case_list *cases, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return fail(ERR_USAGE, "'%s' is neither an operation nor a file that can be read (%s)",
                    path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return fail(ERR_IO, "%s: not a regular file", path);
    FILE *file = fopen(path, "r");
    if (!file)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    int before = cases->count;
    enum status status = add_lines(cases, file, path);
    fclose(file);
    if (status == OK && cases->count == before)
        return fail(ERR_FORMAT, "%s: holds no case", path);
    return status;
}

enum status case_list_add(struct case_list *cases, const char *item)
{
    return starts_with_operation(item) ? add_text(cases, item) : add_file(cases, item);
}

void case_list_free(struct case_list *cases)
{
    free(cases->list);
    *cases = (struct case_list){0};
}
