/* What a study claims (struct study_claims): the axis that is compared and the families whose
 * comparisons are corrected together. Part of the study file, kept with the study in the store, so
 * that a report is made from the store alone. Knows no result. */
#ifndef BENCH_STUDY_CLAIMS_H
#define BENCH_STUDY_CLAIMS_H

#include "bench/study/study.h"

/* Attention is compared, all comparisons are one family. */
void claims_default(struct study_claims *claims);

/* "attention", "transfer" or "models"; ERR_FORMAT lists them. */
enum status claims_parse_axis(const char *text, enum study_axis *axis);
const char *claims_axis_name(enum study_axis axis);

/* ERR_FORMAT when the families of a study, read whole, name an entry that the study does not
 * have. */
enum status claims_check(const struct study *study);

/* Entries of the axes at which a comparison stands. */
struct claims_place {
    const char *model, *attention, *transfer, *data;
};

/* Index of the family that holds the comparison; -1: exploratory. */
int claims_family(const struct study_claims *claims, const struct claims_place *place);

/* As JSON text, allocated: free(); NULL when there is no memory. */
char *claims_text(const struct study_claims *claims);

/* Back; "" gives the default. ERR_FORMAT when the text is no such JSON. */
enum status claims_read(const char *text, struct study_claims *claims);

#endif
