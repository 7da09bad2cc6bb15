/* `train`: one training run. Its options are the table of bench/transfer/settings.h and a few that
 * change no number. */
#include "bench/measure/decide.h"
#include "bench/net/atomic_file.h"
#include "bench/transfer/settings.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"
#include "impls/base/threads.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_GLOBS = 8, KEY_FIRST_SETTING = 2000, KEY_SAVE = 1000, KEY_CHECKPOINT, KEY_RESUME,
       KEY_STOP, KEY_LOSSES, KEY_FORMAT, KEY_MISSING, KEY_UNEXPECTED, KEY_QUIET, KEY_FEATURES,
       KEY_PREFETCH, MOST_OPTIONS = 64 };

struct options {
    struct train_settings settings;
    const char *save, *checkpoint;
    const char *missing[MOST_GLOBS + 1], *unexpected[MOST_GLOBS + 1];
    int missing_count, unexpected_count;
    bool resume, quiet, json;
    int stop_after, losses, feature_mb, prefetch;
};

enum { PREFETCH_AUTO, PREFETCH_ON, PREFETCH_OFF };

static const struct argp_option own_keys[] = {
    {"save", KEY_SAVE, "FILE", 0, "write the trained weights (safetensors)", 2},
    {"checkpoint", KEY_CHECKPOINT, "FILE", 0, "write the run's state after every epoch", 2},
    {"resume", KEY_RESUME, NULL, 0, "go on from the checkpoint when it exists", 2},
    {"stop-after-epochs", KEY_STOP, "N", 0, "end early, leaving the checkpoint", 2},
    {"allow-missing", KEY_MISSING, "GLOB", 0, "tensors that --init may lack", 2},
    {"allow-unexpected", KEY_UNEXPECTED, "GLOB", 0, "tensors of --init that may be ignored", 2},
    {"feature-cache", KEY_FEATURES, "MB", 0, "memory for features of the fixed part that are "
     "computed once (1024); what needs more is computed for every batch, to the same numbers", 2},
    {"prefetch", KEY_PREFETCH, "auto|on|off", 0, "prepare the next batch on a thread of its own, "
     "to the same numbers; auto: when --threads leaves a processor free", 2},
    {"print-losses", KEY_LOSSES, "N", 0, "print the loss of each of the first N updates", 2},
    {"format", KEY_FORMAT, "text|json", 0, "how to print the result", 2},
    {"quiet", KEY_QUIET, NULL, 0, "no progress", 2},
};
enum { OWN_KEYS = sizeof own_keys / sizeof own_keys[0] };

static enum status add_glob(const char *option, const char **list, int *count, const char *glob)
{
    if (*count == MOST_GLOBS)
        return fail(ERR_USAGE, "%s: at most %d patterns", option, MOST_GLOBS);
    list[(*count)++] = glob;
    return OK;
}

static enum status parse_own(struct options *o, int key, char *arg)
{
    static const char *const formats[] = {"text", "json"};
    static const char *const rules[] = {"auto", "on", "off"};
    int format;
    switch (key) {
    case KEY_SAVE:
        o->save = arg;
        return OK;
    case KEY_CHECKPOINT:
        o->checkpoint = arg;
        return OK;
    case KEY_RESUME:
        o->resume = true;
        return OK;
    case KEY_QUIET:
        o->quiet = true;
        return OK;
    case KEY_STOP:
        return option_int("--stop-after-epochs", arg, 1, TRAIN_CURVE_MAX, &o->stop_after);
    case KEY_FEATURES:
        return option_int("--feature-cache", arg, 1, 1 << 20, &o->feature_mb);
    case KEY_PREFETCH:
        return option_word("--prefetch", arg, rules, 3, &o->prefetch);
    case KEY_LOSSES:
        return option_int("--print-losses", arg, 1, 1000000, &o->losses);
    case KEY_MISSING:
        return add_glob("--allow-missing", o->missing, &o->missing_count, arg);
    case KEY_UNEXPECTED:
        return add_glob("--allow-unexpected", o->unexpected, &o->unexpected_count, arg);
    case KEY_FORMAT:
        TRY(option_word("--format", arg, formats, 2, &format));
        o->json = format == 1;
        return OK;
    default:
        return ERR_UNSUPPORTED;
    }
}

