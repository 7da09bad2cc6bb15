/* Versions of several parameters: see versions.h. */
#include "impls/fused/versions.h"

bool param_versions_changed(struct param_versions *last, struct param *const *param, int count)
{
    bool changed = !last->known;
    for (int i = 0; i < count; i++) {
        const float *data = param[i] ? param[i]->data : NULL;
        unsigned version = param[i] ? param[i]->version : 0;
        changed |= last->data[i] != data || last->version[i] != version;
        last->data[i] = data;
        last->version[i] = version;
    }
    last->known = true;
    return changed;
}
