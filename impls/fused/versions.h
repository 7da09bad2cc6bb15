/* Remembering which parameters something was made from: a plan makes folded weights and factors
 * anew only when one of them has changed. Knows no operation. */
#ifndef IMPLS_FUSED_VERSIONS_H
#define IMPLS_FUSED_VERSIONS_H

#include "impls/layer.h"

struct param_versions {
    const float *data[OP_MAX_PARAM];
    unsigned version[OP_MAX_PARAM];
    bool known; /* false: nothing was made yet; a zeroed struct starts so */
};

/* Whether one of params 0..count-1 (NULL: empty slot) differs in place or version from the last
 * call, or there was none; remembers them. */
bool param_versions_changed(struct param_versions *last, struct param *const *param, int count);

#endif
