/* Rows of what `cbam-bench regress ... --format json` prints. */
#ifndef TESTS_REGRESS_ROWS_H
#define TESTS_REGRESS_ROWS_H

#include "tests/command.h"
#include "tests/temp_dir.h"

/* The first row whose case has `part` in its name; fails when there is none. */
static inline const json_t *regress_row_of(const json_t *json, const char *part)
{
    size_t i;
    json_t *row, *rows = json_object_get(json, "rows");
    json_array_foreach(rows, i, row)
        if (strstr(command_text(row, "case"), part))
            return row;
    fail_msg("no row '%s'", part);
    return NULL;
}

#endif
