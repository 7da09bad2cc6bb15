/* Reading of case files: see cases.h. */
#include "tests/cases.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum status append(struct cases *cases, const struct op_desc *desc)
{
    struct op_desc *grown = realloc(cases->desc, ((size_t)cases->count + 1) * sizeof *grown);
    if (!grown)
        return fail(ERR_MEMORY, "no memory for case %d", cases->count + 1);
    cases->desc = grown;
    cases->desc[cases->count++] = *desc;
    return OK;
}

static enum status read_line(char *line, struct cases *cases)
{
    struct op_desc desc;
    line[strcspn(line, "#\r\n")] = '\0';
    if (line[strspn(line, " \t")] == '\0')
        return OK;
    if (op_parse(line, &desc) != OK)
        return ERR_FORMAT;
    return append(cases, &desc);
}

enum status cases_read(const char *path, struct cases *cases)
{
    char line[512];
    enum status status = OK;
    *cases = (struct cases){0};
    FILE *file = fopen(path, "r");
    if (!file)
        return fail(ERR_IO, "%s: %s", path, strerror(errno));
    for (int number = 1; status == OK && fgets(line, sizeof line, file); number++) {
        status = read_line(line, cases);
        if (status != OK)
            fail_prefix(status, "%s:%d", path, number);
    }
    fclose(file);
    if (status == OK && cases->count == 0)
        status = fail(ERR_FORMAT, "%s: holds no case", path);
    if (status != OK)
        cases_free(cases);
    return status;
}

void cases_free(struct cases *cases)
{
    free(cases->desc);
    *cases = (struct cases){0};
}
