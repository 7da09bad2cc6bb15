/* The settings of a training run by name: no field is forgotten by JSON, by the command line or by
 * the key of a cell. */
#include "bench/study/cell.h"
#include "bench/transfer/settings.h"
#include "tests/temp_dir.h"

#include <math.h>

/* Another value than the one a field has, as text. */
static const char *other_value(const struct setting_field *field, const struct train_settings *s)
{
    char now[600];
    train_settings_get(s, field, now, sizeof now);
    switch (field->kind) {
    case SETTING_SWITCH:
        return strcmp(now, field->words[0]) == 0 ? field->words[1] : field->words[0];
    case SETTING_ARM:
        return strcmp(now, "frozen") == 0 ? "finetune" : "frozen";
    case SETTING_REAL:
        return strcmp(now, "0.1875") == 0 ? "0.3125" : "0.1875";
    case SETTING_TEXT:
        /* Words that are no algorithm are refused. */
        return strcmp(field->option, "algorithm") == 0 ? "winograd" : "it's other";
    default:
        return strcmp(now, "17") == 0 ? "18" : "17";
    }
}

static void same_settings(const struct train_settings *a, const struct train_settings *b)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    for (int i = 0; i < count; i++) {
        char x[600], y[600];
        train_settings_get(a, &fields[i], x, sizeof x);
        train_settings_get(b, &fields[i], y, sizeof y);
        assert_string_equal(x, y);
    }
}

static size_t alignment_of(const struct setting_field *field)
{
    return field->kind == SETTING_TEXT || field->kind == SETTING_SWITCH ? 1 : field->size;
}

/* The field that begins at `offset` or, for want of one, the next; NULL at the end. */
static const struct setting_field *field_from(size_t offset)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count), *next = NULL;
    for (int i = 0; i < count; i++)
        if (fields[i].offset >= offset && (!next || fields[i].offset < next->offset))
            next = &fields[i];
    return next;
}

static size_t round_up(size_t offset, size_t alignment)
{
    return (offset + alignment - 1) / alignment * alignment;
}

/* Every field of the table begins where the one before it in the struct ends, but for what its
 * alignment needs: a member that the table has not shows as a gap. */
static void the_table_is_complete(void **state)
{
    size_t end = 0;
    (void)state;
    for (const struct setting_field *f = field_from(0); f; f = field_from(end)) {
        if (f->offset != round_up(end, alignment_of(f)))
            fail_msg("a member before %s is missing from the table", f->option);
        end = f->offset + f->size;
    }
    assert_int_equal(round_up(end, _Alignof(struct train_settings)),
                     sizeof(struct train_settings));
}

static void json_carries_everything(void **state)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    (void)state;
    for (int i = 0; i < count; i++) {
        struct train_settings s, back;
        train_defaults(&s);
        assert_int_equal(train_settings_set(&s, fields[i].option, other_value(&fields[i], &s)),
                         OK);
        json_t *json = train_settings_json(&s);
        assert_int_equal(train_settings_from_json(json, &back), OK);
        same_settings(&s, &back);
        json_decref(json);
    }
}

static void every_setting_changes_the_key(void **state)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    struct cell base = {.role = ROLE_TRANSFER}, *seen = calloc((size_t)count, sizeof *seen);
    (void)state;
    assert_non_null(seen);
    train_defaults(&base.settings);
    assert_int_equal(cell_identify(&base, "data-key", NULL, "direct"), OK);
    for (int i = 0; i < count; i++) {
        struct cell *cell = &seen[i];
        *cell = (struct cell){.role = ROLE_TRANSFER, .settings = base.settings};
        train_settings_set(&cell->settings, fields[i].option,
                           other_value(&fields[i], &base.settings));
        assert_int_equal(cell_identify(cell, "data-key", NULL, "direct"), OK);
        /* The place of the data is no part of the key: their content is. */
        if (strcmp(fields[i].option, "data") == 0)
            assert_string_equal(cell->key, base.key);
        else
            assert_string_not_equal(cell->key, base.key);
        for (int j = 0; j < i; j++)
            if (strcmp(fields[i].option, "data") != 0)
                assert_string_not_equal(cell->key, seen[j].key);
    }
    for (int i = 0; i < count; i++)
        free(seen[i].identity);
    free(seen);
    free(base.identity);
}

static void key_of(struct cell cell, const char *data_key, char key[CELL_KEY_SIZE])
{
    assert_int_equal(cell_identify(&cell, data_key, NULL, "direct"), OK);
    memcpy(key, cell.key, CELL_KEY_SIZE);
    free(cell.identity);
}

static void data_source_and_role_change_the_key(void **state)
{
    struct cell cell = {.role = ROLE_TRANSFER};
    char keys[4][CELL_KEY_SIZE], again[CELL_KEY_SIZE];
    (void)state;
    train_defaults(&cell.settings);
    key_of(cell, "a", keys[0]);
    key_of(cell, "b", keys[1]);
    strcpy(cell.source, keys[0]);
    key_of(cell, "a", keys[2]);
    cell.source[0] = '\0';
    cell.role = ROLE_SOURCE;
    key_of(cell, "a", keys[3]);
    key_of(cell, "a", again);
    assert_string_equal(keys[3], again);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(keys[i], keys[j]);
}

/* The text that is hashed has its members in alphabetical order, whatever the order in which they
 * were set: an object built backwards gives the same bytes. */
