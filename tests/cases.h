/* Case files: one operation a line in the text form of impls/ops.h, '#' to the end of the line. */
#ifndef TESTS_CASES_H
#define TESTS_CASES_H

#include "impls/ops.h"

struct cases {
    struct op_desc *desc; /* [count], owned */
    int count;
};

/* Reads the file. ERR_IO, or ERR_FORMAT naming file and line; nothing is left to free then. */
enum status cases_read(const char *path, struct cases *cases);
void cases_free(struct cases *cases);

#endif
