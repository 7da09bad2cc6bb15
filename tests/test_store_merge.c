/* Parts of a study on several machines, and their stores brought together; a study as text lines
 * and back. With a stand-in for training; this program is its own worker. */
#include "bench/study/shard.h"
#include "bench/study/store_merge.h"
#include "tests/store_dump.h"
#include "tests/study_fixture.h"

static const char three_arms[] = "[{arm: scratch}, {arm: frozen}, {arm: finetune}]";

/* ---- shards ---- */

static void every_cell_is_in_one_shard(void **state)
{
    struct bench *b = *state;
    make_grid(b, 5, "epochs: 1", three_arms);
    for (int count = 1; count <= 5; count++) {
        int owner[64] = {0}, size[6] = {0};
        bool mine[64];
        for (int shard = 1; shard <= count; shard++) {
            shard_choose(&b->grid, shard, count, mine);
            for (int i = 0; i < b->grid.count; i++) {
                assert_true(!mine[i] || owner[i] == 0);
                owner[i] += mine[i] ? shard : 0;
                size[shard] += mine[i];
            }
        }
        for (int i = 0; i < b->grid.count; i++) {
            int source = grid_find(&b->grid, b->grid.cells[i].source);
            assert_int_not_equal(owner[i], 0);
            assert_int_equal(owner[i], source < 0 ? owner[i] : owner[source]);
        }
        for (int shard = 1; shard <= count; shard++) /* a group has three cells */
            assert_true(size[shard] >= b->grid.count / count - 3);
    }
}

/* A seed more leaves the cells that were there on the machines where they are stored. */
static void a_new_seed_moves_nothing(void **state)
{
    struct bench *b = *state;
    bool before[64], after[64];
    make_grid(b, 3, "epochs: 1", three_arms);
    int count = b->grid.count;
    shard_choose(&b->grid, 2, 3, before);
    grid_free(&b->grid);
    make_grid(b, 4, "epochs: 1", three_arms);
    shard_choose(&b->grid, 2, 3, after);
    for (int i = 0; i < count; i++)
        assert_int_equal(before[i], after[i]);
}

static void shards_as_words(void **state)
{
    static const char *const wrong[] = {"", "1", "0/3", "4/3", "1/0", "-1/3", "1/3x", "1/1025",
                                        "a/b", "1/3/5"};
    int index, count;
    (void)state;
    assert_int_equal(shard_parse("2/3", &index, &count), OK);
    assert_true(index == 2 && count == 3);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (shard_parse(wrong[i], &index, &count) != ERR_USAGE)
            fail_msg("'%s' was accepted", wrong[i]);
}

/* Runs the study, or a shard of it, in the store of that name. */
static void run_in(struct bench *b, const char *name, int shard, int count)
{
    bool mine[64];
    store_close(b->store);
    b->store = NULL;
    snprintf(b->path, sizeof b->path, "%s/%s", b->dir, name);
    open_store(b);
    shard_choose(&b->grid, shard, count, mine);
    b->only = mine;
    struct scheduler_report report = schedule(b, 2);
    b->only = NULL;
    assert_int_equal(report.failed + report.blocked, 0);
}

static const char *beside(struct bench *b, const char *name, char path[400])
{
    snprintf(path, 400, "%s/%s", b->dir, name);
    return path;
}

static void merged_shards_are_the_whole(void **state)
{
    struct bench *b = *state;
    struct store *all;
    char path[400], whole[400];
    make_grid(b, 3, "epochs: 1", three_arms);
    run_in(b, "whole", 1, 1);
    assert_int_equal(store_open(&all, beside(b, "all", path), true), OK);
    for (int shard = 1, done = 0; shard <= 3; shard++) {
        struct merge_report report;
        char name[24];
        int attempts;
        snprintf(name, sizeof name, "shard%d", shard);
        run_in(b, name, shard, 3);
        int here = count_state(b, STATE_DONE, &attempts);
        assert_int_equal(store_merge(all, beside(b, name, path), &report), OK);
        assert_int_equal(report.added + report.improved + report.kept, b->grid.count);
        assert_int_equal(report.improved, shard == 1 ? 0 : here);
        assert_int_equal(report.differ + report.running, 0);
        done += here;
        assert_int_equal(done == b->grid.count, shard == 3);
    }
    store_close(all);
    assert_same_stores(beside(b, "all", path), beside(b, "whole", whole));
}

/* ---- what wins ---- */

