/* The checks are checked: every deliberately wrong operation of mutants.h must be caught by
 * opcheck, for the reason it was made for, where the operation it was made from passes. Prints
 * each mutant with the message that caught it. */
#include "impls/base/threads.h"
#include "tests/mutants.h"
#include "tests/opcheck.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { FEWEST = 60, MOST = 100 };

/* Runs all checks of a case; true when all pass, else `result` has the first message. */
static bool passes(const struct impl *impl, struct impl_ctx *ctx, const struct op_desc *desc,
                   struct opcheck_result *result)
{
    struct opcheck_variant variant[OPCHECK_VARIANTS];
    int count = opcheck_variants(impl->ops[desc->kind], desc, variant);
    for (int i = 0; i < count; i++)
        if (!opcheck_run(impl, ctx, desc, &variant[i], result))
            return false;
    return opcheck_independent(impl, ctx, desc, result);
}

static void test_mutant_is_caught(void **state)
{
    const struct mutant *mutant = *state;
    struct op_entry entry;
    struct op_desc desc;
    struct impl_ctx *ctx;
    struct opcheck_result result;
    if (op_parse(mutant->text, &desc) != OK || impls[0]->open(&ctx) != OK)
        fail_msg("%s", fail_text());
    if (!passes(impls[0], ctx, &desc, &result))
        fail_msg("the operation without the fault does not pass: %s", result.text);
    struct impl wrong = mutant_impl(mutant, desc.kind, &entry);
    if (passes(&wrong, ctx, &desc, &result))
        fail_msg("not caught: %s", mutant->name);
    impls[0]->close(ctx);
    print_message("    caught by: %s\n", result.text);
    if (!strstr(result.text, mutant->says))
        fail_msg("caught for another reason than '%s'", mutant->says);
}

static size_t add_tests(struct CMUnitTest *test, size_t count, const struct mutant *list)
{
    for (; list->name; list++) {
        CHECK(count < MOST);
        test[count++] = (struct CMUnitTest){list->name, test_mutant_is_caught, NULL, NULL,
                                            (void *)(uintptr_t)list};
    }
    return count;
}

int main(int argc, char **argv)
{
    struct CMUnitTest test[MOST];
    (void)argc;
    threads_startup(argv);
    if (threads_set(1) != OK) {
        fprintf(stderr, "%s\n", fail_text());
        return 1;
    }
    size_t count = add_tests(test, 0, mutants_forward);
    count = add_tests(test, count, mutants_backward);
    count = add_tests(test, count, mutants_memory);
    CHECK(count >= FEWEST - 1); /* one is left out under the sanitizers */
    return _cmocka_run_group_tests("mutants", test, count, NULL, NULL) != 0;
}