/* The settings know no command line: a message that begins with an option's name gets its
 * dashes. */
static enum status set_as_typed(struct train_settings *settings, const char *option,
                                const char *value)
{
    char text[512];
    enum status status = train_settings_set(settings, option, value);
    if (status == OK || strncmp(fail_text(), option, strlen(option)) != 0)
        return status;
    snprintf(text, sizeof text, "%s", fail_text());
    return fail(status, "--%s", text);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    if (key >= KEY_FIRST_SETTING && key < KEY_FIRST_SETTING + count)
        return option_error(set_as_typed(&o->settings, fields[key - KEY_FIRST_SETTING].option,
                                         arg));
    enum status status = parse_own(o, key, arg);
    return status == ERR_UNSUPPORTED ? option_unknown(key, arg) : option_error(status);
}

static void list_keys(struct argp_option *keys)
{
    int count;
    const struct setting_field *fields = train_settings_fields(&count);
    CHECK(count + OWN_KEYS < MOST_OPTIONS);
    for (int i = 0; i < count; i++)
        keys[i] = (struct argp_option){fields[i].option, KEY_FIRST_SETTING + i, fields[i].value, 0,
                                       fields[i].help, 1};
    memcpy(keys + count, own_keys, sizeof own_keys);
    keys[count + OWN_KEYS] = (struct argp_option){0};
}

static void print_loss(void *data, int step, double loss, double accuracy)
{
    const struct options *o = data;
    (void)accuracy;
    if (step <= o->losses)
        printf("step %d loss %.9g\n", step, loss);
}

/* A number for JSON: null where there is none. */
static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *curve_json(const struct train_result *r)
{
    json_t *list = json_array();
    for (int i = 0; i < r->epochs; i++) {
        const struct train_epoch *e = &r->curve[i];
        json_array_append_new(
            list, json_pack("{s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "epoch", e->epoch, "lr",
                            number(e->lr), "train_loss", number(e->train_loss), "train_accuracy",
                            number(e->train_accuracy), "val_loss", number(e->val_loss),
                            "val_accuracy", number(e->val_accuracy), "seconds",
                            number(e->seconds)));
    }
    return list;
}

static void print_json(const struct options *o, const struct train_result *r)
{
    char *command = train_settings_command(&o->settings, o->save);
    json_t *json = json_pack(
        "{s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:I, s:I, s:o, s:b, s:s, "
        "s:s, s:s, s:s, s:o}",
        "diverged", r->diverged, "before_accuracy", number(r->before_accuracy), "train_accuracy",
        number(r->train_accuracy), "train_loss", number(r->train_loss), "val_accuracy",
        number(r->val_accuracy), "test_accuracy", number(r->test_accuracy), "test_top5",
        number(r->test_top5), "test_loss", number(r->test_loss), "images_per_s",
        number(r->images_per_s), "train_n", r->train_n, "val_n", r->val_n, "test_n", r->test_n,
        "params", (json_int_t)r->params, "trainable", (json_int_t)r->trainable, "seconds",
        number(r->seconds), "cached_features", r->cached_features, "split_hash", r->split_hash,
        "data_hash", r->data_hash, "how", r->how, "command", command ? command : "", "curve",
        curve_json(r));
    if (r->bf16_n > 0)
        json_object_set_new(json, "bf16", json_pack("{s:o, s:o, s:i}", "test_accuracy",
                                                    number(r->bf16_accuracy), "test_loss",
                                                    number(r->bf16_loss), "disagree",
                                                    r->bf16_disagree));
    json_object_set_new(json, "settings", train_settings_json(&o->settings));
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    puts(text ? text : "{}");
    free(text);
    free(command);
    json_decref(json);
}

