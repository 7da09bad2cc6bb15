/* Weights that people have: other programs' names, other heads, metadata or none, attention put
 * into them. Reports R24, R25, R43 and R56 are in the names of tests. */
#include "bench/net/weights.h"
#include "bench/transfer/metadata.h"
#include "impls/base/threads.h"
#include "tests/network.h"
#include "tests/support.h"

#include <math.h>

enum { MOST_TENSORS = 1024, NAME = 160 };

/* ---- files under other names ---- */

/* A weights file in memory whose names, tensors and metadata a test changes before writing it. */
struct draft {
    struct safetensors file;
    struct safetensors_tensor tensors[2 * MOST_TENSORS];
    char names[2 * MOST_TENSORS][NAME];
    size_t count;
    struct safetensors_pair pairs[32];
    size_t pair_count;
};

static struct draft *draft_open(const char *path)
{
    struct draft *draft = calloc(1, sizeof *draft);
    assert_non_null(draft);
    support_ok(safetensors_open(&draft->file, path));
    assert_true(draft->file.count <= MOST_TENSORS);
    for (; draft->count < draft->file.count; draft->count++) {
        draft->tensors[draft->count] = draft->file.tensors[draft->count];
        snprintf(draft->names[draft->count], NAME, "%s", draft->file.tensors[draft->count].name);
    }
    for (; draft->pair_count < draft->file.metadata_count; draft->pair_count++)
        draft->pairs[draft->pair_count] = draft->file.metadata[draft->pair_count];
    return draft;
}

/* Puts a text before every name, except those that have the fragment `but` (NULL: none). */
static void draft_prefix(struct draft *draft, const char *prefix, const char *but)
{
    for (size_t i = 0; i < draft->count; i++) {
        char name[NAME];
        if (but && strstr(draft->names[i], but))
            continue;
        memcpy(name, draft->names[i], NAME);
        snprintf(draft->names[i], NAME, "%.40s%.110s", prefix, name);
    }
}

/* Sets a metadata value, NULL: removes the key. */
static void draft_metadata(struct draft *draft, const char *key, const char *value)
{
    size_t i = 0;
    while (i < draft->pair_count && strcmp(draft->pairs[i].key, key) != 0)
        i++;
    if (!value) {
        if (i < draft->pair_count)
            draft->pairs[i] = draft->pairs[--draft->pair_count];
        return;
    }
    draft->pairs[i] = (struct safetensors_pair){key, value};
    draft->pair_count += i == draft->pair_count;
}

/* Writes it and gives it up. */
static void draft_write(struct draft *draft, const char *path)
{
    for (size_t i = 0; i < draft->count; i++)
        draft->tensors[i].name = draft->names[i];
    support_ok(safetensors_write(path, draft->tensors, draft->count, draft->pairs,
                                 draft->pair_count));
    safetensors_close(&draft->file);
    free(draft);
}

/* A fresh network of the settings as a file "w"; its path. */
static const char *fresh(struct bed *bed, struct train_settings *s, const char *attention)
{
    support_settings(s, bed, attention);
    support_save_fresh(s, bed_path(bed, "w"));
    return bed_path(bed, "w");
}

static uint64_t hash_of(const struct train_settings *s, const char *weights, char *notes,
                        size_t size)
{
    struct session session;
    support_open(&session, s, weights, NULL);
    assert_int_equal(session.loaded.loaded, session.net->params->count);
    uint64_t hash = params_hash(session.net->params);
    if (notes)
        snprintf(notes, size, "%.1000s", session.notes);
    session_close(&session);
    return hash;
}

static enum status open_as(struct session *session, const struct train_settings *s,
                           const char *weights)
{
    const struct weights_request request = {.model = s->model, .attention = s->attention,
                                            .weights = weights, .seed = 1};
    *session = (struct session){0};
    return session_open_weights(session, &request);
}

static void refused_as(const struct train_settings *s, const char *weights, const char *fragment1,
                       const char *fragment2)
{
    struct session session;
    support_refused(open_as(&session, s, weights), ERR_FORMAT, fragment1, fragment2);
    session_close(&session);
}

/* ---- prefixes ---- */

static void test_prefixes_are_left_off_and_said(void **state)
{
    static const char *const prefixes[] = {"module.", "model.", "backbone.", "module.model.",
                                           "model.backbone.", "_orig_mod.module."};
    struct bed *bed = *state;
    struct train_settings s;
    char notes[1024];
    const char *plain = fresh(bed, &s, "cbam"), *wrapped = bed_path(bed, "wrapped");
    uint64_t expected = hash_of(&s, plain, notes, sizeof notes);
    assert_null(strstr(notes, "in front of"));
    for (int i = 0; i < 6; i++) {
        struct draft *draft = draft_open(plain);
        char said[64];
        draft_prefix(draft, prefixes[i], NULL);
        draft_write(draft, wrapped);
        assert_true(hash_of(&s, wrapped, notes, sizeof notes) == expected);
        snprintf(said, sizeof said, "'%s' in front", prefixes[i]);
        assert_non_null(strstr(notes, said));
    }
}

