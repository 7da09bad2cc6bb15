/* Tests that run on every implementation compiled in, and with its fused operations as well: from a
 * list of tests to a run of cmocka. */
#ifndef TESTS_WAYS_H
#define TESTS_WAYS_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "impls/layer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { WAYS_MOST = 256 };

/* On what a test runs: *state of every test of ways_run(). */
struct way {
    const struct impl *impl;
    bool fused;         /* with the fused operations that the implementation offers */
    const char *detail; /* of the list, or NULL */
    char name[96];      /* "worked example/onednn/fused" */
};

enum way_each {
    EACH_WAY,  /* every implementation, primitives alone and fused */
    EACH_IMPL, /* every implementation */
    ONCE,      /* on the first one */
};

struct way_test {
    const char *name;
    CMUnitTestFunction run;
    enum way_each each;
    const char *detail;
};

/* An entry of the list: a test that runs on every implementation, as it is called. */
#define ON_IMPLS(function) {#function, function, EACH_IMPL, NULL}

/* The implementation of a running test. */
static inline const struct impl *way_impl(void **state)
{
    const struct way *way = *state;
    return way->impl;
}

/* Runs the list in its order; returns what main() is to return. `argv` for threads_startup(). */
int ways_run(char *const argv[], const char *group, const struct way_test *tests, size_t count);

/* Under the sanitizers skips the running test, saying so: for what takes minutes there and shows
 * them nothing that other tests do not. */
void ways_skip_sanitized(void);

#endif