static void the_identity_is_canonical(void **state)
{
    struct cell cell = {.role = ROLE_SOURCE};
    json_error_t error;
    const char *name;
    json_t *value;
    (void)state;
    train_defaults(&cell.settings);
    assert_int_equal(cell_identify(&cell, "k", NULL, "direct"), OK);
    json_t *json = json_loads(cell.identity, 0, &error);
    json_t *settings = json_object_get(json, "settings"), *backwards = json_object();
    int n = 0;
    const char *names[64];
    json_object_foreach(settings, name, value)
        names[n++] = name;
    while (n-- > 0)
        json_object_set(backwards, names[n], json_object_get(settings, names[n]));
    json_t *whole = json_pack("{s:o, s:O, s:O}", "settings", backwards, "schema",
                              json_object_get(json, "schema"), "role",
                              json_object_get(json, "role"));
    char *text = json_dumps(whole, JSON_SORT_KEYS | JSON_COMPACT | JSON_REAL_PRECISION(17));
    char key[CELL_KEY_SIZE];
    cell_hash(text, key);
    assert_string_equal(text, cell.identity);
    assert_string_equal(key, cell.key);
    free(text);
    json_decref(whole);
    json_decref(json);
    free(cell.identity);
}

/* ---- the command line ---- */

/* Splits a line the way a shell does, for what train_settings_command() writes. */
static int split(char *line, char **words, int most)
{
    int n = 0;
    char *out = line;
    for (char *at = line; *at && n < most;) {
        words[n++] = out;
        for (bool quoted = false; *at && (quoted || *at != ' '); at++) {
            if (*at == '\'')
                quoted = !quoted;
            else if (*at == '\\' && !quoted)
                *out++ = *++at;
            else
                *out++ = *at;
        }
        at += *at == ' ';
        *out++ = '\0';
    }
    return n;
}

static void read_command(char *line, struct train_settings *s)
{
    char *words[80] = {NULL};
    int n = split(line, words, 80);
    assert_string_equal(words[0], "cbam-bench");
    assert_string_equal(words[1], "train");
    train_defaults(s);
    for (int i = 2; i + 1 < n; i += 2) {
        assert_true(strncmp(words[i], "--", 2) == 0);
        if (strcmp(words[i], "--save") != 0)
            assert_int_equal(train_settings_set(s, words[i] + 2, words[i + 1]), OK);
    }
}

static void the_command_repeats_everything(void **state)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    (void)state;
    for (int i = 0; i < count; i++) {
        struct train_settings s, back;
        train_defaults(&s);
        train_settings_set(&s, fields[i].option, other_value(&fields[i], &s));
        char *command = train_settings_command(&s, "results/a b.safetensors");
        assert_non_null(strstr(command, "--save 'results/a b.safetensors'"));
        read_command(command, &back);
        if (s.steps > 0)
            back.epochs = s.epochs; /* not said beside steps: it has no meaning there */
        same_settings(&s, &back);
        free(command);
    }
}

/* ---- refusals ---- */

static void bad_values(void **state)
{
    static const char *const bad[][2] = {
        {"epochs", ""}, {"epochs", "x"}, {"epochs", "3 "}, {"epochs", "-1"}, {"epochs", "1e3"},
        {"epochs", "99999999999999999999"}, {"lr", "inf"}, {"lr", "nan"}, {"lr", "0x1p3"},
        {"lr", "0.1,0.2"}, {"lr", "-0.1"}, {"momentum", "1.5"}, {"seed", "-1"},
        {"seed", "9223372036854775808"}, {"seed", "1.0"}, {"seed", ""}, {"augment", "true"},
        {"order", "on"}, {"model", ""}, {"transfer", "Frozen"}, {"threads", "2000"},
        {"batch", "0"}, {"no-such-option", "1"}, {"weight_decay", "1"}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct train_settings s, before;
        train_defaults(&s);
        train_defaults(&before);
        if (train_settings_set(&s, bad[i][0], bad[i][1]) != ERR_USAGE)
            fail_msg("--%s '%s' was accepted", bad[i][0], bad[i][1]);
        same_settings(&s, &before);
    }
    char text[600];
    struct train_settings s;
    train_defaults(&s);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(train_settings_set(&s, "init", text), ERR_USAGE);
}

static void bad_json(void **state)
{
    struct train_settings s, back;
    const char *name;
    json_t *value;
    (void)state;
    train_defaults(&s);
    json_t *good = train_settings_json(&s);
    json_object_foreach(good, name, value) {
        json_t *bad = json_copy(good);
        json_object_del(bad, name);
        assert_int_equal(train_settings_from_json(bad, &back), ERR_FORMAT);
        json_object_set_new(bad, name, json_null());
        assert_int_equal(train_settings_from_json(bad, &back), ERR_FORMAT);
        json_object_set_new(bad, name, json_array());
        assert_int_equal(train_settings_from_json(bad, &back), ERR_FORMAT);
        json_decref(bad);
    }
    json_object_set_new(good, "more", json_true());
    assert_int_equal(train_settings_from_json(good, &back), ERR_FORMAT);
    json_decref(good);
    assert_int_equal(train_settings_from_json(NULL, &back), ERR_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_complete),
        cmocka_unit_test(json_carries_everything),
        cmocka_unit_test(every_setting_changes_the_key),
        cmocka_unit_test(data_source_and_role_change_the_key),
        cmocka_unit_test(the_identity_is_canonical),
        cmocka_unit_test(the_command_repeats_everything),
        cmocka_unit_test(bad_values),
        cmocka_unit_test(bad_json),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
