/* What an arm trains and what it fixes; and where a network can be cut so that the fixed part runs
 * only once per image. */
#ifndef BENCH_TRANSFER_ARM_H
#define BENCH_TRANSFER_ARM_H

#include "bench/net/net.h"
#include "bench/transfer/train.h"

/* Marks every parameter of the network trainable or fixed; for an arm of several phases (phase.h)
 * as in the last of them, in which everything trains. ERR_USAGE when nothing is left, and when
 * the network has fewer stages than top:K asks for: the message lists what it has. */
enum status arm_apply(struct params *params, enum transfer_arm arm);

/* Whether the arm starts from a source's weights (then the head is new); the others from random
 * weights. */
bool arm_needs_source(enum transfer_arm arm);

/* Whether the arm, in its one phase, works on features computed once. */
bool arm_caches(enum transfer_arm arm);

/* Stages of the network that the parameters belong to: K of top:K goes from 1 to this. */
int arm_stages(const struct params *params);

/* The values of a lowered network that cross from its fixed part (nodes that no trainable
 * parameter influences) into the rest: node ids, ascending, into `ids` (at most `most`). Returns
 * their number; 0 when the very input is needed by a trainable node. */
int arm_boundary(const struct net *lowered, int *ids, int most);

#endif
