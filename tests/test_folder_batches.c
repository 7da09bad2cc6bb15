/* The way of a picture of a folder into a batch: against torchvision's, the rule in words, and
 * random crops in training. */
#include "datasets/resize.h"
#include "tests/folder_fixture.h"

#include <math.h>
#include <omp.h>

/* Fields of the fixture's line "tensor": the picture's size, short side, crop; then the values. */
static char *tensor_line(int *h, int *w, int *short_side, int *size, const char **values)
{
    FILE *file = fopen("tests/fixtures/resize_pillow.tsv", "r");
    char *line = NULL;
    size_t room = 0;
    int used = 0;
    assert_non_null(file);
    while (getline(&line, &room, file) > 0)
        if (sscanf(line, "tensor %d %d %d %d %n", h, w, short_side, size, &used) == 4)
            break;
    fclose(file);
    assert_true(used > 0);
    *values = line + used;
    return line;
}

/* The same picture in train and val: both come out as torchvision's Resize, CenterCrop, ToTensor
 * and Normalize make it. One level of a byte would be 0.017. */
static void tensor_is_torchvisions(void **state)
{
    const struct fixture *f = *state;
    int h, w, short_side, size;
    const char *values;
    char *line = tensor_line(&h, &w, &short_side, &size, &values), options[64];
    struct image image = picture_make(h, w);
    make_folder(f, 1);
    picture_put(f, "train/ants/p00.png", picture_png_of(&image));
    picture_put(f, "val/ants/p02.png", picture_png_of(&image));
    snprintf(options, sizeof options, ":size=%d:resize=%d", size, short_side);
    for (int part = 0; part < 2; part++) {
        struct batch b;
        const char *p = values;
        batch_open(&b, f, options, part ? PART_TEST : PART_TRAIN, false);
        assert_int_equal(b.loader.config.h, size);
        for (int i = 0; i < size * size * 3; i++) {
            char *end;
            const float expected = strtof(p, &end);
            assert_true(end > p);
            assert_true(fabsf(b.pixels[i] - expected) < 1e-5f);
            p = end;
        }
        batch_close(&b);
    }
    image_free(&image);
    free(line);
}

static void rule_in_words(void **state)
{
    struct dataset ds;
    make_folder(*state, 1);
    fixture_open(*state, "folder", ":size=16:resize=18", &ds);
    const struct data_rule rule = dataset_rule(&ds);
    assert_string_equal(rule.resize, "short side to 18");
    assert_string_equal(rule.interpolation, "bilinear, antialiased");
    assert_string_equal(rule.crop, "centre 16x16");
    assert_string_equal(ds.norm->name, "imagenet");
    dataset_close(&ds);
}

/* Every image of an augmented batch is the crop that crop_draw() names, resized and flipped, on any
 * number of threads; another epoch has others. */
static void random_crops_are_those_drawn(void **state)
{
    const struct fixture *f = *state;
    enum { SIZE = 8, FLOATS = SIZE * SIZE * 3 };
    struct batch b;
    float once[8 * FLOATS];
    make_folder(f, 4);
    batch_open(&b, f, ":size=8", PART_TRAIN, true);
    assert_int_equal(b.split.list[PART_TRAIN].n, 8);
    memcpy(once, b.pixels, sizeof once);
    for (int i = 0; i < 8; i++) {
        char path[FIXTURE_PATH];
        struct image whole;
        uint8_t planes[FLOATS], scratch[1 << 14] __attribute__((aligned(64)));
        float expected[FLOATS];
        fixture_path(f, b.ds.train.pictures[i].path, path);
        assert_int_equal(image_read(&whole, path), OK);
        const struct random_crop drawn = crop_draw(3, 0, i, whole.h, whole.w);
        const struct resize r = {.source = &whole, .from = drawn.from, .full_h = SIZE,
                                 .full_w = SIZE, .to = {0, 0, SIZE, SIZE}};
        assert_true(resize_scratch_bytes(&r) <= sizeof scratch);
        resize_run(&r, scratch, planes);
        transform_apply(&b.loader.transform, (struct jitter){.flip = drawn.flip}, planes,
                        expected);
        assert_memory_equal(once + i * FLOATS, expected, sizeof expected);
        image_free(&whole);
    }
    const int threads = omp_get_max_threads();
    for (int n = 1; n <= 5; n += 2) {
        omp_set_num_threads(n);
        loader_fill(&b.loader, 0, b.pixels, b.labels);
        assert_memory_equal(once, b.pixels, sizeof once);
    }
    omp_set_num_threads(threads);
    loader_start(&b.loader, 1);
    loader_fill(&b.loader, 0, b.pixels, b.labels);
    assert_memory_not_equal(once, b.pixels, sizeof once);
    batch_close(&b);
}

/* Validation and test pictures are never augmented, and a file that changed is noticed. */
static void augmentation_refused(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds;
    struct split split;
    struct loader loader;
    make_folder(f, 4);
    fixture_open(f, "folder", ":size=8:val=1", &ds);
    fixture_split(&ds, 1, &split);
    struct loader_config config = {.batch = 2, .augment = true};
    for (int part = PART_VAL; part <= PART_TEST; part++) {
        assert_int_equal(loader_init(&loader, &ds, &split.list[part], &config), ERR_USAGE);
        assert_non_null(strstr(fail_text(), "training only"));
    }
    config.h = config.w = 16;
    assert_int_equal(loader_init(&loader, &ds, &split.list[PART_TRAIN], &config), ERR_USAGE);
    assert_non_null(strstr(fail_text(), "cropped to 8x8: say size=16"));
    config.h = config.w = 0;
    const struct picture *first = &ds.train.pictures[split.list[PART_TRAIN].index[0]];
    put_png(f, first->path, first->h, first->w, 200);
    assert_int_equal(loader_init(&loader, &ds, &split.list[PART_TRAIN], &config), ERR_FORMAT);
    assert_non_null(strstr(fail_text(), first->path));
    assert_non_null(strstr(fail_text(), "has changed"));
    fixture_delete(f, first->path);
    assert_int_equal(loader_init(&loader, &ds, &split.list[PART_TRAIN], &config), ERR_IO);
    split_free(&split);
    dataset_close(&ds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(tensor_is_torchvisions),
        FIXTURE_TEST(rule_in_words),
        FIXTURE_TEST(random_crops_are_those_drawn),
        FIXTURE_TEST(augmentation_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
