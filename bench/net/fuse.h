/* Fusing: a lowered network in which sequences of primitives are replaced by the fused operations
 * that an implementation's table offers. The result computes the same, but for rounding. */
#ifndef BENCH_NET_FUSE_H
#define BENCH_NET_FUSE_H

#include "bench/net/net.h"

/* A network that shares the parameters of `net` (a description, attention nodes and all). In it,
 * for `impl` (opened as ctx):
 *   attention            becomes one node where a plan for its form can be made, else primitives;
 *   conv, bn, + x, relu  becomes OP_CONV_SUM_ACT, conv, bn, relu OP_CONV_ACT (inference only);
 *   bn, + x, relu        becomes OP_BN_SUM_ACT, bn, relu OP_BN_ACT;
 *   attention, + x, relu becomes OP_ATTENTION_SUM;
 * each only where the table has the entry and nobody else reads what lies between. NULL on
 * failure. With `train` false the result is for inference alone. */
struct net *net_fuse(const struct net *net, const struct impl *impl, struct impl_ctx *ctx,
                     bool train);

#endif
