/* What both versions of the library share: see shim.h. */
#include "impls/onednn/shim.h"

#include "impls/base/threads.h"
#include "impls/ops.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *status_text(dnnl_status_t status)
{
    switch (status) {
    case dnnl_success:
        return "success";
    case dnnl_out_of_memory:
        return "out of memory";
    case dnnl_invalid_arguments:
        return "invalid arguments";
    case dnnl_unimplemented:
        return "not implemented";
    case dnnl_runtime_error:
        return "run-time error";
    case dnnl_not_required:
        return "not required";
    default:
        return "unknown status";
    }
}

enum status shim_missing(const char *what, const char *last)
{
    return fail(ERR_UNSUPPORTED, "oneDNN offers no optimised kernel for %s (last: %s)", what, last);
}

enum status shim_failed(dnnl_status_t status, const char *what)
{
    return fail(ERR_LIBRARY, "oneDNN: %s: %s (status %d)", what, status_text(status), (int)status);
}

int shim_version(void)
{
    const dnnl_version_t *v = dnnl_version();
    return v->major * 10000 + v->minor * 100 + v->patch;
}

static enum status check_library(void)
{
    const dnnl_version_t *v = dnnl_version();
    if (v->major != DNNL_VERSION_MAJOR || shim_version() < 20603)
        return fail(ERR_LIBRARY, "oneDNN %d.%d.%d is loaded; built for %d.x, at least 2.6.3 is due",
                    v->major, v->minor, v->patch, DNNL_VERSION_MAJOR);
    if (v->cpu_runtime != DNNL_RUNTIME_OMP)
        return fail(ERR_LIBRARY, "this oneDNN does not run on OpenMP (runtime %u), so it would not "
                    "follow the thread count", v->cpu_runtime);
    return OK;
}

/* The cache is switched off because every primitive is held by its plan, and because it had a
 * memory fault in these versions. */
static dnnl_status_t set_up(struct impl_ctx *ctx)
{
    dnnl_status_t status = dnnl_set_primitive_cache_capacity(0);
    if (!status && !getenv("ONEDNN_VERBOSE") && !getenv("DNNL_VERBOSE"))
        status = dnnl_set_verbose(0);
    if (!status)
        status = dnnl_engine_create(&ctx->engine, dnnl_cpu, 0);
    if (!status)
        status = dnnl_stream_create(&ctx->stream, ctx->engine, dnnl_stream_default_flags);
    if (!status)
        status = dnnl_primitive_attr_create(&ctx->attr);
    if (!status)
        status = dnnl_primitive_attr_set_scratchpad_mode(ctx->attr, dnnl_scratchpad_mode_user);
    if (!status)
        status = dnnl_primitive_attr_set_fpmath_mode(ctx->attr, dnnl_fpmath_mode_strict);
    return status;
}

enum status shim_open(struct impl_ctx **out)
{
    *out = NULL;
    TRY(check_library());
    struct impl_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx)
        return fail(ERR_MEMORY, "out of memory: %zu bytes were needed", sizeof *ctx);
    dnnl_status_t status = set_up(ctx);
    if (status) {
        shim_close(ctx);
        return shim_failed(status, "opening the CPU engine");
    }
    *out = ctx;
    return OK;
}

void shim_close(struct impl_ctx *ctx)
{
    if (!ctx)
        return;
    if (ctx->attr)
        dnnl_primitive_attr_destroy(ctx->attr);
    if (ctx->stream)
        dnnl_stream_destroy(ctx->stream);
    if (ctx->engine)
        dnnl_engine_destroy(ctx->engine);
    free(ctx);
}

struct shim_view shim_map(const struct tensor *t)
{
    dnnl_dim_t row = (dnnl_dim_t)t->w * t->stride;
    return (struct shim_view){.dtype = t->dtype, .ndims = 4, .dims = {t->n, t->c, t->h, t->w},
                              .strides = {row * t->h, 1, row, t->stride}};
}

struct shim_view shim_vector(int count)
{
    return (struct shim_view){.ndims = 1, .dims = {count}, .strides = {1}};
}

struct shim_view shim_weights(int groups, int oc, int ic, int kh, int kw)
{
    dnnl_dim_t area = (dnnl_dim_t)kh * kw, og = oc / groups, ig = ic / groups;
    if (groups == 1)
        return (struct shim_view){.ndims = 4, .dims = {oc, ic, kh, kw},
                                  .strides = {ic * area, area, kw, 1}};
    return (struct shim_view){.ndims = 5, .dims = {groups, og, ig, kh, kw},
                              .strides = {og * ig * area, ig * area, area, kw, 1}};
}

struct shim_view shim_weights_for(struct shim_view weights, enum dtype src)
{
    weights.any = true;
    weights.dtype = src;
    return weights;
}

int shim_pad_after(int in, int out, int k, int stride, int dilation, int before)
{
    int after = (out - 1) * stride + (k - 1) * dilation + 1 - in - before;
    return after > 0 ? after : 0;
}

bool shim_accepts(const char *name, const char *avoid)
{
    if (strncmp(name, "ref", 3) == 0 || strstr(name, "_ref:") || strstr(name, ":ref"))
        return false;
    return !avoid || strncmp(name, avoid, strlen(avoid)) != 0;
}

const char *shim_name(const_dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    dnnl_status_t status = dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
    return status || !name ? "ref (no name)" : name;
}

