/* Convolutions by Winograd's algorithm, for inference, with what follows them: normalisation
 * folded into the weights, shortcut, relu. For the table of any implementation. */
#ifndef IMPLS_FUSED_WINOGRAD_ACT_H
#define IMPLS_FUSED_WINOGRAD_ACT_H

#include "impls/layer.h"

/* Makes a plan of OP_CONV2D (not for training), OP_CONV_ACT or OP_CONV_SUM_ACT whose algorithm is
 * one of Winograd's and sets its entry, which takes strided maps. ERR_MEMORY, ERR_USAGE (isa.h). */
enum status winograd_act_plan(struct op_plan *plan);

#endif
