/* The strange and broken pictures of $CBAM_DATA/odd-images: each shown as Pillow shows it, or
 * refused with its name in one line (tests/fixtures/make_images.py). Skipped without CBAM_DATA. */
#include "tests/picture_fixture.h"

#include <inttypes.h>

static const char fixture[] = "tests/fixtures/odd_images.tsv";

enum { GRID = 8, GRID_BYTES = GRID * GRID * 3 };

struct expectation {
    char *name;
    bool shown;
    int h, w;
    uint64_t hash;
    const char *grid; /* GRID x GRID pixels in hexadecimal */
};

static void parse(char *line, struct expectation *e)
{
    char *word[6] = {NULL};
    for (int i = 0; i < 6 && line; i++)
        word[i] = strsep(&line, "\t\n");
    assert_non_null(word[1]);
    *e = (struct expectation){.name = word[0], .shown = strcmp(word[1], "shown") == 0};
    if (!e->shown) {
        assert_string_equal(word[1], "refused");
        return;
    }
    assert_non_null(word[5]);
    assert_int_equal(strlen(word[5]), 2 * GRID_BYTES);
    e->h = atoi(word[2]);
    e->w = atoi(word[3]);
    e->hash = strtoull(word[4], NULL, 16);
    e->grid = word[5];
}

/* Mean absolute difference from Pillow's pixels on the grid, in levels. */
static double grid_difference(const struct image *image, const char *grid)
{
    double sum = 0;
    for (int i = 0; i < GRID_BYTES; i++) {
        const int row = i / 3 / GRID, column = i / 3 % GRID, c = i % 3;
        const int y = (2 * row + 1) * image->h / (2 * GRID);
        const int x = (2 * column + 1) * image->w / (2 * GRID);
        unsigned expected;
        assert_int_equal(sscanf(grid + 2 * i, "%2x", &expected), 1);
        sum += abs(image->pixels[3 * (y * image->w + x) + c] - (int)expected);
    }
    return sum / GRID_BYTES;
}

/* A PNG has one right answer. Of a JPEG, another version of the library may round differently: then
 * the grid must agree to one level on average. */
static void check_shown(const struct expectation *e, const struct image *image)
{
    if (image->h != e->h || image->w != e->w)
        fail_msg("%s: %dx%d, %dx%d was expected", e->name, image->w, image->h, e->w, e->h);
    if (file_hash(FILE_HASH_START, image->pixels, image_bytes(image)) == e->hash)
        return;
    const double difference = grid_difference(image, e->grid);
    if (strstr(e->name, ".png") || difference > 1.0)
        fail_msg("%s: differs from Pillow by %g levels on average", e->name, difference);
}

static void check_file(const char *dir, const struct expectation *e)
{
    char path[2 * FIXTURE_PATH];
    struct image image;
    snprintf(path, sizeof path, "%s/odd-images/%s", dir, e->name);
    const enum status status = image_read(&image, path);
    if (e->shown && status != OK)
        fail_msg("refused: %s", fail_text());
    if (e->shown) {
        check_shown(e, &image);
    } else {
        if (status != ERR_FORMAT)
            fail_msg("%s: status %d, a refusal was expected", e->name, (int)status);
        assert_null(image.pixels);
        assert_non_null(strstr(fail_text(), e->name));
        for (const char *p = fail_text(); *p; p++)
            assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
    }
    image_free(&image);
}

static void odd_images(void **state)
{
    const char *dir = getenv("CBAM_DATA");
    FILE *file = fopen(fixture, "r");
    char *line = NULL;
    size_t size = 0;
    int files = 0, shown = 0;
    (void)state;
    if (!file)
        fail_msg("%s is missing: run from the top of the checkout", fixture);
    if (!dir || !*dir) {
        fclose(file);
        print_message("skipped: set CBAM_DATA to the folder that has odd-images/\n");
        skip();
    }
    while (getline(&line, &size, file) > 0) {
        struct expectation e;
        if (line[0] == '#')
            continue;
        parse(line, &e);
        check_file(dir, &e);
        files++;
        shown += e.shown;
    }
    assert_int_equal(files, 70);
    assert_int_equal(shown, 46);
    free(line);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(odd_images)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