static void the_further_one_wins(void **state)
{
    struct bench *b = *state;
    struct merge_report report;
    char other[400];
    int attempts;
    make_grid(b, 1, "epochs: 1", "[{arm: scratch, batch: 101}, {arm: finetune}]");
    setenv("STORE_TEST_HEALTHY", "1", 1);
    run_in(b, "healthy", 1, 1);
    unsetenv("STORE_TEST_HEALTHY");
    store_close(b->store);
    snprintf(b->path, sizeof b->path, "%s/failing", b->dir);
    open_store(b);
    assert_int_equal(schedule(b, 2).failed, 2);
    assert_int_equal(store_merge(b->store, beside(b, "healthy", other), &report), OK);
    assert_int_equal(report.improved, 2);
    assert_int_equal(report.kept, 4);
    assert_int_equal(count_state(b, STATE_DONE, &attempts), 6);
    assert_same_stores(b->path, other);
    assert_int_equal(store_merge(b->store, other, &report), OK);
    assert_int_equal(report.kept, 6);
    assert_int_equal(report.added + report.improved + report.differ, 0);
    assert_int_equal(store_merge(b->store, b->path, &report), ERR_USAGE);
    assert_message(fail_text(), b->path, "itself");
}

/* Two machines that found different numbers: those that were there stay, and it is said. */
static void other_numbers_are_counted(void **state)
{
    struct bench *b = *state;
    struct merge_report report;
    struct train_result *result = calloc(1, sizeof *result);
    char one[400];
    make_grid(b, 1, "epochs: 1", one_arm);
    run_in(b, "one", 1, 1);
    run_in(b, "two", 1, 1);
    sql(b, "UPDATE metrics SET value = 0.125 WHERE name = 'test_accuracy';"
           "UPDATE metrics SET value = 99 WHERE name = 'seconds'");
    assert_int_equal(store_merge(b->store, beside(b, "one", one), &report), OK);
    assert_int_equal(report.kept, 4);
    assert_int_equal(report.differ, 4);
    assert_int_equal(store_result(b->store, b->grid.cells[0].key, result), OK);
    assert_true(result->test_accuracy == 0.125);
    free(result);
}

/* What runs elsewhere is pending here; what has weights brings them along. */
static void running_cells_and_weights(void **state)
{
    struct bench *b = *state;
    struct store *all;
    struct merge_report report;
    char path[400], folder[400], weights[640];
    make_grid(b, 1, "epochs: 1", one_arm);
    run_in(b, "one", 1, 1);
    sql(b, "UPDATE cells SET state = 'running' WHERE role = 'transfer'");
    assert_int_equal(mkdir(beside(b, "elsewhere", folder), 0777), 0);
    assert_int_equal(store_open(&all, beside(b, "elsewhere/store", path), true), OK);
    assert_int_equal(store_merge(all, beside(b, "one", folder), &report), OK);
    assert_int_equal(report.running, 2);
    assert_int_equal(report.weights, 2);
    for (int i = 0; i < b->grid.count; i++) {
        enum standing standing;
        bool source = b->grid.cells[i].role == ROLE_SOURCE;
        assert_int_equal(store_standing(all, b->grid.cells[i].key, &standing), OK);
        assert_int_equal(standing, source ? STANDING_DONE : STANDING_FREE);
        store_weights_path(all, b->grid.cells[i].key, weights, sizeof weights);
        assert_int_equal(access(weights, R_OK) == 0, source);
    }
    store_close(all);
    assert_int_equal(store_open(&all, beside(b, "fresh", path), true), OK);
    assert_int_equal(store_merge(all, beside(b, "missing", folder), &report), ERR_IO);
    store_close(all);
}

/* ---- lines ---- */

static char *export_text(struct store *store, bool predictions)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    if (store_export(store, "s", predictions, out) != OK)
        fail_msg("%s", fail_text());
    assert_int_equal(fclose(out), 0);
    return text;
}

/* A study with all there is: results, a failure, a divergence, latency. */
static void make_everything(struct bench *b)
{
    make_grid(b, 2, "epochs: 1",
              "[{arm: scratch, batch: 101}, {arm: frozen, batch: 103}, {arm: finetune}]");
    open_store(b);
    assert_int_equal(schedule(b, 2).failed, 4);
    sql(b, "INSERT INTO curves VALUES ((SELECT key FROM cells WHERE state = 'done' ORDER BY key"
           " LIMIT 1), 1, 0.1, 1e-300, 0.3, NULL, NULL, 2.5)");
    assert_int_equal(store_add_latency(b->store, "s", "{\"b\":0.25,\"a\":[1,2.0]}"), OK);
    assert_int_equal(store_mark_latency(b->store, "s", "run"), OK);
    assert_int_equal(store_add_latency(b->store, "s", "{\"b\":0.25}"), OK);
}