static void test_counters_of_batches_are_optional(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    const int64_t seven = 7;
    const char *plain = fresh(bed, &s, "cbam");
    uint64_t expected = hash_of(&s, plain, NULL, 0);
    for (int prefixed = 0; prefixed < 2; prefixed++) {
        struct draft *draft = draft_open(plain);
        draft_prefix(draft, "module.", NULL);
        draft->tensors[draft->count] = (struct safetensors_tensor){.dtype = SAFETENSORS_I64,
                                                                   .data = &seven};
        snprintf(draft->names[draft->count++], NAME, "%sbn1.num_batches_tracked",
                 prefixed ? "module." : "");
        draft_write(draft, bed_path(bed, "counted"));
        assert_true(hash_of(&s, bed_path(bed, "counted"), NULL, 0) == expected);
    }
}

/* A head beside a wrapped backbone is found; nothing else is looked for without the prefix, so a
 * file of which one half is wrapped is refused, and so is one that holds two networks. */
static void test_prefixes_hide_nothing(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    const char *plain = fresh(bed, &s, "none"), *other = bed_path(bed, "other");
    uint64_t expected = hash_of(&s, plain, NULL, 0);
    struct draft *draft = draft_open(plain);
    draft_prefix(draft, "backbone.", "linear.");
    draft_write(draft, other);
    assert_true(hash_of(&s, other, NULL, 0) == expected);

    draft = draft_open(plain);
    draft_prefix(draft, "module.", "layer2.");
    draft_write(draft, other);
    refused_as(&s, other, "missing", "unexpected");

    draft = draft_open(plain);
    draft_prefix(draft, "student.", NULL);
    draft_write(draft, other);
    refused_as(&s, other, "loaded 0", "student.conv1.weight");

    draft = draft_open(plain);
    for (size_t i = 0, n = draft->count; i < n; i++, draft->count++) {
        draft->tensors[draft->count] = draft->tensors[i];
        snprintf(draft->names[draft->count], NAME, "module.%.140s", draft->names[i]);
    }
    draft_write(draft, other);
    refused_as(&s, other, "missing 0", "module.conv1.weight");
}

/* R25: DenseNet's old names are taken as a whole or not at all. */
static void test_R25_dotted_densenet_names(void **state)
{
    static const char *const old[] = {"norm1", "norm2", "conv1", "conv2"};
    static const char *const dotted[] = {"norm.1", "norm.2", "conv.1", "conv.2"};
    struct bed *bed = *state;
    struct train_settings s;
    char notes[1024];
    support_settings(&s, bed, "none");
    snprintf(s.model, sizeof s.model, "densenet121:stem=small:width=0.0625");
    support_save_fresh(&s, bed_path(bed, "w"));
    const char *plain = bed_path(bed, "w"), *other = bed_path(bed, "dotted");
    uint64_t expected = hash_of(&s, plain, NULL, 0);
    for (int mixed = 0; mixed < 2; mixed++) {
        struct draft *draft = draft_open(plain);
        int renamed = 0;
        draft_prefix(draft, "module.", NULL);
        for (size_t i = 0; i < draft->count; i++)
            for (int k = 0; k < 4 && (!mixed || renamed < 7); k++) {
                char *layer = strstr(draft->names[i], ".denselayer");
                char *at = layer ? strstr(layer, old[k]) : NULL, rest[NAME];
                if (!at)
                    continue;
                snprintf(rest, sizeof rest, "%s", at + strlen(old[k]));
                sprintf(at, "%s%s", dotted[k], rest);
                renamed++;
            }
        assert_int_equal(renamed, mixed ? 7 : 58 * 10); /* 2 x 4 of a norm, 2 x 1 of a conv */
        draft_write(draft, other);
        if (mixed) {
            refused_as(&s, other, "two spellings", "norm");
            continue;
        }
        assert_true(hash_of(&s, other, notes, sizeof notes) == expected);
        assert_non_null(strstr(notes, "old names"));
    }
}

/* ---- attention in VGG ---- */

