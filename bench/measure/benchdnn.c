/* One benchdnn problem descriptor: see benchdnn.h. */
#include "bench/measure/benchdnn.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An axis of a windowed problem; -1: not given. */
struct axis {
    int in, out, k, stride, pad, dilation;
};

struct problem {
    int g, mb, ic, oc;
    struct axis d, h, w;
    double eps;
};

#define AT(member) offsetof(struct problem, member)
#define ON(driver) (1u << BENCHDNN_##driver)
#define WINDOWS (ON(CONV) | ON(POOL))
#define ALL (WINDOWS | ON(IP) | ON(BNORM))

static const struct entry {
    const char *key;
    size_t offset; /* an int, but for eps */
    unsigned drivers;
} entries[] = {
    {"g", AT(g), ON(CONV)},
    {"mb", AT(mb), ALL},
    {"ic", AT(ic), ALL},
    {"oc", AT(oc), ON(CONV) | ON(IP)},
    {"id", AT(d.in), ALL},
    {"ih", AT(h.in), ALL},
    {"iw", AT(w.in), ALL},
    {"od", AT(d.out), WINDOWS},
    {"oh", AT(h.out), WINDOWS},
    {"ow", AT(w.out), WINDOWS},
    {"kd", AT(d.k), WINDOWS},
    {"kh", AT(h.k), WINDOWS},
    {"kw", AT(w.k), WINDOWS},
    {"sd", AT(d.stride), WINDOWS},
    {"sh", AT(h.stride), WINDOWS},
    {"sw", AT(w.stride), WINDOWS},
    {"pd", AT(d.pad), WINDOWS},
    {"ph", AT(h.pad), WINDOWS},
    {"pw", AT(w.pad), WINDOWS},
    {"dd", AT(d.dilation), WINDOWS},
    {"dh", AT(h.dilation), WINDOWS},
    {"dw", AT(w.dilation), WINDOWS},
    {"eps", AT(eps), ON(BNORM)},
};
enum { ENTRIES = sizeof entries / sizeof entries[0] };

static const char *const driver_names[BENCHDNN_DRIVERS] = {
    [BENCHDNN_ANY] = "",   [BENCHDNN_CONV] = "conv",   [BENCHDNN_POOL] = "pool",
    [BENCHDNN_IP] = "ip",  [BENCHDNN_BNORM] = "bnorm", [BENCHDNN_OTHER] = "",
};

static const char *const other_drivers[] = {
    "binary", "brgemm",     "concat", "deconv", "eltwise", "gnorm",   "graph", "lnorm",   "lrn",
    "matmul", "prelu",      "reduction", "reorder", "resampling", "rnn", "shuffle", "softmax",
    "sum",    "zeropad",
};

static bool same_word(const char *word, size_t length, const char *other)
{
    return strlen(other) == length && strncmp(word, other, length) == 0;
}

enum benchdnn_driver benchdnn_driver_find(const char *word, size_t length)
{
    for (int i = BENCHDNN_CONV; i <= BENCHDNN_BNORM; i++)
        if (same_word(word, length, driver_names[i]))
            return (enum benchdnn_driver)i;
    for (size_t i = 0; i < sizeof other_drivers / sizeof other_drivers[0]; i++)
        if (same_word(word, length, other_drivers[i]))
            return BENCHDNN_OTHER;
    return BENCHDNN_ANY;
}

/* ---- from text to numbers ---- */