static void print_share(const char *name, double share, int n)
{
    if (n > 0 && isfinite(share))
        printf("%-10s %.2f %% of %d\n", name, 100 * share, n);
}

static void print_text(const struct options *o, const struct train_result *r)
{
    const struct train_settings *s = &o->settings;
    printf("%s, attention %s, %s, seed %llu, %s, %d thread%s\n", s->model, s->attention,
           transfer_name(s->transfer), (unsigned long long)s->seed, s->impl, s->threads,
           s->threads == 1 ? "" : "s");
    printf("parameters %.0f, of which %.0f train%s\n", r->params, r->trainable,
           r->cached_features ? " (on features of the fixed part, without augmentation)" : "");
    if (r->loaded)
        printf("weights    loaded %d, missing %d, unexpected %d, mismatched %d\n", r->loaded,
               r->missing, r->unexpected, r->mismatched);
    print_share("before", r->before_accuracy, r->test_n);
    print_share("train", r->train_accuracy, r->train_n);
    print_share("validation", r->val_accuracy, r->val_n);
    print_share("test", r->test_accuracy, r->test_n);
    print_share("in bf16", r->bf16_accuracy, r->bf16_n);
    printf("time       %.1f s, %.0f images/s\n", r->seconds, r->images_per_s);
}

/* Where every processor computes (threads 0: all do), a thread more would only interrupt:
 * bench/transfer/README.md. */
static bool prefetches(const struct options *o)
{
    return o->prefetch == PREFETCH_ON ||
           (o->prefetch == PREFETCH_AUTO && o->settings.threads > 0 &&
            o->settings.threads < threads_available());
}

static enum status run(struct options *o)
{
    struct train_result *result = calloc(1, sizeof *result);
    if (!result)
        return fail(ERR_MEMORY, "out of memory");
    struct train_io io = {.save = o->save, .checkpoint = o->checkpoint, .resume = o->resume,
                          .feature_bytes = (size_t)o->feature_mb << 20,
                          .prefetch = prefetches(o),
                          .decide = decide_algorithm, .stop_after_epochs = o->stop_after,
                          .allow_missing = o->missing, .allow_unexpected = o->unexpected,
                          .talk = o->quiet ? NULL : stderr,
                          .terminal = isatty(STDERR_FILENO) != 0,
                          .on_step = o->losses ? print_loss : NULL, .on_step_data = o};
    enum status status = OK;
    if (o->resume && !o->checkpoint)
        status = fail(ERR_USAGE, "--resume needs --checkpoint FILE");
    if (status == OK && o->save)
        status = atomic_file_check(o->save);
    if (status == OK && o->checkpoint)
        status = atomic_file_check(o->checkpoint);
    if (status == OK)
        status = train_run(&o->settings, &io, result);
    if (status == OK && result->diverged)
        status = fail(ERR_NUMERIC, "the run diverged at %s; nothing was saved",
                      result->diverged_at);
    if (status == OK && !(o->stop_after && !result->predictions)) {
        if (o->json)
            print_json(o, result);
        else
            print_text(o, result);
    }
    free(result->predictions);
    free(result);
    return status;
}

int verb_train(int argc, char **argv)
{
    struct argp_option keys[MOST_OPTIONS];
    const struct argp argp = {keys, parse, NULL,
                              "One training run. With --transfer scratch and frozen-random (the "
                              "head alone, on a network nobody trained) it starts from random "
                              "weights, with the others from --init FILE: frozen (the head), "
                              "frozen+attention, head+bn (scale and shift of the backbone's batch "
                              "normalisations too), top:K (the head and the last K stages; "
                              "`describe` lists them), finetune (everything), lp-ft (the head, "
                              "then everything), gradual (the head, then one stage more at a "
                              "time).", NULL, NULL, NULL};
    static struct options o;
    list_keys(keys);
    train_defaults(&o.settings);
    enum status status = option_parse(&argp, "train", argc, argv, &o);
    if (status == OK)
        status = run(&o);
    return verb_fail("train", status);
}
