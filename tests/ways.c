/* Tests on every implementation: see ways.h. */
#include "tests/ways.h"

#include "impls/base/threads.h"

#include <stdio.h>

static void add(struct CMUnitTest *test, struct way *way, const struct way_test *from,
                const struct impl *impl, bool fused)
{
    *way = (struct way){.impl = impl, .fused = fused, .detail = from->detail};
    snprintf(way->name, sizeof way->name, "%s%s%s%s", from->name, from->each == ONCE ? "" : "/",
             from->each == ONCE ? "" : impl->name, fused ? "/fused" : "");
    *test = (struct CMUnitTest){way->name, from->run, NULL, NULL, way};
}

int ways_run(char *const argv[], const char *group, const struct way_test *tests, size_t count)
{
    static struct way way[WAYS_MOST];
    static struct CMUnitTest test[WAYS_MOST];
    size_t made = 0;
    threads_startup(argv);
    for (size_t t = 0; t < count; t++)
        for (int i = 0; impls[i] && (i == 0 || tests[t].each != ONCE); i++)
            for (int fused = 0; fused <= (tests[t].each == EACH_WAY); fused++) {
                CHECK(made < WAYS_MOST);
                add(&test[made], &way[made], &tests[t], impls[i], fused);
                made++;
            }
    return _cmocka_run_group_tests(group, test, made, NULL, NULL) != 0;
}

void ways_skip_sanitized(void)
{
#ifdef SANITIZED
    print_message("skipped: takes minutes under the sanitizers\n");
    skip();
#endif
}
