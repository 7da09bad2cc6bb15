/* Where the arms of a study start: sources trained with attention or without, and a weights file
 * in their place. Trains nothing. Report R20 is in the name of a test. */
#include "bench/study/grid.h"
#include "impls/base/threads.h"
#include "impls/layer.h"
#include "tests/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum status name_itself(const char *data, char *text, size_t size)
{
    snprintf(text, size, "%s", data);
    return OK;
}

static void study_grid(struct grid *grid, struct study *study, const char *path,
                       const char *source_attention)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "name: arms\nmodels: [resnet20]\nattention: [none, cbam]\nseeds: 1\n"
            "impls: [%s]\nsource:\n  data: a\n  epochs: 1\n%s%s\ntarget:\n"
            "  data: [b]\n  epochs: 1\ntransfer:\n  - arm: finetune\n", impls[0]->name,
            source_attention ? "  attention: " : "", source_attention ? source_attention : "");
    assert_int_equal(fclose(file), 0);
    support_ok(study_load(study, path));
    support_ok(grid_build(grid, study, name_itself));
}

/* The transfer cell of an attention form. */
static const struct cell *transfer_cell(const struct grid *grid, const char *attention)
{
    for (int i = 0; i < grid->count; i++)
        if (grid->cells[i].role == ROLE_TRANSFER &&
            strcmp(grid->cells[i].settings.attention, attention) == 0)
            return &grid->cells[i];
    fail_msg("no cell with %s", attention);
    return NULL;
}

/* R20: a network pretrained with attention, and one that got it inserted afterwards, are two arms:
 * the option `attention` of a study's source decides, and their results cannot be taken for each
 * other's. */
static void test_R20_pretrained_or_inserted(void **state)
{
    struct bed *bed = *state;
    struct study *studies = calloc(2, sizeof *studies);
    struct grid pretrained, inserted;
    assert_non_null(studies);
    study_grid(&pretrained, &studies[0], bed_path(bed, "same.yaml"), NULL);
    study_grid(&inserted, &studies[1], bed_path(bed, "none.yaml"), "none");
    const struct cell *a = transfer_cell(&pretrained, "cbam");
    const struct cell *b = transfer_cell(&inserted, "cbam");
    assert_string_not_equal(a->key, b->key);
    assert_string_not_equal(a->source, b->source);
    const struct cell *from = &pretrained.cells[grid_find(&pretrained, a->source)];
    assert_string_equal(from->settings.attention, "cbam");
    from = &inserted.cells[grid_find(&inserted, b->source)];
    assert_string_equal(from->settings.attention, "none");
    assert_string_equal(transfer_cell(&pretrained, "none")->key,
                        transfer_cell(&inserted, "none")->key);
    grid_free(&pretrained);
    grid_free(&inserted);
    free(studies);
}

/* A file in the place of source trainings: its content, not its place, is in the keys of the cells
 * that start from it, and `scratch` does not. */
static void test_a_weights_file_as_source(void **state)
{
    static const char text[] = "name: arms\nmodels: [resnet20]\nattention: [none, cbam]\n"
                               "seeds: 1\nimpls: [%s]\nsource:\n  weights: %s\ntarget:\n"
                               "  data: [b]\n  epochs: 1\ntransfer:\n  - arm: scratch\n"
                               "  - arm: finetune\n";
    static const char *const content[] = {"one", "one", "two"};
    struct bed *bed = *state;
    struct study *study = calloc(1, sizeof *study);
    struct grid grid[3], none;
    assert_non_null(study);
    for (int i = 0; i < 3; i++) {
        char weights[24], yaml[1024];
        snprintf(weights, sizeof weights, "weights%d", i);
        fixture_write(&bed->folder, weights, content[i], 3);
        int length = snprintf(yaml, sizeof yaml, text, impls[0]->name,
                              bed_path(bed, weights));
        fixture_write(&bed->folder, "study.yaml", yaml, (size_t)length);
        support_ok(study_load(study, bed_path(bed, "study.yaml")));
        support_ok(grid_build(&grid[i], study, name_itself));
        assert_int_equal(grid[i].count, 4);
        assert_string_equal(grid[i].cells[0].settings.init, "random");
        assert_string_equal(grid[i].cells[1].settings.init, bed_path(bed, weights));
    }
    for (int i = 0; i < 4; i++) {
        assert_string_equal(grid[0].cells[i].key, grid[1].cells[i].key);
        assert_int_equal(strcmp(grid[0].cells[i].key, grid[2].cells[i].key) == 0, i % 2 == 0);
    }
    unlink(bed_path(bed, "weights2"));
    assert_int_not_equal(grid_build(&none, study, name_itself), OK);
    assert_non_null(strstr(fail_text(), "weights2"));
    for (int i = 0; i < 3; i++)
        grid_free(&grid[i]);
    free(study);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_R20_pretrained_or_inserted),
        BED_TEST(test_a_weights_file_as_source),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("sources of a study", tests, NULL, NULL) != 0;
}