static const struct entry *find_entry(const char *text)
{
    for (int i = 0; i < ENTRIES; i++)
        if (strncmp(text, entries[i].key, strlen(entries[i].key)) == 0)
            return &entries[i];
    return NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool benchdnn_starts(const char *word)
{
    const struct entry *entry = find_entry(word);
    return entry && is_digit(word[strlen(entry->key)]);
}

static void take_name(const char *text, char name[BENCHDNN_NAME])
{
    size_t length = strlen(text);
    if (length >= 2 && text[0] == '"' && text[length - 1] == '"') {
        text++;
        length -= 2;
    }
    snprintf(name, BENCHDNN_NAME, "%.*s", (int)length, text);
}

/* The number of an entry at *at; moves *at behind it. */
static enum status take_number(const char **at, const struct entry *entry, struct problem *problem)
{
    char *end;
    char *place = (char *)problem + entry->offset;
    const char *from = *at + strlen(entry->key);
    if (!is_digit(*from))
        return fail(ERR_FORMAT, "entry '%s' has no number", entry->key);
    if (entry->offset == AT(eps)) {
        *(double *)place = strtod(from, &end);
    } else {
        long number = strtol(from, &end, 10);
        if (number > INT_MAX)
            return fail(ERR_FORMAT, "entry '%s' is above %d", entry->key, INT_MAX);
        *(int *)place = (int)number;
    }
    *at = end;
    return OK;
}

/* All numbers and the name; *seen has a bit for every entry that was there. */
static enum status scan(const char *text, struct problem *problem, unsigned *seen,
                        char name[BENCHDNN_NAME])
{
    const struct axis none = {-1, -1, -1, -1, -1, -1};
    *problem = (struct problem){.g = 1, .mb = 2, .ic = -1, .oc = -1, .d = none, .h = none,
                                .w = none, .eps = 1.0 / 16};
    *seen = 0;
    name[0] = '\0';
    for (const char *at = text; *at;) {
        const struct entry *entry = find_entry(at);
        if (*at == '_') {
            at++;
        } else if (entry) {
            *seen |= 1u << (entry - entries);
            TRY(take_number(&at, entry, problem));
        } else if (*at == 'n') {
            take_name(at + 1, name);
            break;
        } else {
            return fail(ERR_FORMAT, "'%s' is no entry of a descriptor", at);
        }
    }
    return OK;
}

/* Kernel, stride and padding are entries of windows alone, output channels of what has weights. */
static enum benchdnn_driver driver_of(unsigned seen)
{
    bool window = false, weights = false;
    for (int i = 0; i < ENTRIES; i++) {
        bool there = seen & 1u << i;
        window |= there && strchr("ksp", entries[i].key[0]);
        weights |= there && (entries[i].offset == AT(oc) || entries[i].offset == AT(g));
    }
    if (window)
        return weights ? BENCHDNN_CONV : BENCHDNN_POOL;
    return weights ? BENCHDNN_IP : BENCHDNN_BNORM;
}

static enum status check_entries(enum benchdnn_driver driver, unsigned seen)
{
    for (int i = 0; i < ENTRIES; i++)
        if (seen & 1u << i && !(entries[i].drivers & 1u << driver))
            return fail(ERR_FORMAT, "entry '%s' is none of the driver %s", entries[i].key,
                        driver_names[driver]);
    return OK;
}

static bool is_given(const struct axis *a)
{
    return a->in > 0 || a->out > 0 || a->k > 0 || a->dilation > 0 || a->stride > 1 || a->pad > 0;
}

/* ---- axes ---- */

static int or_else(int value, int otherwise)
{
    return value >= 0 ? value : otherwise;
}

static long floor_out(const struct axis *a)
{
    long room = (long)a->in + 2L * a->pad - ((long)(a->k - 1) * (a->dilation + 1) + 1);
    return room < 0 ? 0 : room / a->stride + 1;
}

/* Fills in what is missing of a windowed axis that is given, and judges its padding. */
static enum status complete_axis(struct axis *a, const char *letter, const char **out_of_scope)
{
    a->stride = or_else(a->stride, 1);
    a->dilation = or_else(a->dilation, 0);
    if (a->in < 1 || a->k < 1)
        return fail(ERR_FORMAT, "i%s and k%s are needed, above 0", letter, letter);
    if (a->stride < 1)
        return fail(ERR_FORMAT, "s%s is 0", letter);
    if (a->out > 0 && a->pad < 0) {
        long twice = (long)(a->out - 1) * a->stride - a->in +
                     (long)(a->k - 1) * (a->dilation + 1) + 1;
        if (twice < -1) /* benchdnn divides towards 0 */
            *out_of_scope = "negative padding";
        a->pad = twice < 0 ? 0 : (int)(twice / 2);
    }
    a->pad = or_else(a->pad, 0);
    if (a->out < 1 && floor_out(a) < 1)
        return fail(ERR_FORMAT, "the window does not fit along %s", letter);
    if (a->out < 1)
        a->out = (int)floor_out(a);
    else if (floor_out(a) != a->out && !*out_of_scope)
        *out_of_scope = "padding that differs at the two ends";
    return OK;
}

/* Both axes of a window: width as height where only the height is there; one row where only the
 * width is. */
static enum status complete_window(struct problem *p, const char **out_of_scope)
{
    const struct axis one = {1, 1, 1, 1, 0, 0};
    bool h = is_given(&p->h), w = is_given(&p->w);
    if (!h && !w)
        return fail(ERR_FORMAT, "there is neither a height nor a width");
    if (h)
        TRY(complete_axis(&p->h, "h", out_of_scope));
    if (w)
        TRY(complete_axis(&p->w, "w", out_of_scope));
    if (!w)
        p->w = p->h;
    else if (!h)
        p->h = one;
    return OK;
}

/* The map of an inner product or a batch normalisation: one pixel without height and width. */
static void complete_map(struct problem *p)
{
    bool h = p->h.in > 0, w = p->w.in > 0;
    if (!w)
        p->w.in = h ? p->h.in : 1;
    if (!h)
        p->h.in = 1;
}

/* ---- operations ---- */

static void set_conv(const struct problem *p, const struct benchdnn_form *form,
                     struct op_desc *desc)
{
    desc->kind = OP_CONV2D;
    desc->conv.oc = p->oc;
    desc->conv.kh = p->h.k;
    desc->conv.kw = p->w.k;
    desc->conv.sh = p->h.stride;
    desc->conv.sw = p->w.stride;
    desc->conv.ph = p->h.pad;
    desc->conv.pw = p->w.pad;
    desc->conv.dh = p->h.dilation + 1;
    desc->conv.dw = p->w.dilation + 1;
    desc->conv.groups = p->g;
    desc->conv.bias = form->bias;
}

static void set_pool(const struct problem *p, const struct benchdnn_form *form,
                     struct op_desc *desc, const char **out_of_scope)
{
    desc->kind = form->alg == BENCHDNN_MAX ? OP_MAXPOOL : OP_AVGPOOL;
    desc->pool.kh = p->h.k;
    desc->pool.kw = p->w.k;
    desc->pool.sh = p->h.stride;
    desc->pool.sw = p->w.stride;
    desc->pool.ph = p->h.pad;
    desc->pool.pw = p->w.pad;
    if (*out_of_scope)
        return;
    if (p->h.dilation > 0 || p->w.dilation > 0)
        *out_of_scope = "dilated pooling";
    else if (form->alg == BENCHDNN_AVG_NP && (p->h.pad > 0 || p->w.pad > 0))
        *out_of_scope = "averages that leave padding out";
    else if (2 * p->h.pad > p->h.k || 2 * p->w.pad > p->w.k)
        *out_of_scope = "pooling padded by more than half its window";
}

static enum status check_channels(const struct problem *p, enum benchdnn_driver driver)
{
    if (p->ic < 1)
        return fail(ERR_FORMAT, "ic is needed, above 0");
    if (p->oc < 1 && (driver == BENCHDNN_CONV || driver == BENCHDNN_IP))
        return fail(ERR_FORMAT, "oc is needed, above 0");
    if (p->mb < 1)
        return fail(ERR_FORMAT, "mb is 0");
    if (p->g < 1 || p->ic % p->g || (driver == BENCHDNN_CONV && p->oc % p->g))
        return fail(ERR_FORMAT, "g%d does not divide the channels", p->g);
    return OK;
}

static bool is_too_large(const struct problem *p)
{
    double map = (double)p->mb * p->h.in * p->w.in * p->ic;
    double out = (double)p->mb * or_else(p->h.out, 1) * or_else(p->w.out, 1) * or_else(p->oc, 1);
    return map > INT_MAX || out > INT_MAX;
}

static enum status describe(const struct problem *p, const struct benchdnn_form *form,
                            struct op_desc *desc, const char **out_of_scope)
{
    *desc = (struct op_desc){.src[0] = tensor_dense(NULL, p->mb, p->h.in, p->w.in, p->ic)};
    if (form->driver == BENCHDNN_CONV) {
        set_conv(p, form, desc);
    } else if (form->driver == BENCHDNN_POOL) {
        set_pool(p, form, desc, out_of_scope);
    } else if (form->driver == BENCHDNN_IP) {
        desc->kind = OP_LINEAR;
        desc->linear.oc = p->oc;
        desc->linear.bias = form->bias;
    } else {
        desc->kind = OP_BATCHNORM;
        desc->bn.eps = (float)p->eps;
        desc->bn.momentum = 0.1f;
        desc->bn.batch_stats = !form->global_stats;
        if (form->fused)
            *out_of_scope = "batch normalisation with a fused ReLU or addition";
    }
    if (!*out_of_scope && is_too_large(p))
        *out_of_scope = "more than 2^31 elements";
    return *out_of_scope ? OK : op_infer(desc);
}

static enum status parse(const char *text, const struct benchdnn_form *asked, struct op_desc *desc,
                         char name[BENCHDNN_NAME], const char **out_of_scope)
{
    struct problem p;
    struct benchdnn_form form = *asked;
    unsigned seen;
    TRY(scan(text, &p, &seen, name));
    if (form.driver == BENCHDNN_ANY)
        form.driver = driver_of(seen);
    TRY(check_entries(form.driver, seen));
    TRY(check_channels(&p, form.driver));
    if (form.mb > 0)
        p.mb = form.mb;
    if (is_given(&p.d)) {
        *out_of_scope = "three-dimensional";
        return OK;
    }
    if (form.driver == BENCHDNN_CONV || form.driver == BENCHDNN_POOL)
        TRY(complete_window(&p, out_of_scope));
    else
        complete_map(&p);
    return describe(&p, &form, desc, out_of_scope);
}

enum status benchdnn_tell(const char *text, enum benchdnn_driver asked,
                          enum benchdnn_driver *driver)
{
    struct problem p;
    unsigned seen;
    char name[BENCHDNN_NAME];
    *driver = asked;
    enum status status = scan(text, &p, &seen, name);
    if (status != OK)
        return fail_prefix(status, "benchdnn descriptor '%s'", text);
    if (asked == BENCHDNN_ANY)
        *driver = driver_of(seen);
    return OK;
}

enum status benchdnn_parse(const char *text, const struct benchdnn_form *form,
                           struct op_desc *desc, char name[BENCHDNN_NAME],
                           const char **out_of_scope)
{
    CHECK(form->driver != BENCHDNN_OTHER);
    *out_of_scope = NULL;
    enum status status = parse(text, form, desc, name, out_of_scope);
    return status == OK ? OK : fail_prefix(ERR_FORMAT, "benchdnn descriptor '%s'", text);
}
