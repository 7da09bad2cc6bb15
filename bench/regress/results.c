/* Whether two builds compute the same: see regress_compare_results() in gates.h. */
#include "bench/regress/gates.h"

#include <stdio.h>
#include <string.h>

static bool one_sided(struct regress_row *row, const struct side_check *base,
                      const struct side_check *head)
{
    if (head->state == SIDE_ABSENT) {
        row->state = REGRESS_REMOVED;
        snprintf(row->reason, sizeof row->reason, "%s", head->reason);
    } else if (base->state != SIDE_OK) {
        row->state = REGRESS_ADDED;
        snprintf(row->reason, sizeof row->reason, "%s%.230s",
                 base->state == SIDE_FAILED ? "fails in base: " : "", base->reason);
    }
    return head->state == SIDE_ABSENT || base->state != SIDE_OK;
}

bool regress_compare_results(struct regress_row *row, const struct side_check *base,
                             const struct side_check *head)
{
    char reason[200];
    snprintf(row->how_base, sizeof row->how_base, "%s", base->how);
    snprintf(row->how_head, sizeof row->how_head, "%s", head->how);
    if (head->state == SIDE_FAILED) {
        row->state = REGRESS_FAILED;
        snprintf(row->reason, sizeof row->reason, "%s", head->reason);
        return false;
    }
    if (one_sided(row, base, head))
        return false;
    bool agree = sketch_agree(&base->results, &head->results, 1, &row->difference, reason,
                              sizeof reason);
    if (!agree && !row->results_allowed) {
        row->state = REGRESS_FAILED;
        snprintf(row->reason, sizeof row->reason, "its result is not that of base: %s", reason);
        return false;
    }
    if (!agree)
        snprintf(row->reason, sizeof row->reason, "allowed: %s", reason);
    else if (strcmp(row->how_base, row->how_head) != 0)
        snprintf(row->reason, sizeof row->reason, "other kernels than in base");
    return true;
}
