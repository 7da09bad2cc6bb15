/* Running and judging one fused operation: see fused_case.h. Knows no kernel. */
#include "tests/fused_case.h"

#include "impls/base/threads.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double tolerance = 1e-5;

void fused_must(enum status status)
{
    if (status != OK)
        fail_msg("status %d: %s", (int)status, fail_text());
}

void fused_must_hold(const struct fused_case *f, bool good)
{
    if (!good)
        fail_msg("%s", f->text);
}

/* Variances are positive; all factors are away from zero. */
static void fill(struct fused_case *f, uint64_t seed)
{
    struct op_param_info info[OP_MAX_PARAM];
    int count = op_params(&f->rig.desc, info);
    operands_fill(&f->due, f->rig.variant.data, seed);
    for (int i = 0; i < count; i++)
        for (size_t k = 0; k < f->due.count_param[i]; k++) {
            double *value = &f->due.param[i][k];
            if (strcmp(info[i].name, "running_var") == 0)
                *value = (double)(float)(fabs(*value) + 0.5);
        }
}

void fused_case_open(struct fused_case *f, const char *impl, int threads, const char *text,
                     const struct opcheck_variant *variant)
{
    struct op_desc desc;
    memset(f, 0, sizeof *f);
    fused_must(threads_set(threads));
    f->impl = impl_find(impl);
    if (!f->impl)
        skip();
    fused_must(f->impl->open(&f->ctx));
    fused_must(op_parse(text, &desc));
    fused_must_hold(f, rig_make(&f->rig, f->impl, f->ctx, &desc, variant, &f->text));
    if (strstr(f->rig.plan.how, "ref:") || strncmp(f->rig.plan.how, "ref", 3) == 0)
        fail_msg("%s runs %s as %s", impl, text, f->rig.plan.how);
    fused_must(oracle_make(&f->due, &f->rig.desc));
    fill(f, 7);
}

void fused_case_close(struct fused_case *f)
{
    rig_free(&f->rig);
    oracle_free(&f->due);
    f->impl->close(f->ctx);
}

static double error_of(const struct guarded *got, const struct oracle_num *due, size_t count)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)*guarded_at(got, i) - due[i].value;
        difference += d * d;
        norm += due[i].value * due[i].value;
    }
    return sqrt(difference) / (norm > 0 ? sqrt(norm) : 1);
}

void fused_case_compare(const struct fused_case *f, const char *what, const struct guarded *got,
                        const struct oracle_num *due, size_t count)
{
    double error = error_of(got, due, count);
    char text[256], variant[160];
    op_print(&f->rig.desc, text, sizeof text);
    opcheck_variant_print(&f->rig.variant, variant, sizeof variant);
    if (!(error <= tolerance))
        fail_msg("%s, %d threads, '%s' '%s' [%s]: %s differs by %.3g", f->impl->name,
                 threads_get(), text, variant, f->rig.plan.how, what, error);
}

void fused_case_forward(struct fused_case *f, int poison)
{
    rig_load(&f->rig, &f->due);
    fused_must_hold(f, rig_forward(&f->rig, poison));
    fused_must(composition_forward(&f->due));
    fused_case_compare(f, "dst", &f->rig.dst, f->due.dst, f->due.count_dst);
}

void fused_record_add(struct fused_record *r, const struct guarded *g)
{
    if (!g->map.data)
        return;
    size_t count = tensor_count(&g->map);
    r->value = realloc(r->value, (r->count + count) * sizeof *r->value);
    assert_non_null(r->value);
    for (size_t i = 0; i < count; i++)
        r->value[r->count++] = *guarded_at(g, i);
}

bool fused_record_same(const struct fused_record *a, const struct fused_record *b)
{
    return a->count == b->count &&
           memcmp(a->value, b->value, a->count * sizeof *a->value) == 0;
}
