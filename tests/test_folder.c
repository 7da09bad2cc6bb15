/* Folders of pictures: classes and order, what is refused and how it is named, options, splits
 * that additions leave alone, the content hash. Into a batch: test_folder_batches.c. */
#include "tests/folder_fixture.h"

/* Creation order is not name order; hidden and stray entries are no part of it; the name of a file
 * says nothing of its format; spaces and brackets are ordinary. */
static void names_and_order(void **state)
{
    const struct fixture *f = *state;
    static const char *const dirs[] = {"train", "train/2", "train/10", "train/.hidden", "train/1",
                                       "val", "val/1", "val/2", "val/10", "val/.ipynb_checkpoints"};
    static const char *const files[] = {"train/2/b (2).jpg", "train/10/[x] y.png", "train/1/z.gif",
                                        "train/1/Z", "val/10/a", "val/2/a", "val/1/a",
                                        "train/.hidden/a", "val/.ipynb_checkpoints/a"};
    static const char *const order[] = {"train/1/Z", "train/1/z.gif", "train/10/[x] y.png",
                                        "train/2/b (2).jpg"};
    struct dataset ds;
    for (int i = 0; i < 10; i++)
        make_dir(f, dirs[i]);
    for (int i = 0; i < 9; i++)
        put_png(f, files[i], 9, 9, i);
    fixture_write(f, "train/README.txt", "stray", 5);
    fixture_write(f, "train/1/.DS_Store", "hidden", 6);
    fixture_open(f, "folder", ":size=8", &ds);
    assert_int_equal(ds.classes, 3);
    assert_string_equal(ds.class_names[0], "1");
    assert_string_equal(ds.class_names[1], "10");
    assert_string_equal(ds.class_names[2], "2");
    assert_int_equal(ds.train.n, 4);
    assert_int_equal(ds.test.n, 3);
    for (int i = 0; i < 4; i++)
        assert_string_equal(ds.train.pictures[i].path, order[i]);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ds.train.labels[i], i < 2 ? 0 : i - 1);
    assert_int_equal(ds.skipped, 0);
    assert_string_equal(ds.note, "");
    dataset_close(&ds);
}

/* Refused without an option, in one line that holds all of the fragments (NULL at the end). */
static void expect_named(const struct fixture *f, enum status status,
                         const char *const *fragments)
{
    for (; *fragments; fragments++)
        expect_dir_refused(f, "folder", status, *fragments, f->dir);
}

static void make_broken(const struct fixture *f)
{
    make_folder(f, 3);
    fixture_write(f, "train/ants/imageNotFound (1).jpg", "GIF89a....", 10);
    fixture_write(f, "val/bees/empty [2].png", "", 0);
    size_t size;
    uint8_t *good = fixture_read(f, "train/bees/p01.png", &size);
    fixture_write(f, "train/bees/cut.png", good, size / 2);
    free(good);
    make_dir(f, "train/bees/inner");
}

static void broken_files_named(void **state)
{
    const struct fixture *f = *state;
    static const char *const fragments[] = {
        "4 of 14 files", "train/ants/imageNotFound (1).jpg (is a GIF",
        "val/bees/empty [2].png (is empty (0 bytes)", "train/bees/cut.png (is a damaged PNG",
        "train/bees/inner (is a directory", "broken=skip", NULL};
    make_broken(f);
    expect_named(f, ERR_FORMAT, fragments);
}

static void broken_files_skipped(void **state)
{
    const struct fixture *f = *state;
    struct dataset ds, good;
    static const char *const left[] = {"train/ants/p00.png", "train/ants/p02.png",
                                       "train/ants/p04.png", "train/bees/p01.png",
                                       "train/bees/p03.png", "train/bees/p05.png"};
    make_broken(f);
    fixture_open(f, "folder", ":size=12:broken=skip", &ds);
    assert_int_equal(ds.skipped, 4);
    assert_non_null(strstr(ds.note, "4 of 14 files"));
    assert_non_null(strstr(ds.note, "val/bees/empty [2].png (is empty"));
    assert_non_null(strstr(ds.note, "train/bees/inner"));
    assert_int_equal(ds.train.n, 6);
    assert_int_equal(ds.test.n, 4);
    for (int i = 0; i < 6; i++) {
        assert_string_equal(ds.train.pictures[i].path, left[i]);
        assert_int_equal(ds.train.labels[i], i >= 3);
    }
    fixture_delete(f, "train/ants/imageNotFound (1).jpg");
    fixture_delete(f, "val/bees/empty [2].png");
    fixture_delete(f, "train/bees/cut.png");
    fixture_delete(f, "train/bees/inner");
    fixture_open(f, "folder", ":size=12", &good);
    assert_string_equal(ds.hash, good.hash);
    assert_memory_equal(ds.train.pixels, good.train.pixels, 6 * dataset_image_bytes(&ds));
    assert_memory_equal(ds.test.pixels, good.test.pixels, 4 * dataset_image_bytes(&ds));
    dataset_close(&ds);
    dataset_close(&good);
}

