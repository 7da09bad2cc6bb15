/* `eval`: accuracy and loss of a trained network on a part of a data set; on request, the confusion
 * matrix and each prediction. */
#include "bench/net/atomic_file.h"
#include "bench/verbs/eval_tables.h"
#include "bench/verbs/network_options.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"
#include "impls/base/memory.h"
#include "impls/ops.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct options {
    struct network_options network;
    const char *data, *part, *predictions;
    uint64_t seed;
    enum table_format format;
    bool confusion, any_names;
};

enum { KEY_DATA = 1000, KEY_FORMAT, KEY_PART, KEY_SEED, KEY_CONFUSION, KEY_PREDICTIONS,
       KEY_ANY_NAMES };

static const struct argp_option keys[] = {
    {"data", KEY_DATA, "DATA", 0, "data set (cifar10:DIR, fashion-mnist:classes=0-4, ...)", 0},
    {"part", KEY_PART, "test|val|train", 0, "which images (test)", 0},
    {"seed", KEY_SEED, "N", 0, "of the split, for val and train", 0},
    {"confusion", KEY_CONFUSION, NULL, 0,
     "the confusion matrix too (with csv and md: instead of the numbers)", 0},
    {"predictions", KEY_PREDICTIONS, "FILE.csv", 0, "write every image's prediction", 0},
    {"ignore-class-names", KEY_ANY_NAMES, NULL, 0,
     "evaluate although the weights file names other classes than the data", 0},
    {"format", KEY_FORMAT, "text|json|csv|md", 0, "how to print", 0},
    {0}};