/* Every tensor of the file is, byte for byte, the parameter of its name. */
static void check_all_arrived(const struct session *session, const char *weights)
{
    struct safetensors file;
    support_ok(safetensors_open(&file, weights));
    assert_int_equal(session->loaded.loaded, file.count);
    for (size_t i = 0; i < file.count; i++) {
        const struct net_param *param = params_find(session->net->params, file.tensors[i].name);
        assert_non_null(param);
        assert_int_equal(param->p.count, file.tensors[i].count);
        assert_memory_equal(param->p.data, file.tensors[i].data, file.tensors[i].bytes);
    }
    safetensors_close(&file);
}

/* R24: modules put into `features` shift its numbers, and what still fits by shape is loaded. */
static void test_R24_vgg_features_do_not_shift(void **state)
{
    static const char *const models[] = {"vgg16:width=0.05", "vgg16_bn:width=0.05",
                                         "vgg16:width=0.05:stem=small"};
    static const int tensors[] = {13 * 2 + 3 * 2, 13 * 6 + 3 * 2, 13 * 2 + 2};
    static const char *const forms[] = {"cbam", "cbam:place=stage", "cbam:place=head", "se",
                                        "cbam-article", "cbam-spatial:place=head"};
    struct bed *bed = *state;
    for (int m = 0; m < 3; m++) {
        struct train_settings s;
        support_settings(&s, bed, "none");
        snprintf(s.model, sizeof s.model, "%s", models[m]);
        s.size = 32;
        s.seed = 5; /* not that of the networks it goes into */
        support_save_fresh(&s, bed_path(bed, "vgg"));
        for (int f = 0; f < 6; f++) {
            static const char *const all[] = {"*cbam*", "*.ca.*", "*.sa.*", "*.se.*", NULL};
            struct session session = {0};
            const struct weights_request request = {
                .model = s.model, .attention = forms[f], .weights = bed_path(bed, "vgg"),
                .rules = {.allow_missing = all}, .size = 32, .seed = 1};
            support_ok(session_open_weights(&session, &request));
            assert_int_equal(session.loaded.loaded, tensors[m]);
            check_all_arrived(&session, bed_path(bed, "vgg"));
            assert_true(session.loaded.missing ==
                        session.net->params->count - session.loaded.loaded);
            assert_int_equal(session.loaded.unexpected + session.loaded.mismatched, 0);
            session_close(&session);
        }
    }
}

/* ---- heads and classes ---- */

static char *talk_of(const struct train_settings *s, enum status expected)
{
    char *text = NULL;
    size_t size;
    struct train_io io = {.talk = open_memstream(&text, &size)};
    struct train_result *result;
    assert_non_null(io.talk);
    assert_int_equal(support_run(s, &io, &result), expected);
    support_free(result);
    fclose(io.talk);
    return text;
}

static void test_heads_are_replaced_and_said(void **state)
{
    static const enum transfer_arm arms[] = {ARM_FROZEN, ARM_FROZEN_ATTENTION, ARM_FINETUNE};
    struct bed *bed = *state;
    struct train_settings s;
    fresh(bed, &s, "cbam");
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "w"));
    s.steps = 1;
    for (int i = 0; i < 3; i++) {
        s.transfer = arms[i];
        snprintf(s.data, sizeof s.data, "%.200s", bed->data);
        char *same = talk_of(&s, OK);
        assert_non_null(strstr(same, "the head is new, although"));
        assert_non_null(strstr(same, "--keep-head"));
        snprintf(s.data, sizeof s.data, "%.200s:classes=0+1", bed->data);
        char *fewer = talk_of(&s, OK);
        assert_non_null(strstr(fewer, "the head is new, for 2 classes: that of"));
        assert_non_null(strstr(fewer, "is for 4"));
        free(same);
        free(fewer);
    }
    s.keep_head = true;
    free(talk_of(&s, ERR_USAGE));
    support_refused(ERR_USAGE, ERR_USAGE, "--keep-head on", "4 classes, the data set 2");
}

/* A kept head whose classes have other names is a warning: it was asked for. */
static void test_kept_heads_are_compared_by_name(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    support_settings(&s, bed, "none");
    snprintf(s.data, sizeof s.data, "%.200s:classes=0+1", bed->data);
    support_save_fresh(&s, bed_path(bed, "w"));
    snprintf(s.init, sizeof s.init, "%s", bed_path(bed, "w"));
    snprintf(s.data, sizeof s.data, "%.200s:classes=0+3", bed->data);
    s.transfer = ARM_FINETUNE;
    s.keep_head = true;
    s.steps = 1;
    char *text = talk_of(&s, OK);
    assert_non_null(strstr(text, "class 1 is '1' in"));
    assert_non_null(strstr(text, "'3' in the data"));
    free(text);
}