/* Thirteen broken ones: ten are named, however long the names, and the rest counted. */
static void many_broken_files(void **state)
{
    const struct fixture *f = *state;
    char name[64], text[DATA_TEXT_MAX];
    struct dataset ds;
    make_folder(f, 2);
    for (int i = 0; i < 13; i++) {
        snprintf(name, sizeof name, "train/ants/a rather long name of a file, %02d.jpg", i);
        fixture_write(f, name, "<html>", 6);
    }
    snprintf(text, sizeof text, "folder:%s", f->dir);
    expect_refused(text, ERR_FORMAT, "13 of 21 files", " and 3 more");
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "of a file, %02d.jpg", i);
        expect_refused(text, ERR_FORMAT, name, f->dir);
    }
    fixture_open(f, "folder", ":broken=skip:size=8", &ds);
    assert_int_equal(ds.skipped, 13);
    assert_non_null(strstr(ds.note, " and 3 more"));
    dataset_close(&ds);
}

static void class_without_good_picture(void **state)
{
    const struct fixture *f = *state;
    char text[DATA_TEXT_MAX];
    make_folder(f, 1);
    fixture_write(f, "val/bees/p03.png", "BM", 2);
    fixture_write(f, "val/bees/p05.png", "BM", 2);
    snprintf(text, sizeof text, "folder:%s:broken=skip", f->dir);
    expect_refused(text, ERR_FORMAT, "no file of val/bees is a good picture", "p05.png");
}

static void classes_must_agree(void **state)
{
    const struct fixture *f = *state;
    make_folder(f, 1);
    make_dir(f, "train/wasps");
    put_png(f, "train/wasps/a.png", 9, 9, 1);
    make_dir(f, "val/flies");
    make_dir(f, "val/moths");
    expect_named(f, ERR_FORMAT, (const char *const[]){"only in train (1): wasps",
                                                      "only in val (2): flies, moths", NULL});
}

static void empty_classes_named(void **state)
{
    const struct fixture *f = *state;
    make_folder(f, 1);
    make_dir(f, "train/wasps");
    make_dir(f, "val/wasps");
    fixture_write(f, "val/wasps/.keep", "", 0);
    expect_named(f, ERR_FORMAT, (const char *const[]){"without a picture", "train/wasps",
                                                      "val/wasps", NULL});
    put_png(f, "train/wasps/a.png", 9, 9, 1);
    expect_dir_refused(f, "folder", ERR_FORMAT, "without a picture: val/wasps", f->dir);
}

static void parts_must_exist(void **state)
{
    const struct fixture *f = *state;
    expect_dir_refused(f, "folder", ERR_IO, "no directory train", "DIR/train/CLASS/");
    make_dir(f, "train");
    make_dir(f, "train/ants");
    expect_dir_refused(f, "folder", ERR_IO, "no directory val", "DIR/val/CLASS/");
    make_dir(f, "test");
    expect_dir_refused(f, "folder", ERR_IO, "no directory val", "rename it to val");
    make_dir(f, "val");
    make_dir(f, "val/ants");
    expect_dir_refused(f, "folder", ERR_FORMAT, "1 class folders", "at least 2");
}

static void hostile_class_names(void **state)
{
    static const char *const names[] = {"a\nb", "\xff\xfe", "\xed\xa0\x80", "\xc3", "a\033[2J",
                                        "0123456789012345678901234567890123456789"
                                        "0123456789012345678901234567890123456789"};
    const struct fixture *f = *state;
    make_folder(f, 1);
    for (int i = 0; i < 6; i++) {
        char name[256];
        snprintf(name, sizeof name, "train/%s", names[i]);
        make_dir(f, name);
        expect_dir_refused(f, "folder", ERR_FORMAT, "class name", i < 5 ? "UTF-8" : "at most 63");
        assert_null(strchr(fail_text(), '\033'));
        fixture_delete(f, name);
    }
    make_dir(f, "train/f\xc3\xbc\xc3\xa7\xe2\x82\xac");
    make_dir(f, "val/f\xc3\xbc\xc3\xa7\xe2\x82\xac");
    put_png(f, "train/f\xc3\xbc\xc3\xa7\xe2\x82\xac/a.png", 9, 9, 1);
    put_png(f, "val/f\xc3\xbc\xc3\xa7\xe2\x82\xac/a.png", 9, 9, 2);
    struct dataset ds;
    fixture_open(f, "folder", ":size=8", &ds);
    assert_int_equal(ds.classes, 3);
    dataset_close(&ds);
    fixture_write(f, "train/ants/bad\nname\033.jpg", "x", 1);
    expect_dir_refused(f, "folder", ERR_FORMAT, "bad?name?.jpg", "78");
}

