/* A results store that an older program made: opened, it is of this version, with all that it held.
 * With a stand-in for training; this program is its own worker. */
#include "bench/study/store_merge.h"
#include "tests/store_dump.h"
#include "tests/study_fixture.h"

/* A store as version 1 of the tables had it: what it holds is kept, read and gone on with. */
static void a_store_of_version_1(void **state)
{
    static const char old_tables[] =
        "CREATE TABLE old_cells AS SELECT * FROM cells; CREATE TABLE old_members AS"
        " SELECT study, position, key FROM members; CREATE TABLE old_studies AS"
        " SELECT name, updated, latency_key FROM studies;"
        "DROP TABLE trials; DROP TABLE searches; DROP TABLE members; DROP TABLE studies;"
        "DROP TABLE cells;"
        "CREATE TABLE cells (key TEXT PRIMARY KEY, role TEXT NOT NULL"
        " CHECK (role IN ('source', 'transfer')), source TEXT REFERENCES cells (key),"
        " identity TEXT NOT NULL, settings TEXT NOT NULL, state TEXT NOT NULL"
        " CHECK (state IN ('pending', 'running', 'done', 'failed')),"
        " attempts INTEGER NOT NULL DEFAULT 0, error TEXT, host TEXT, pid INTEGER,"
        " pid_start INTEGER, lease INTEGER, started TEXT, finished TEXT, diverged TEXT, how TEXT,"
        " split_hash TEXT, data_hash TEXT, command TEXT,"
        " provenance TEXT REFERENCES provenance (id)) STRICT;"
        "CREATE TABLE studies (name TEXT PRIMARY KEY, updated TEXT NOT NULL, latency_key TEXT)"
        " STRICT;"
        "CREATE TABLE members (study TEXT NOT NULL REFERENCES studies (name),"
        " position INTEGER NOT NULL, key TEXT NOT NULL REFERENCES cells (key),"
        " PRIMARY KEY (study, position)) STRICT, WITHOUT ROWID;"
        "INSERT INTO cells SELECT key, role, source, identity, settings, state, attempts, error,"
        " host, pid, pid_start, lease, started, finished, diverged, how, split_hash, data_hash,"
        " command, provenance FROM old_cells;"
        "INSERT INTO studies SELECT * FROM old_studies;"
        "INSERT INTO members SELECT * FROM old_members;"
        "DROP TABLE old_cells; DROP TABLE old_members; DROP TABLE old_studies;"
        "PRAGMA user_version = 1";
    struct bench *b = *state;
    struct store_rows rows;
    char *claims, path[400];
    make_grid(b, 2, "epochs: 1", "[{arm: scratch}, {arm: frozen}]");
    open_store(b);
    assert_int_equal(schedule(b, 2).done, 12);
    assert_int_equal(store_reset(b->store, b->grid.cells[1].key), OK);
    store_close(b->store);
    sql(b, old_tables);
    assert_int_equal(store_open(&b->store, b->path, false), OK);
    assert_int_equal(store_rows(b->store, "s", &rows), OK);
    assert_int_equal(rows.count, 12);
    for (int i = 0; i < rows.count; i++) {
        assert_string_equal(rows.rows[i].cell.key, b->grid.cells[i].key);
        assert_int_equal(rows.rows[i].state, i == 1 ? STATE_PENDING : STATE_DONE);
        assert_false(rows.rows[i].cell.trial);
        /* it did not know names of arms: the ways of transfer stand for them */
        assert_string_equal(rows.rows[i].cell.arm, b->grid.cells[i].arm);
    }
    store_rows_free(&rows);
    assert_int_equal(store_claims(b->store, "s", &claims), OK);
    assert_string_equal(claims, "");
    free(claims);
    assert_int_equal(store_register(b->store, "s", &b->grid), OK);
    struct scheduler_report report = schedule(b, 2);
    assert_int_equal(report.reused, 11);
    assert_int_equal(report.done, 1);
    /* It is a store like any other: its tables have the columns of a new one, in that order. */
    struct store *other;
    struct merge_report merged;
    snprintf(path, sizeof path, "%s/other.sqlite", b->dir);
    assert_int_equal(store_open(&other, path, true), OK);
    if (store_merge(other, b->path, &merged) != OK)
        fail_msg("%s", fail_text());
    assert_int_equal(merged.added, 12);
    store_close(other);
    store_close(b->store);
    assert_int_equal(store_open(&b->store, b->path, false), OK); /* once is enough */
    assert_same_stores(b->path, path);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "cell") == 0)
        return be_worker(argv);
    const struct CMUnitTest tests[] = {TEST(a_store_of_version_1)};
    return cmocka_run_group_tests_name("store_upgrade", tests, NULL, NULL);
}
