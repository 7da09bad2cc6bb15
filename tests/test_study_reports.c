/* Reports of the real program: a seed more, cells of an older build, exports that make the same
 * report again, the reference results. */
#include "tests/study_program.h"

#include "impls/base/threads.h"

#include <sqlite3.h>

static const char run_line[] = "run ../study.yaml --store store.sqlite --latency off --jobs 2";

static void run_in(struct bed *bed, const char *folder, int seeds)
{
    study_write(bed, "study.yaml", seeds);
    STUDY(bed_path(bed, folder), "%s", run_line);
}

static void change(struct bed *bed, const char *folder, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(study_store(bed, folder), &db, SQLITE_OPEN_READWRITE, NULL),
                     SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* The report as Markdown; what it says beside it goes to `notes` (NULL: nowhere). */
static char *markdown(struct bed *bed, const char *folder, char **notes)
{
    struct command c;
    study_ok(&c, bed_path(bed, folder), "report runs --store store.sqlite --format md");
    char *text = c.out;
    if (notes)
        *notes = c.err;
    else
        free(c.err);
    return text;
}

static void assert_says(const char *text, const char *fragment, bool says)
{
    if ((strstr(text, fragment) != NULL) != says)
        fail_msg("'%s' is %s in: %s", fragment, says ? "not" : "still", text);
}

/* ---- growing ---- */

/* One seed more runs what is new, leaves what was there, and comes to what all seeds at once come
 * to. */
static void test_one_more_seed(void **state)
{
    struct bed *bed = *state;
    command_need();
    study_folder(bed, "whole");
    run_in(bed, "whole", 3);
    study_folder(bed, "grown");
    run_in(bed, "grown", 2);
    char *before = markdown(bed, "grown", NULL);
    change(bed, "grown", "UPDATE cells SET finished = '2001-01-01T00:00:00Z'");
    run_in(bed, "grown", 3);
    assert_int_equal(study_number(bed, "grown", "SELECT sum(attempts) FROM cells"),
                     3 * STUDY_CELLS / 2);
    assert_int_equal(study_number(bed, "grown", "SELECT count(*) FROM cells WHERE finished ="
                                                " '2001-01-01T00:00:00Z'"), STUDY_CELLS);
    study_assert_same(bed, "whole", "grown");
    char *after = markdown(bed, "grown", NULL);
    assert_says(before, "12 of 12 cells are done.", true);
    assert_says(before, "The smallest p that 2 pairs can reach", true);
    assert_says(after, "18 of 18 cells are done.", true);
    assert_says(after, "The smallest p that 3 pairs can reach", true);
    free(before);
    free(after);
    study_report_of_one_time(bed, "whole");
    study_report_of_one_time(bed, "grown");
    study_same_folders(bed, "whole/runs", "grown/runs");
    study_same_folders(bed, "whole/runs/plots", "grown/runs/plots");
}

/* Cells of another commit are used, and named: those of a seed run before, all of them, none. */
static void test_results_of_an_older_build(void **state)
{
    static const char note[] = "12 of 18 cells were made by code of another commit than the newest";
    static const char beside[] = "of 18 cells were made by code of another commit than this";
    struct bed *bed = *state;
    char *notes;
    command_need();
    study_folder(bed, "old");
    run_in(bed, "old", 2);
    change(bed, "old", "UPDATE provenance SET commit_id = 'abadcafe0001'; UPDATE cells SET"
           " finished = '2001-01-01T00:00:00Z'; INSERT INTO provenance SELECT 'old', commit_id,"
           " replace(json, json_extract(json, '$.commit'), commit_id) FROM provenance;"
           " UPDATE cells SET provenance = 'old'; DELETE FROM provenance WHERE id <> 'old'");
    char *text = markdown(bed, "old", &notes); /* the store knows one build only */
    assert_says(text, "another commit", false);
    assert_says(text, "| abadcafe0001 |", true); /* what made it */
    assert_says(notes, "12 of 12 cells were made by code of another commit than this", true);
    free(text);
    free(notes);
    run_in(bed, "old", 3);
    text = markdown(bed, "old", &notes);
    assert_says(text, note, true);
    assert_says(text, "abadcafe0001+", true); /* a row of pairs from both */
    assert_says(notes, beside, true);
    free(text);
    free(notes);
    STUDY(bed_path(bed, "old"), "%s --older", run_line);
    text = markdown(bed, "old", &notes);
    assert_says(text, "abadcafe0001", false);
    assert_says(notes, beside, false);
    free(text);
    free(notes);
    assert_int_equal(study_number(bed, "old", "SELECT sum(attempts) FROM cells"),
                     3 * STUDY_CELLS / 2 + STUDY_CELLS);
}

/* ---- exports ---- */

/* A store with an export's lines in a new folder, and its report. */
static void import_in(struct bed *bed, const char *folder, const char *lines)
{
    study_folder(bed, folder);
    STUDY(bed_path(bed, folder), "import ../%s --store store.sqlite", lines);
    STUDY(bed_path(bed, folder), "report runs --store store.sqlite");
}

/* The export with the first test accuracy made another. */
static void alter(struct bed *bed, const char *from, const char *to)
{
    static const char what[] = "\"test_accuracy\":";
    size_t size;
    char *text = (char *)file_get(bed_path(bed, from), &size);
    char *at = strstr(strstr(text, "\"role\":\"transfer\""), what);
    assert_non_null(at);
    at += sizeof what - 1;
    size_t digits = strcspn(at, ",}");
    char *changed = malloc(size + 16);
    assert_non_null(changed);
    int n = sprintf(changed, "%.*s0.987654%s", (int)(at - text), text, at + digits);
    fixture_write(&bed->folder, to, changed, (size_t)n);
    free(changed);
    free(text);
}

static bool same_file(struct bed *bed, const char *a, const char *b)
{
    size_t size_a, size_b;
    uint8_t *x = file_get(bed_path(bed, a), &size_a), *y = file_get(bed_path(bed, b), &size_b);
    bool same = size_a == size_b && memcmp(x, y, size_a) == 0;
    free(x);
    free(y);
    return same;
}

static void test_a_report_from_an_export(void **state)
{
    static const char *const told[] = {"comparison.csv", "comparison.tex", "seeds.csv", "runs.json",
                                       "report.md", "plots/accuracy-points.dat"};
    struct bed *bed = *state;
    command_need();
    study_folder(bed, "whole");
    run_in(bed, "whole", 2);
    STUDY(bed_path(bed, "whole"), "report runs --store store.sqlite");
    STUDY(bed_path(bed, "whole"), "export runs --store store.sqlite --output ../runs.jsonl");
    import_in(bed, "again", "runs.jsonl");
    assert_true(study_same_folders(bed, "whole/runs", "again/runs") > 20);
    assert_true(study_same_folders(bed, "whole/runs/plots", "again/runs/plots") > 4);
    STUDY(bed_path(bed, "again"), "export runs --store store.sqlite --output ../again.jsonl");
    assert_true(same_file(bed, "runs.jsonl", "again.jsonl"));
    alter(bed, "runs.jsonl", "altered.jsonl");
    import_in(bed, "altered", "altered.jsonl");
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        char names[2][80];
        snprintf(names[0], sizeof names[0], "whole/runs/%s", told[i]);
        snprintf(names[1], sizeof names[1], "altered/runs/%s", told[i]);
        if (same_file(bed, names[0], names[1]))
            fail_msg("%s does not depend on what the export says", told[i]);
    }
}