static void there_and_back(void **state)
{
    struct bench *b = *state;
    struct store *again;
    struct merge_report report;
    char lines[400], path[400];
    make_everything(b);
    for (int predictions = 0; predictions < 2; predictions++) {
        char *text = export_text(b->store, predictions);
        assert_null(strstr(text, "\"pid\""));
        assert_null(strstr(text, "\"host\""));
        file_put(beside(b, "lines", lines), text, strlen(text));
        assert_int_equal(store_open(&again, beside(b, predictions ? "with" : "without", path),
                                    true), OK);
        if (store_import(again, lines, &report) != OK)
            fail_msg("%s", fail_text());
        assert_int_equal(report.added, b->grid.count);
        char *other = export_text(again, predictions);
        assert_string_equal(text, other);
        store_close(again);
        free(text);
        free(other);
    }
    assert_same_stores(b->path, path);
}

/* The lines with one piece replaced: nothing of them is taken, and the line is named. */
static void assert_not_taken(struct bench *b, struct store *store, const char *text,
                             const char *from, const char *to, const char *expected)
{
    struct merge_report report;
    char path[400], where[32], *changed = malloc(strlen(text) + strlen(to) + 1);
    struct store_rows rows;
    const char *at = strstr(text, from);
    int line = 1;
    assert_non_null(changed);
    assert_non_null(at);
    for (const char *c = text; c < at; c++)
        line += *c == '\n';
    sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    file_put(beside(b, "lines", path), changed, strlen(changed));
    snprintf(where, sizeof where, "lines:%d: ", line);
    if (store_import(store, path, &report) != ERR_FORMAT)
        fail_msg("'%s' was taken", to);
    assert_message(fail_text(), where, expected);
    assert_int_equal(store_rows(store, "s", &rows), OK);
    assert_int_equal(rows.count, 0);
    free(changed);
}

static void lines_that_are_wrong(void **state)
{
    static const struct {
        const char *from, *to, *expected;
    } wrong[] = {
        {"\"version\":1", "\"version\":9", "version 9"},
        {"{\"record\":\"study\"", "{\"record\":\"cat\"", "'cat' is no record"},
        {"{\"record\":\"study\"", "{\"study\"", "no JSON"},
        {"\"claims\":", "\"claim\":", "'claim' is not known"},
        {"\"commit_id\":\"", "\"commit_id\":7,\"x\":\"", "'x' is not known"},
        {"\"attempts\":1", "\"attempts\":\"1\"", "'attempts'"},
        {"\"attempts\":1", "\"attempts\":1,\"attempts\":2", "duplicate"},
        {"\"epochs\":1,", "\"epochs\":2,", "not that of its settings"},
        {"\"state\":\"done\"", "\"state\":\"fine\"", "CHECK"},
        {"\"metrics\":{", "\"metrics\":[{", "no JSON"},
        {"\"test_accuracy\":0.5", "\"test_accuracy\":\"high\"", "'metrics'"},
        {"[1,0.1", "[1,\"x\",0.1", "curves has not 7 values"},
        {"\"record\":\"end\",\"cells\":16", "\"record\":\"end\",\"cells\":17", "17 cells"},
    };
    struct bench *b = *state;
    struct store *empty;
    struct merge_report report;
    char path[400];
    make_everything(b);
    char *text = export_text(b->store, false);
    assert_int_equal(store_open(&empty, beside(b, "empty", path), true), OK);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_not_taken(b, empty, text, wrong[i].from, wrong[i].to, wrong[i].expected);
    char *end = strstr(text, "{\"record\":\"end\"");
    assert_non_null(end);
    file_put(beside(b, "lines", path), text, (size_t)(end - text));
    assert_int_equal(store_import(empty, path, &report), ERR_FORMAT);
    assert_message(fail_text(), "lines", "last line is missing");
    assert_int_equal(store_import(empty, beside(b, "none", path), &report), ERR_IO);
    assert_int_equal(store_export(empty, "s", false, stderr), ERR_USAGE);
    store_close(empty);
    free(text);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "cell") == 0)
        return be_worker(argv);
    const struct CMUnitTest tests[] = {
        TEST(every_cell_is_in_one_shard),
        TEST(a_new_seed_moves_nothing),
        TEST(shards_as_words),
        TEST(merged_shards_are_the_whole),
        TEST(the_further_one_wins),
        TEST(other_numbers_are_counted),
        TEST(running_cells_and_weights),
        TEST(there_and_back),
        TEST(lines_that_are_wrong),
    };
    return cmocka_run_group_tests_name("store_merge", tests, NULL, NULL);
}
