/* A small study for the real program, on the bed's data: 12 cells of a second or so in all. Each
 * run of it stands in a folder of its own, where paths are the same, so that whole stores can be
 * compared (store_dump.h). */
#ifndef TESTS_STUDY_PROGRAM_H
#define TESTS_STUDY_PROGRAM_H

#include "tests/support.h"

#include "tests/command.h"
#include "tests/store_dump.h"

#include <dirent.h>

enum { STUDY_CELLS = 12 }; /* of two seeds: 2 attentions x (source, 2 arms) each */

/* The study "runs" with so many seeds as file NAME of the bed. */
static inline const char *study_write(struct bed *bed, const char *name, int seeds)
{
    char text[2048];
    int n = snprintf(
        text, sizeof text,
        "name: runs\nmodels: [\"resnet20:width=0.25\"]\nattention: [none, cbam]\nseeds: %d\n"
        "impls: [%s]\nthreads: 1\nagreement-images: 4\n"
        "source: {data: \"%s:classes=0-1:val=2\", epochs: 2, batch: 8, lr: 0.05}\n"
        "target: {data: [\"%s:classes=2-3:per-class=6:val=1\"], epochs: 2, batch: 4, lr: 0.02}\n"
        "transfer: [{arm: frozen}, {arm: finetune}]\n", seeds, impls[0]->name, bed->data,
        bed->data);
    assert_true(n > 0 && (size_t)n < sizeof text);
    fixture_write(&bed->folder, name, text, (size_t)n);
    return bed_path(bed, name);
}

/* A new folder of the bed. */
static inline const char *study_folder(struct bed *bed, const char *name)
{
    const char *path = bed_path(bed, name);
    assert_int_equal(mkdir(path, 0777), 0);
    return path;
}

/* Runs `cbam-bench study ARGUMENTS` in a folder; fails unless it exits with 0. What it printed is
 * the caller's: command_free(). */
static inline void study_ok(struct command *c, const char *folder, const char *arguments, ...)
    __attribute__((format(printf, 3, 4)));

static inline void study_ok(struct command *c, const char *folder, const char *arguments, ...)
{
    char line[2000];
    va_list args;
    va_start(args, arguments);
    assert_true((size_t)vsnprintf(line, sizeof line, arguments, args) < sizeof line);
    va_end(args);
    command_shell(c, "cd '%s' && exec \"$CBAM_BENCH\" study %s", folder, line);
    if (c->status != 0)
        fail_msg("%s\nended with %d and said: %s", c->line, c->status, c->err);
}

/* The same, for what it does alone. */
#define STUDY(...) \
    do { \
        struct command study_command; \
        study_ok(&study_command, __VA_ARGS__); \
        command_free(&study_command); \
    } while (0)

static inline const char *study_store(struct bed *bed, const char *folder)
{
    char name[400];
    snprintf(name, sizeof name, "%s/store.sqlite", folder);
    return bed_path(bed, name);
}

/* A number that the store of a folder answers with. */
static inline int study_number(struct bed *bed, const char *folder, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(study_store(bed, folder), &db, SQLITE_OPEN_READWRITE, NULL),
                     SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int value = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

/* SQLite's own check of the whole file. */
static inline void study_assert_intact(struct bed *bed, const char *folder)
{
    assert_int_equal(study_number(bed, folder, "SELECT count(*) = 1 AND min(integrity_check) = 'ok'"
                                               " FROM pragma_integrity_check"), 1);
}

/* Files of a folder of the bed whose name ends so. */
static inline int study_files(struct bed *bed, const char *folder, const char *end)
{
    int count = 0;
    DIR *stream = opendir(bed_path(bed, folder));
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream));) {
        size_t length = strlen(entry->d_name);
        count += length >= strlen(end) && strcmp(entry->d_name + length - strlen(end), end) == 0;
    }
    closedir(stream);
    return count;
}

/* Fails unless two files of the bed are the same byte by byte. */
static inline void study_same_files(struct bed *bed, const char *a, const char *b)
{
    size_t size_a, size_b;
    uint8_t *x = file_get(bed_path(bed, a), &size_a), *y = file_get(bed_path(bed, b), &size_b);
    if (size_a != size_b || memcmp(x, y, size_a) != 0)
        fail_msg("%s and %s differ", a, b);
    free(x);
    free(y);
}

/* Fails unless every file of the first folder is in the second, the same, and no other. Folders in
 * them are left out. Returns the number of files. */
static inline int study_same_folders(struct bed *bed, const char *a, const char *b)
{
    char names[2][900];
    int files = 0;
    struct stat info;
    assert_int_equal(study_files(bed, a, ""), study_files(bed, b, ""));
    DIR *stream = opendir(bed_path(bed, a));
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream));) {
        snprintf(names[0], sizeof names[0], "%s/%s", a, entry->d_name);
        snprintf(names[1], sizeof names[1], "%s/%s", b, entry->d_name);
        if (stat(bed_path(bed, names[0]), &info) != 0 || !S_ISREG(info.st_mode))
            continue;
        study_same_files(bed, names[0], names[1]);
        files++;
    }
    closedir(stream);
    return files;
}

/* Writes the report of a folder's store into its "runs", no picture drawn, after all times in the
 * store were set to the same: reports of two runs are then comparable. */
static inline void study_report_of_one_time(struct bed *bed, const char *folder)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(study_store(bed, folder), &db, SQLITE_OPEN_READWRITE, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE cells SET started = '2001-01-01T00:00:00Z',"
                                  " finished = '2001-01-01T00:00:01Z';"
                                  " UPDATE curves SET seconds = 1; UPDATE metrics SET value = 1"
                                  " WHERE name IN ('seconds', 'images_per_s')",
                                  NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    STUDY(bed_path(bed, folder), "report runs --store store.sqlite");
}

/* Fails unless the runs in two folders came to the same: stores, and weights byte by byte. */
static inline void study_assert_same(struct bed *bed, const char *a, const char *b)
{
    char cells[2][300], names[2][900];
    assert_same_stores(study_store(bed, a), study_store(bed, b));
    snprintf(cells[0], sizeof cells[0], "%s/cells", a);
    snprintf(cells[1], sizeof cells[1], "%s/cells", b);
    assert_int_equal(study_files(bed, cells[0], ".safetensors"),
                     study_files(bed, cells[1], ".safetensors"));
    DIR *stream = opendir(bed_path(bed, cells[0]));
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream));) {
        if (!strstr(entry->d_name, ".safetensors"))
            continue;
        for (int i = 0; i < 2; i++)
            snprintf(names[i], sizeof names[i], "%s/%s", cells[i], entry->d_name);
        study_same_files(bed, names[0], names[1]);
    }
    closedir(stream);
}

#endif