/* R43: names in another order are another mapping. */
static void test_R43_class_names_are_compared(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    const char *w = fresh(bed, &s, "none");
    support_open(&session, &s, w, NULL);
    assert_int_equal(session.metadata.class_count, 4);
    assert_string_equal(session.metadata.class_names[3], "3");
    assert_int_equal(session_class_difference(&session), -1);
    session_close(&session);
    struct draft *draft = draft_open(w);
    draft_metadata(draft, "class_names", "[\"0\", \"1\", \"3\", \"2\\u001b[2J\"]");
    draft_write(draft, bed_path(bed, "other"));
    support_open(&session, &s, bed_path(bed, "other"), NULL);
    assert_int_equal(session_class_difference(&session), 2);
    assert_string_equal(session.metadata.class_names[3], "2?[2J");
    session_close(&session);
}

/* ---- metadata ---- */

static void test_normalisation_is_the_files_or_torchvisions(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    struct session session;
    const char *w = fresh(bed, &s, "none");
    struct draft *draft = draft_open(w);
    draft_metadata(draft, "mean", "0.125 0.25 0.5");
    draft_metadata(draft, "std", "0.5 1 2");
    draft_write(draft, bed_path(bed, "own"));
    support_open(&session, &s, bed_path(bed, "own"), NULL);
    assert_true(session.norm.mean[0] == 0.125f && session.norm.mean[2] == 0.5f);
    assert_true(session.norm.std[0] == 0.5f && session.norm.std[2] == 2);
    assert_null(strstr(session.notes, "torchvision"));
    session_close(&session);
    draft = draft_open(w);
    draft_metadata(draft, "mean", NULL);
    draft_metadata(draft, "std", NULL);
    draft_write(draft, bed_path(bed, "none"));
    support_open(&session, &s, bed_path(bed, "none"), NULL);
    assert_true(session.norm.mean[0] == 0.485f && session.norm.std[2] == 0.225f);
    assert_non_null(strstr(session.notes, "torchvision's are used"));
    session_close(&session);
}

/* What is there and cannot be meant is refused, not skipped. */
static void test_bad_metadata_are_refused(void **state)
{
    static const struct {
        const char *key, *value, *expected;
    } bad[] = {{"mean", "0.5 0.5", "three finite numbers"},
               {"mean", "0.5 nan 0.5", "three finite numbers"},
               {"mean", NULL, "not both"},
               {"std", "0.5 0 0.5", "above 0"},
               {"std", "1 1 1 1", "three"},
               {"input", "32", "HEIGHTxWIDTH"},
               {"input", "0x0", "HEIGHTxWIDTH"},
               {"input", "99999x99999", "HEIGHTxWIDTH"},
               {"images", "12x", "HEIGHTxWIDTH"},
               {"class_names", "ants", "JSON array"},
               {"class_names", "[1, 2, 3, 4]", "JSON array"},
               {"class_names", "[\"a\", \"b\"]", "head for 4 classes and names for 2"}};
    struct bed *bed = *state;
    struct train_settings s;
    fresh(bed, &s, "none");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct draft *draft = draft_open(bed_path(bed, "w"));
        draft_metadata(draft, bad[i].key, bad[i].value);
        draft_write(draft, bed_path(bed, "bad"));
        refused_as(&s, bed_path(bed, "bad"), bad[i].expected, bed_path(bed, "bad"));
    }
}

/* ---- the smallest map ---- */

/* R56: a map that has shrunk to one pixel still has a defined gate in training, for more than one
 * image. */
static void test_R56_one_pixel_maps_train(void **state)
{
    struct bed *bed = *state;
    struct train_settings s;
    bed_write_part(bed, "train", TINY_CLASSES, 4, 4);
    bed_write_part(bed, "t10k", TINY_CLASSES, 2, 4);
    for (int i = 0; impls[i]; i++) {
        support_settings(&s, bed, "cbam");
        snprintf(s.impl, sizeof s.impl, "%s", impls[i]->name);
        s.batch = 2;
        s.steps = 3;
        struct train_result *result = support_train(&s, NULL);
        assert_true(isfinite(result->test_loss) && isfinite(result->train_loss));
        support_free(result);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_prefixes_are_left_off_and_said),
        BED_TEST(test_counters_of_batches_are_optional),
        BED_TEST(test_prefixes_hide_nothing),
        BED_TEST(test_R25_dotted_densenet_names),
        BED_TEST(test_R24_vgg_features_do_not_shift),
        BED_TEST(test_heads_are_replaced_and_said),
        BED_TEST(test_kept_heads_are_compared_by_name),
        BED_TEST(test_R43_class_names_are_compared),
        BED_TEST(test_normalisation_is_the_files_or_torchvisions),
        BED_TEST(test_bad_metadata_are_refused),
        BED_TEST(test_R56_one_pixel_maps_train),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("weights people have", tests, NULL, NULL) != 0;
}
