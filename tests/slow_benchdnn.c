/* Every convolution of ResNet-50, VGG-16 and DenseNet-121 at batch 1, 2 and 50, forward and both
 * gradients, on all implementations of this build: checked, not timed. Ten minutes and more on two
 * idle processors, and 5 GB of memory: TEST_SECONDS=7200 make test-slow. */
#include "impls/layer.h"
#include "tests/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct network {
    const char *model;
    int batch, cases; /* cases: distinct convolutions */
};

static const struct network networks[] = {
    {"resnet50", 1, 23}, {"vgg16", 1, 9},  {"densenet121", 1, 66},
    {"resnet50", 2, 23}, {"vgg16", 2, 9},  {"densenet121", 2, 66},
    {"resnet50", 50, 23}, {"vgg16", 50, 9}, {"densenet121", 50, 66},
};
enum { NETWORKS = sizeof networks / sizeof networks[0] };

/* Small integers are multiplied exactly in all of these cases, so every row must be exact. */
static void check_row(const json_t *row, const char *model)
{
    const char *name = json_string_value(command_member(row, "name"));
    const char *how = json_string_value(command_member(row, "checked"));
    assert_string_equal(json_string_value(command_member(row, "check")), "exact");
    assert_true(command_number(row, "check_error") < 1e-4);
    assert_true(name && strncmp(name, model, strlen(model)) == 0);
    assert_true(how && strstr(how, "elements by definition"));
    if (strcmp(json_string_value(command_member(row, "impl")), impls[0]->name) != 0)
        assert_non_null(strstr(how, "all outputs as"));
}

static void test_network(void **state)
{
    const struct network *n = *state;
    struct command c;
    json_t *row;
    size_t i;
    int count = 0;
    while (impls[count])
        count++;
    command_need();
    command_ok(&c, "layers --cases bench/cases/benchdnn-%s.txt --batch %d --pass fwd,bwd "
                   "--check-only --format json", n->model, n->batch);
    json_t *json = command_json(&c);
    command_free(&c);
    assert_int_equal(json_array_size(command_member(json, "rows")), n->cases * 2 * count);
    json_array_foreach(command_member(json, "rows"), i, row)
        check_row(row, n->model);
    json_decref(json);
}

int main(void)
{
    struct CMUnitTest tests[NETWORKS];
    char names[NETWORKS][64];
    for (int i = 0; i < NETWORKS; i++) {
        snprintf(names[i], sizeof names[i], "%s, batch %d", networks[i].model, networks[i].batch);
        tests[i] = (struct CMUnitTest){names[i], test_network, NULL, NULL,
                                       (void *)(uintptr_t)&networks[i]};
    }
    return _cmocka_run_group_tests("benchdnn, slow", tests, NETWORKS, NULL, NULL);
}
