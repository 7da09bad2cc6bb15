/* Single runs for property tests: see probe.h. */
#include "tests/probe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

void probe_make(struct probe *p, const struct impl *impl, struct impl_ctx *ctx, const char *text,
                bool train)
{
    struct op_desc desc;
    struct op_param_info info[OP_MAX_PARAM];
    struct opcheck_variant v = {.data = OPCHECK_FLOAT, .train = train, .seed = 1};
    memset(p, 0, sizeof *p);
    if (op_parse(text, &desc) != OK)
        fail_msg("%s", fail_text());
    int params = op_params(&desc, info);
    v.want_src = train ? (1u << op_sources(desc.kind)) - 1 : 0;
    for (int i = 0; train && i < params; i++)
        v.want_param |= info[i].buffer ? 0 : 1u << i;
    if (!rig_make(&p->rig, impl, ctx, &desc, &v, &p->text))
        fail_msg("%s", p->text);
    if (oracle_make(&p->operands, &p->rig.desc) != OK)
        fail_msg("%s", fail_text());
}

void probe_free(struct probe *p)
{
    rig_free(&p->rig);
    oracle_free(&p->operands);
}

void probe_forward(struct probe *p)
{
    rig_load(&p->rig, &p->operands);
    if (!rig_forward(&p->rig, 0xff))
        fail_msg("%s", p->text);
}

void probe_backward(struct probe *p)
{
    if (!rig_backward(&p->rig, 0xff, false))
        fail_msg("%s", p->text);
}

float probe_dst(struct probe *p, size_t i)
{
    return *guarded_at(rig_result(&p->rig), i);
}

float probe_diff_src(struct probe *p, int source, size_t i)
{
    return *guarded_at(&p->rig.diff_src[source], i);
}
