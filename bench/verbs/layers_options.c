/* The command line of `layers`: see layers_work.h. */
#include "bench/verbs/layers_work.h"

#include "impls/base/threads.h"

#include <string.h>

enum { KEY_CASES = 'c', KEY_IMPL = 'i', KEY_THREADS = 't', KEY_PASS = 'p', KEY_FORMAT = 'f',
       KEY_SAMPLES = 'n', KEY_BATCH = 'b', KEY_MIN_MS = 1000, KEY_SECONDS, KEY_SEED, KEY_CHECK,
       KEY_DTYPE };

static const struct argp_option options[] = {
    {"cases", KEY_CASES, "FILE|CASE,...", 0,
     "files of cases, or cases as text: 'conv2d n1 h56 w56 c64 oc64 k3 p1' (bench/cases/ has "
     "some). A problem of benchdnn (mb2ic64ih56oc64oh56kh3ph1) or a batch file of them is read, "
     "too; conv:, pool:, ip: or bnorm: in front says of which driver", 0},
    {"batch", KEY_BATCH, "N,...", 0, "run every case with these batch sizes instead of its own", 0},
    {"impl", KEY_IMPL, "NAMES", 0, "implementations to time: all (default), or names", 0},
    {"dtype", KEY_DTYPE, "f32|bf16,...", 0, "of the maps and of packed weights (default f32), in "
     "turns. bf16 is for forward passes without statistics of the batch, on onednn and processors "
     "with AVX512_BF16; gates that multiply a map, losses and biases stay f32", 0},
    {"threads", KEY_THREADS, "N,...", 0, "numbers of threads (default: all there are)", 0},
    {"pass", KEY_PASS, "fwd,bwd", 0,
     "passes to time (default: what --dir in a batch file of benchdnn says, else fwd); bwd is the "
     "gradients of all sources and parameters", 0},
    {"check-only", KEY_CHECK, NULL, 0, "check and do not time: one implementation after the other, "
     "so that large batches fit into memory", 0},
    {"format", KEY_FORMAT, "FORMAT", 0, "text (default), json, csv or md", 0},
    {"samples", KEY_SAMPLES, "N", 0, "samples of each row (default 15)", 0},
    {"min-ms", KEY_MIN_MS, "MS", 0, "shorter calls are repeated until a sample lasts so long "
     "(default 10)", 0},
    {"seconds", KEY_SECONDS, "S", 0, "time on one row after which it gets no more samples, "
     "but at least 3 (default 5; 0: no limit)", 0},
    {"seed", KEY_SEED, "N", 0, "of operands and of the order within a round (default 1)", 0},
    {0}};

static enum status parse_cases(struct layers_settings *s, const char *text)
{
    struct option_list items;
    TRY(option_split("--cases", text, &items));
    enum status status = OK;
    for (int i = 0; status == OK && i < items.count; i++)
        status = case_list_add(&s->cases, items.items[i]);
    option_list_free(&items);
    return status == OK ? OK : fail_prefix(status, "--cases");
}

static enum status parse_passes(struct layers_settings *s, const char *text)
{
    static const char *const words[] = {"fwd", "bwd"};
    struct option_list items;
    TRY(option_split("--pass", text, &items));
    memset(s->pass, 0, sizeof s->pass);
    s->pass_given = true;
    enum status status = OK;
    for (int i = 0; status == OK && i < items.count; i++) {
        int pass = 0;
        status = option_word("--pass", items.items[i], words, PASS_COUNT, &pass);
        s->pass[pass] = true;
    }
    option_list_free(&items);
    return status;
}

static enum status parse_option(struct layers_settings *s, int key, const char *value)
{
    switch (key) {
    case KEY_CASES:
        return parse_cases(s, value);
    case KEY_BATCH:
        return option_ints("--batch", value, 1, 65536, s->batches, &s->batch_count);
    case KEY_IMPL:
        return option_impls("--impl", value, s->impls, &s->impl_count);
    case KEY_THREADS:
        return option_ints("--threads", value, 1, threads_available(), s->threads,
                           &s->thread_count);
    case KEY_PASS:
        return parse_passes(s, value);
    case KEY_CHECK:
        s->check_only = true;
        return OK;
    case KEY_DTYPE:
        return option_dtypes("--dtype", value, s->dtypes, &s->dtype_count);
    case KEY_FORMAT:
        return table_format_parse(value, &s->format);
    case KEY_SAMPLES:
        return option_int("--samples", value, 1, 1000000, &s->sample.samples);
    case KEY_MIN_MS:
        return option_double("--min-ms", value, 0, 10000, &s->sample.sample_ms);
    case KEY_SECONDS:
        return option_double("--seconds", value, 0, 86400, &s->sample.seconds);
    default:
        return option_seed("--seed", value, &s->sample.seed);
    }
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    for (const struct argp_option *option = options; option->name; option++)
        if (option->key == key)
            return option_error(parse_option(state->input, key, value));
    return option_unknown(key, value);
}

/* bf16 is refused for the pass before anything is run, with the case that asks for it. */
static enum status check_dtypes(const struct layers_settings *s)
{
    const bool bf16 = layers_in_bf16(s);
    if (bf16 && s->pass_given && s->pass[PASS_BWD])
        return fail(ERR_USAGE, "--dtype bf16 is for inference: --pass bwd stays in f32");
    for (int i = 0; bf16 && !s->pass_given && i < s->cases.count; i++) {
        char text[256];
        op_print(&s->cases.list[i], text, sizeof text);
        if (s->cases.info[i].passes >> PASS_BWD & 1)
            return fail(ERR_USAGE, "--dtype bf16 is for inference, and '%s' asks for its backward "
                                   "pass: --pass fwd was expected", text);
    }
    return option_check_bf16("--dtype", s->dtypes, s->dtype_count, s->impls, s->impl_count);
}

bool layers_in_bf16(const struct layers_settings *s)
{
    return option_has_bf16(s->dtypes, s->dtype_count);
}

enum status layers_parse(struct layers_settings *s, int argc, char **argv)
{
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Check single operations and time them.\vEach case is first computed by every "
               "implementation of this build and compared with the definition in double precision, "
               "with identities of the gradients, and with the other implementations; on integers "
               "exactly where that is possible. What is given back in bf16 may be wrong by one "
               "rounding more. A case that disagrees is reported and not timed."};
    TRY(option_parse(&argp, "layers", argc, argv, s));
    if (s->cases.count == 0)
        return fail(ERR_USAGE, "--cases is needed: a file of cases, or a case such as "
                               "'conv2d n1 h56 w56 c64 oc64 k3 p1'");
    if (s->impl_count == 0)
        TRY(option_impls("--impl", "all", s->impls, &s->impl_count));
    if (s->thread_count == 0)
        s->threads[s->thread_count++] = threads_available();
    if (s->dtype_count == 0)
        s->dtypes[s->dtype_count++] = DTYPE_F32;
    TRY(check_dtypes(s));
    return s->batch_count > 0 ? case_list_batches(&s->cases, s->batches, s->batch_count) : OK;
}