/* ---- the reference results ---- */

/* A folder of them with an export, in which the report's pictures stand beside its tables. */
struct reference {
    struct bed *bed;
    char folder[300]; /* results/reference/NAME */
    char lines[700];  /* its export */
    char study[64];   /* what the export calls it */
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Finds the export and the name of its study; false when there is none. */
static bool find_export(struct reference *r)
{
    size_t size;
    DIR *stream = opendir(r->folder);
    r->lines[0] = '\0';
    for (const struct dirent *entry; stream && (entry = readdir(stream));)
        if (ends_with(entry->d_name, ".jsonl"))
            snprintf(r->lines, sizeof r->lines, "%s/%s", r->folder, entry->d_name);
    if (stream)
        closedir(stream);
    if (!r->lines[0])
        return false;
    char *text = (char *)file_get(r->lines, &size), *at = strstr(text, "\"record\":\"study\"");
    assert_non_null(at);
    at = strstr(at, "\"name\":\"");
    assert_non_null(at);
    snprintf(r->study, sizeof r->study, "%.*s", (int)strcspn(at + 8, "\""), at + 8);
    free(text);
    return true;
}

/* Every file of a committed folder that a report writes, but pictures, is what the report of the
 * imported export writes. Returns how many that are. */
static int compare_committed(struct reference *r, const char *below)
{
    static const char *const written[] = {".csv", ".json", ".tex", ".md", ".dat", ".gp"};
    char folder[400], names[2][900];
    int count = 0;
    snprintf(folder, sizeof folder, "%s%s", r->folder, below);
    DIR *stream = opendir(folder);
    for (const struct dirent *entry; stream && (entry = readdir(stream));) {
        bool wanted = false;
        for (size_t i = 0; i < sizeof written / sizeof written[0]; i++)
            wanted = wanted || ends_with(entry->d_name, written[i]);
        if (!wanted || strcmp(entry->d_name, "README.md") == 0)
            continue;
        snprintf(names[0], sizeof names[0], "%s/%s", folder, entry->d_name);
        snprintf(names[1], sizeof names[1], "%s/%s%s/%s", bed_path(r->bed, "ref"), r->study, below,
                 entry->d_name);
        size_t sizes[2];
        uint8_t *is = file_get(names[0], &sizes[0]), *made = file_get(names[1], &sizes[1]);
        if (sizes[0] != sizes[1] || memcmp(is, made, sizes[0]) != 0)
            fail_msg("%s is not what %s makes", names[0], r->lines);
        free(is);
        free(made);
        count++;
    }
    if (stream)
        closedir(stream);
    return count;
}

/* Imports, and reports with a gnuplot that does nothing: pictures are not compared. */
static void report_reference(struct reference *r)
{
    struct command c;
    const char *place = bed_path(r->bed, "ref"), *tools = bed_path(r->bed, "tools");
    char store[600];
    snprintf(store, sizeof store, "%s/%s.sqlite", place, r->study);
    command_ok(&c, "study import %s --store %s", r->lines, store);
    command_free(&c);
    command_shell(&c, "PATH=%s:$PATH \"$CBAM_BENCH\" study report %s --store %s --plots-out %s/%s",
                  tools, r->study, store, place, r->study);
    if (c.status != 0)
        fail_msg("%s\nended with %d and said: %s", c.line, c.status, c.err);
    command_free(&c);
}

static void put_idle_gnuplot(struct bed *bed)
{
    static const char script[] = "#!/bin/sh\nexit 0\n";
    study_folder(bed, "tools");
    fixture_write(&bed->folder, "tools/gnuplot", script, sizeof script - 1);
    assert_int_equal(chmod(bed_path(bed, "tools/gnuplot"), 0755), 0);
}

static void test_reference_results(void **state)
{
    struct reference r = {.bed = *state};
    command_need();
    put_idle_gnuplot(r.bed);
    study_folder(r.bed, "ref");
    DIR *stream = opendir("results/reference");
    assert_non_null(stream);
    for (const struct dirent *entry; (entry = readdir(stream));) {
        snprintf(r.folder, sizeof r.folder, "results/reference/%s", entry->d_name);
        if (entry->d_name[0] == '.' || !find_export(&r))
            continue;
        report_reference(&r);
        int tables = compare_committed(&r, ""), plots = compare_committed(&r, "/plots");
        print_message("%s: %d files, and %d of plots\n", r.folder, tables, plots);
        assert_true(tables > 0);
    }
    closedir(stream);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_one_more_seed),
        BED_TEST(test_results_of_an_older_build),
        BED_TEST(test_a_report_from_an_export),
        BED_TEST(test_reference_results),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("study reports", tests, NULL, NULL) != 0;
}
