/* The shifted test: see shifted.h. Knows nothing of training. */
#include "bench/transfer/shifted.h"

#include <string.h>

static bool is_number(const char *name)
{
    return *name && strspn(name, "0123456789") == strlen(name);
}

/* Classes are compared by name, where both data sets have names. */
static enum status check_classes(const struct dataset *own, const struct dataset *other,
                                 const char *data)
{
    if (own->classes != other->classes)
        return fail(ERR_USAGE, "--shifted %s: %d classes where the network has %d", data,
                    other->classes, own->classes);
    for (int i = 0; i < own->classes; i++) {
        const char *a = own->class_names[i], *b = other->class_names[i];
        if (strcmp(a, b) != 0 && !is_number(a) && !is_number(b))
            return fail(ERR_USAGE, "--shifted %s: class %d is '%s', that of the network '%s'", data,
                        i, b, a);
    }
    return OK;
}

enum status shifted_evaluate(const struct session *session, const char *data, uint64_t seed,
                             int batch, struct evaluation *result)
{
    /* The same network with other data; what the session owns stays the session's. */
    struct session other = *session;
    memset(&other.data, 0, sizeof other.data);
    memset(&other.split, 0, sizeof other.split);
    TRY(dataset_open(&other.data, data));
    enum status status = check_classes(&session->data, &other.data, data);
    if (status == OK)
        status = split_make(&other.split, &other.data, seed);
    if (status == OK)
        status = evaluate(&other, &other.split.list[PART_TEST], batch, result, NULL, NULL);
    split_free(&other.split);
    dataset_close(&other.data);
    return status;
}