/* classes=, per-class=, val= and test-per-class= as for any other data set. */
static void options_work(void **state)
{
    const struct fixture *f = *state;
    struct batch b;
    make_folder(f, 6);
    batch_open(&b, f, ":size=8:per-class=5:val=2:test-per-class=1", PART_TRAIN, false);
    assert_int_equal(b.split.list[PART_TRAIN].n, 6);
    assert_int_equal(b.split.list[PART_VAL].n, 4);
    assert_int_equal(b.split.list[PART_TEST].n, 2);
    int shared;
    assert_int_equal(split_shared(&b.ds, &b.split.list[PART_TRAIN], &b.split.list[PART_VAL],
                                  &shared), OK);
    assert_int_equal(shared, 0);
    char key[256], expected[256];
    dataset_key(&b.ds, key, sizeof key);
    snprintf(expected, sizeof expected, "folder@%s:per-class=5:val=2:test-per-class=1:size=8"
             ":resize=8", b.ds.hash);
    assert_string_equal(key, expected);
    batch_close(&b);
    make_dir(f, "train/wasps");
    make_dir(f, "val/wasps");
    put_png(f, "train/wasps/a.png", 9, 9, 1);
    put_png(f, "val/wasps/a.png", 9, 9, 2);
    batch_open(&b, f, ":size=8:classes=0+2", PART_TEST, false);
    assert_int_equal(b.ds.classes, 2);
    assert_string_equal(b.ds.class_names[1], "wasps");
    assert_int_equal(b.split.list[PART_TEST].n, 3);
    batch_close(&b);
}

/* Paths of the members of a part, sorted as they are listed, "\n" behind each. */
static void members(const struct fixture *f, const char *options, enum part part, char *text,
                    size_t size)
{
    struct dataset ds;
    struct split split;
    fixture_open(f, "folder", options, &ds);
    fixture_split(&ds, 1, &split);
    const struct image_list *list = &split.list[part];
    for (int i = 0; i < list->n; i++) {
        const size_t used = strlen(text);
        snprintf(text + used, size - used, "%s\n", ds.train.pictures[list->index[i]].path);
    }
    split_free(&split);
    dataset_close(&ds);
}

/* A file that sorts first and a class that sorts first move nobody to the other side. */
static void additions_keep_sides(void **state)
{
    const struct fixture *f = *state;
    char train[2][2048] = {"", ""}, val[2][2048] = {"", ""}, line[64];
    make_folder(f, 12);
    members(f, ":size=8:val=4", PART_TRAIN, train[0], sizeof train[0]);
    members(f, ":size=8:val=4", PART_VAL, val[0], sizeof val[0]);
    put_png(f, "train/ants/a first.png", 9, 9, 1);
    make_dir(f, "train/aardvarks");
    make_dir(f, "val/aardvarks");
    put_png(f, "val/aardvarks/a.png", 9, 9, 2);
    for (int i = 0; i < 5; i++) {
        snprintf(line, sizeof line, "train/aardvarks/%d.png", i);
        put_png(f, line, 9, 9, 3 + i);
    }
    members(f, ":size=8:val=4", PART_TRAIN, train[1], sizeof train[1]);
    members(f, ":size=8:val=4", PART_VAL, val[1], sizeof val[1]);
    int kept = 0, moved = 0;
    for (char *rest = val[0], *name; (name = strsep(&rest, "\n")) && *name;) {
        snprintf(line, sizeof line, "%s\n", name);
        kept += strstr(val[1], line) != NULL;
        moved += strstr(train[1], line) != NULL;
    }
    assert_int_equal(kept + moved, 8);
    assert_true(moved <= 1); /* at most the place that the new file of ants takes */
    for (char *rest = train[0], *name; (name = strsep(&rest, "\n")) && *name;)
        assert_true(strstr(train[1], name) || strstr(val[1], name));
    assert_null(strstr(val[0], "first"));
}

static void hash_of(const struct fixture *f, const char *options, char hash[DATA_HASH_TEXT])
{
    struct dataset ds;
    fixture_open(f, "folder", options, &ds);
    memcpy(hash, ds.hash, DATA_HASH_TEXT);
    dataset_close(&ds);
}

/* The hash is of whole pictures: the same at every size; one pixel outside the crop changes it. */
static void content_hash(void **state)
{
    const struct fixture *f = *state;
    char first[DATA_HASH_TEXT], other[DATA_HASH_TEXT];
    make_folder(f, 2);
    hash_of(f, ":size=8", first);
    hash_of(f, ":size=16:resize=20", other);
    assert_string_equal(first, other);
    put_png(f, "train/ants/p00.png", 20, 30, 99);
    hash_of(f, ":size=8", other);
    assert_string_not_equal(first, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(names_and_order),
        FIXTURE_TEST(broken_files_named),
        FIXTURE_TEST(broken_files_skipped),
        FIXTURE_TEST(many_broken_files),
        FIXTURE_TEST(class_without_good_picture),
        FIXTURE_TEST(classes_must_agree),
        FIXTURE_TEST(empty_classes_named),
        FIXTURE_TEST(parts_must_exist),
        FIXTURE_TEST(hostile_class_names),
        FIXTURE_TEST(options_work),
        FIXTURE_TEST(additions_keep_sides),
        FIXTURE_TEST(content_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
