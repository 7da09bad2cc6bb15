/* Status codes and the one-line explanation that goes with them.
 * Three classes of fault (style of the whole project):
 *   - a programmer's error stops the program at once: CHECK();
 *   - a fault of the environment or of the input is a status, with one line that names the
 *     file, option or value and what was expected: fail();
 *   - nothing below main() ever calls exit(). */
#ifndef IMPLS_BASE_STATUS_H
#define IMPLS_BASE_STATUS_H

enum status {
    OK = 0,
    ERR_USAGE,       /* an option, value or shape that cannot be */
    ERR_IO,          /* a file that cannot be opened, read or written */
    ERR_FORMAT,      /* a file whose content is not what it should be */
    ERR_MEMORY,      /* no memory */
    ERR_UNSUPPORTED, /* a plan that this implementation does not offer */
    ERR_LIBRARY,     /* a library reported a failure */
    ERR_NUMERIC      /* NaN or infinity where a number was due */
};

/* Records a one-line message (printf form, no newline) for this thread and returns `code`. */
enum status fail(enum status code, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* Puts "prefix: " before the recorded message; returns `code`. For callers that know more. */
enum status fail_prefix(enum status code, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));

/* The last message recorded by this thread; "" when there was none. Never NULL. */
const char *fail_text(void);

/* Returns from the calling function when `expr` is not OK. The only macro with control flow
 * besides CHECK. */
#define TRY(expr)                         \
    do {                                  \
        enum status try_status_ = (expr); \
        if (try_status_ != OK)            \
            return try_status_;           \
    } while (0)

/* Aborts with file and line when a condition that the code itself guarantees does not hold. */
#define CHECK(cond)                                     \
    do {                                                \
        if (!(cond))                                    \
            check_failed(#cond, __FILE__, __LINE__);    \
    } while (0)

void check_failed(const char *cond, const char *file, int line)
    __attribute__((noreturn, cold));

#endif
