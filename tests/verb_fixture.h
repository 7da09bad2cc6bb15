/* What the tests of the measuring verbs share: the program's JSON, and refusals in one line. */
#ifndef TESTS_VERB_FIXTURE_H
#define TESTS_VERB_FIXTURE_H

#include "impls/layer.h"
#include "tests/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Runs what has to succeed and print JSON; `environment` is put before the program. */
static inline json_t *run_json(const char *environment, const char *arguments)
{
    struct command c;
    command_need();
    command_shell(&c, "%s \"$CBAM_BENCH\" %s", environment, arguments);
    return command_take_json(&c, 0);
}

static inline int count_impls(void)
{
    int count = 0;
    while (impls[count])
        count++;
    return count;
}

/* Refused as a matter of usage, in one line of that verb that says `expected`. */
static inline void assert_refused(const char *verb, const char *arguments, const char *expected)
{
    char start[64];
    command_need();
    snprintf(start, sizeof start, "cbam-bench %s: ", verb);
    command_refused(2, start, expected, "%s %s", verb, arguments);
}

#endif