static enum status parse_key(struct options *o, int key, char *arg)
{
    switch (key) {
    case KEY_DATA:
        o->data = arg;
        return OK;
    case KEY_PART:
        o->part = arg;
        return OK;
    case KEY_SEED:
        return option_seed("--seed", arg, &o->seed);
    case KEY_CONFUSION:
        o->confusion = true;
        return OK;
    case KEY_PREDICTIONS:
        o->predictions = arg;
        return OK;
    case KEY_ANY_NAMES:
        o->any_names = true;
        return OK;
    case KEY_FORMAT:
        return table_format_parse(arg, &o->format);
    default:
        return ERR_UNSUPPORTED;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = &o->network;
    enum status status = parse_key(o, key, arg);
    return status == ERR_UNSUPPORTED ? option_unknown(key, arg) : option_error(status);
}

/* ---- printing ---- */

/* NaN where five classes are all there are. */
static double top5_of(const struct eval_outcome *outcome)
{
    return outcome->session->model.classes > 5 ? evaluation_top5(&outcome->total) : NAN;
}

static enum status print_text(const struct options *o, const struct eval_outcome *outcome)
{
    const struct model_spec *model = &outcome->session->model;
    const struct evaluation *e = &outcome->total;
    printf("%s, attention %s, %s%s, %s images of %s\n", model->text, model->attention.text,
           o->network.impl, o->network.dtype == DTYPE_BF16 ? " in bf16" : "", o->part, o->data);
    printf("top-1 %.2f %% (%d of %d)", 100 * evaluation_top1(e), e->correct1, e->n);
    if (isfinite(top5_of(outcome)))
        printf(", top-5 %.2f %%", 100 * top5_of(outcome));
    printf(", loss %.6f\n", evaluation_loss(e));
    if (!o->confusion)
        return OK;
    putchar('\n');
    return eval_confusion_write(outcome, TABLE_TEXT, stdout);
}

static json_t *weights_json(const struct session *session)
{
    const struct weights_report *r = &session->loaded;
    return json_pack("{s:i, s:i, s:i, s:i, s:s}", "loaded", r->loaded, "missing", r->missing,
                     "unexpected", r->unexpected, "mismatched", r->mismatched, "prefix",
                     r->names.prefix);
}

/* How an image of the data becomes the input. */
static json_t *preprocessing_json(const struct session *session)
{
    struct data_rule rule = dataset_rule(&session->data);
    const float *m = session->norm.mean, *s = session->norm.std;
    return json_pack("{s:s, s:s, s:s, s:i, s:[f,f,f], s:[f,f,f], s:s}", "resize", rule.resize,
                     "interpolation", rule.interpolation, "crop", rule.crop, "input",
                     session->model.input_h, "mean", (double)m[0], (double)m[1], (double)m[2],
                     "std", (double)s[0], (double)s[1], (double)s[2], "normalisation",
                     session->norm.name);
}

static enum status print_json(const struct options *o, const struct eval_outcome *outcome,
                              const struct table *predictions)
{
    const struct session *session = outcome->session;
    const struct evaluation *e = &outcome->total;
    double top5 = top5_of(outcome);
    json_t *json = json_pack(
        "{s:i, s:i, s:f, s:o, s:f, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "n", e->n, "correct",
        e->correct1, "top1", evaluation_top1(e), "top5",
        isfinite(top5) ? json_real(top5) : json_null(), "loss", evaluation_loss(e), "model",
        session->model.text, "attention", session->model.attention.text, "impl",
        o->network.impl, "dtype", dtype_name(o->network.dtype), "data", o->data, "part", o->part,
        "weights", weights_json(session),
        "preprocessing", preprocessing_json(session));
    if (json && o->confusion)
        json_object_set_new(json, "confusion", eval_confusion_json(outcome));
    if (json && predictions)
        json_object_set_new(json, "predictions", table_rows_json(predictions));
    char *text = json ? json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    if (!text)
        return fail(ERR_MEMORY, "out of memory for the result");
    puts(text);
    free(text);
    return OK;
}

static enum status print_row(const struct options *o, const struct eval_outcome *outcome)
{
    static const struct table_column columns[] = {
        {.name = "model"}, {.name = "attention"}, {.name = "impl"}, {.name = "dtype"},
        {.name = "data"},
        {.name = "part"}, {.name = "n"}, {.name = "correct"}, {.name = "top1", .decimals = 4},
        {.name = "top5", .decimals = 4}, {.name = "loss", .decimals = 6}};
    struct table *table = table_new("eval", "Evaluation", columns, 11);
    table_row(table);
    table_text(table, "model", outcome->session->model.text);
    table_text(table, "attention", outcome->session->model.attention.text);
    table_text(table, "impl", o->network.impl);
    table_text(table, "dtype", dtype_name(o->network.dtype));
    table_text(table, "data", o->data);
    table_text(table, "part", o->part);
    table_number(table, "n", outcome->total.n);
    table_number(table, "correct", outcome->total.correct1);
    table_number(table, "top1", evaluation_top1(&outcome->total));
    if (isfinite(top5_of(outcome)))
        table_number(table, "top5", top5_of(outcome));
    table_number(table, "loss", evaluation_loss(&outcome->total));
    enum status status = table_write(table, o->format, stdout);
    table_free(table);
    return status;
}

static enum status print_result(const struct options *o, const struct eval_outcome *outcome,
                                const struct table *predictions)
{
    switch (o->format) {
    case TABLE_TEXT:
        return print_text(o, outcome);
    case TABLE_JSON:
        return print_json(o, outcome, predictions);
    default:
        return o->confusion ? eval_confusion_write(outcome, o->format, stdout)
                            : print_row(o, outcome);
    }
}

/* ---- evaluating ---- */

/* Whether the classes of the weights are those of the data, as far as both have names. */
static enum status check_classes(const struct options *o, const struct session *session)
{
    const char *weights = o->network.request.weights;
    if (session->model.classes != session->data.classes)
        return fail(ERR_USAGE, "%s has %d classes, the data set %d", weights,
                    session->model.classes, session->data.classes);
    int i = session_class_difference(session);
    if (i < 0 || o->any_names)
        return OK;
    return fail(ERR_FORMAT, "class %d is '%s' in %s and '%s' in %s: the classes are others, or in "
                "another order (--ignore-class-names evaluates all the same)", i,
                session->metadata.class_names[i], weights, session->data.class_names[i], o->data);
}

/* Says when the images are made in another way than those that the network was trained on. */
static void compare_rules(const struct options *o, struct session *session)
{
    struct data_rule rule = dataset_rule(&session->data);
    const struct weights_metadata *m = &session->metadata;
    if (m->resize[0] && (strcmp(m->resize, rule.resize) != 0 || strcmp(m->crop, rule.crop) != 0))
        session_note(session, "warning: %s was trained on images of another making: resize '%s', "
                     "crop '%s'; here '%s', '%s'", o->network.request.weights, m->resize, m->crop,
                     rule.resize, rule.crop);
}

static enum status open_session(struct options *o, struct session *session)
{
    TRY(session_open_data(session, o->data, o->seed));
    if (o->network.request.size == 0)
        o->network.request.size = session_input_size(&session->data, 0);
    TRY(network_options_open(&o->network, session));
    TRY(check_classes(o, session));
    compare_rules(o, session);
    return OK;
}

static enum status evaluate_list(const struct options *o, struct session *session,
                                 struct eval_outcome *outcome)
{
    const struct image_list *list = outcome->list;
    size_t classes = (size_t)session->model.classes, n = (size_t)list->n;
    outcome->predictions = calloc(n, sizeof *outcome->predictions);
    outcome->logits = memory_alloc(n * classes * sizeof *outcome->logits);
    if (!outcome->predictions || !outcome->logits)
        return fail(ERR_MEMORY, "out of memory for %zu predictions", n);
    TRY(evaluate(session, list, o->network.batch, &outcome->total, outcome->predictions,
                 outcome->logits));
    if (!isfinite(evaluation_loss(&outcome->total)))
        return fail(ERR_NUMERIC, "%s: the loss is not finite: NaN or infinity in the weights?",
                    o->network.request.weights);
    return OK;
}

static enum status report(const struct options *o, const struct eval_outcome *outcome)
{
    struct table *predictions = o->predictions ? eval_predictions(outcome) : NULL;
    enum status status = OK;
    if (o->predictions)
        status = table_save(predictions, TABLE_CSV, o->predictions);
    if (status == OK)
        status = print_result(o, outcome, predictions);
    table_free(predictions);
    return status;
}

static enum status run_session(struct options *o, struct session *session,
                               struct eval_outcome *outcome)
{
    static const char *const parts[] = {"train", "val", "test"};
    int part;
    TRY(option_word("--part", o->part, parts, 3, &part));
    if (!o->network.request.weights)
        return fail(ERR_USAGE, "--weights FILE is needed");
    if (o->predictions)
        TRY(atomic_file_check(o->predictions));
    TRY(open_session(o, session));
    *outcome = (struct eval_outcome){.session = session, .list = &session->split.list[part]};
    if (outcome->list->n == 0)
        return fail(ERR_USAGE, "--part %s: the data set has no such images", o->part);
    TRY(evaluate_list(o, session, outcome));
    network_options_say(&o->network, session);
    return report(o, outcome);
}

int verb_eval(int argc, char **argv)
{
    static const struct argp_child children[] = {{&network_argp, 0, "Network:", 1}, {0}};
    static const struct argp argp = {keys, parse, NULL,
                                     "Accuracy and loss of a trained network on a data set.",
                                     children, NULL, NULL};
    struct options o = {.data = "fashion-mnist", .part = "test", .seed = 1};
    struct session session = {0};
    struct eval_outcome outcome = {0};
    network_options_default(&o.network, 100);
    enum status status = option_parse(&argp, "eval", argc, argv, &o);
    if (status == OK)
        status = run_session(&o, &session, &outcome);
    eval_outcome_free(&outcome);
    session_close(&session);
    return verb_fail("eval", status);
}