/* A memory object, without memory as yet, for every argument the primitive knows. */
static dnnl_status_t make_arguments(struct shim_prim *prim)
{
    static const int ids[] = {
        DNNL_ARG_SRC_0,    DNNL_ARG_SRC_1,      DNNL_ARG_WEIGHTS,    DNNL_ARG_BIAS,
        DNNL_ARG_DST,      DNNL_ARG_MEAN,       DNNL_ARG_VARIANCE,   DNNL_ARG_SCALE,
        DNNL_ARG_SHIFT,    DNNL_ARG_WORKSPACE,  DNNL_ARG_SCRATCHPAD, DNNL_ARG_DIFF_SRC,
        DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_SCALE,
        DNNL_ARG_DIFF_SHIFT};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (shim_bytes(prim, ids[i]) == 0)
            continue;
        CHECK(prim->count < SHIM_ARGS);
        dnnl_exec_arg_t *arg = &prim->arg[prim->count];
        arg->arg = ids[i];
        dnnl_status_t status = dnnl_memory_create(
            &arg->memory, dnnl_primitive_desc_query_md(prim->pd, dnnl_query_exec_arg_md, ids[i]),
            prim->ctx->engine, DNNL_MEMORY_NONE);
        if (status)
            return status;
        prim->count++;
    }
    return dnnl_success;
}

enum status shim_adopt(struct impl_ctx *ctx, dnnl_primitive_desc_t pd, struct shim_prim *out)
{
    *out = (struct shim_prim){.ctx = ctx, .pd = pd};
    snprintf(out->name, sizeof out->name, "%s", shim_name(pd));
    out->scratch_bytes = shim_bytes(out, DNNL_ARG_SCRATCHPAD);
    dnnl_status_t status = dnnl_primitive_create(&out->prim, pd);
    if (!status)
        status = make_arguments(out);
    if (status) {
        char name[sizeof out->name];
        memcpy(name, out->name, sizeof name);
        shim_release(out);
        return shim_failed(status, name);
    }
    return OK;
}

enum status shim_adopt_reorder(struct impl_ctx *ctx, dnnl_primitive_desc_t pd,
                               struct shim_prim *out)
{
    if (shim_accepts(shim_name(pd), NULL))
        return shim_adopt(ctx, pd, out);
    char name[48];
    snprintf(name, sizeof name, "%s", shim_name(pd));
    dnnl_primitive_desc_destroy(pd);
    return shim_missing("reordering of weights", name);
}

void shim_release(struct shim_prim *prim)
{
    for (int i = 0; i < prim->count; i++)
        dnnl_memory_destroy(prim->arg[i].memory);
    if (prim->prim)
        dnnl_primitive_destroy(prim->prim);
    if (prim->pd)
        dnnl_primitive_desc_destroy(prim->pd);
    memset(prim, 0, sizeof *prim);
}

size_t shim_bytes(const struct shim_prim *prim, int arg)
{
    const_dnnl_memory_desc_t md =
        dnnl_primitive_desc_query_md(prim->pd, dnnl_query_exec_arg_md, arg);
    return md ? dnnl_memory_desc_get_size(md) : 0;
}

static dnnl_memory_t find(const struct shim_prim *prim, int arg)
{
    for (int i = 0; i < prim->count; i++)
        if (prim->arg[i].arg == arg)
            return prim->arg[i].memory;
    return NULL;
}

static dnnl_status_t bind(const struct shim_prim *prim, int arg, void *data, dnnl_exec_arg_t *out)
{
    *out = (dnnl_exec_arg_t){arg, find(prim, arg)};
    CHECK(out->memory);
    return dnnl_memory_set_data_handle(out->memory, data);
}

/* Whether an operation is too small to be shared out: the library shares its own loops however
 * short they are. A multiply-accumulate takes about an eighth of the time of an addition from
 * memory. */
static bool is_small(const struct op_desc *d)
{
    size_t elements = (tensor_count(&d->src[0]) + tensor_count(&d->dst)) / 2;
    return !threads_worth(elements) && !threads_worth((size_t)(op_macs(d) / 8));
}

enum status shim_run(const struct shim_prim *prim, const struct op_desc *desc, void *scratch,
                     const struct shim_bind *binds, int count)
{
    dnnl_exec_arg_t args[SHIM_ARGS];
    int used = 0;
    dnnl_status_t status = dnnl_success;
    CHECK(prim->prim && count < SHIM_ARGS);
    if (prim->scratch_bytes)
        status = bind(prim, DNNL_ARG_SCRATCHPAD, scratch, &args[used++]);
    for (int i = 0; i < count && !status; i++)
        if (binds[i].data)
            status = bind(prim, binds[i].arg, binds[i].data, &args[used++]);
    const bool small = is_small(desc);
    if (small)
        threads_alone(1);
    if (!status)
        status = dnnl_primitive_execute(prim->prim, prim->ctx->stream, used, args);
    if (!status)
        status = dnnl_stream_wait(prim->ctx->stream);
    if (small)
        threads_alone(0);
    if (!status)
        return OK;
    char text[256];
    op_print(desc, text, sizeof text);
    shim_failed(status, prim->name);
    return fail_prefix(ERR_LIBRARY, "onednn, %s", text);
}

void shim_say(struct op_plan *plan, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(plan->how, sizeof plan->how, format, args);
    va_end(args);
}

enum status shim_plan(struct impl_ctx *ctx, struct op_plan *plan, size_t size,
                      enum status (*build)(struct impl_ctx *ctx, struct op_plan *plan),
                      void (*release)(struct op_plan *plan))
{
    plan->priv = calloc(1, size);
    if (!plan->priv)
        return fail(ERR_MEMORY, "out of memory: %zu bytes were needed", size);
    const bool small = is_small(&plan->desc); /* primitives are made for a number of threads */
    if (small)
        threads_alone(1);
    enum status status = build(ctx, plan);
    if (small)
        threads_alone(0);
    if (status != OK)
        release(plan);
    return status == ERR_UNSUPPORTED && !op_has_bf16(&plan->desc) ? ERR_LIBRARY : status;
}
