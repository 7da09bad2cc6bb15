/* Status codes and their messages: see status.h. Knows nothing of what failed. */
#include "impls/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local char message[1024];

enum status fail(enum status code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return code;
}

enum status fail_prefix(enum status code, const char *format, ...)
{
    char old[sizeof message], head[256];
    memcpy(old, message, sizeof old);
    va_list args;
    va_start(args, format);
    vsnprintf(head, sizeof head, format, args);
    va_end(args);
    snprintf(message, sizeof message, "%s: %.700s", head, old);
    return code;
}

const char *fail_text(void)
{
    return message;
}

void check_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "%s:%d: internal error, please report: CHECK(%s)\n", file, line, cond);
    abort();
}
