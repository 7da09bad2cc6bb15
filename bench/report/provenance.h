/* What made a result: recorded once a process, referred to by its id. */
#ifndef BENCH_REPORT_PROVENANCE_H
#define BENCH_REPORT_PROVENANCE_H

#include <jansson.h>
#include <stddef.h>

struct provenance {
    char id[33];         /* hash of all below: equal code on an equal machine has an equal id */
    char commit[64];     /* "...-dirty" when the sources differed from it */
    char compiler[160], flags[512];
    char libraries[512]; /* "naive ...; openblas ...; onednn ...", as loaded */
    char cpu[160], kernel[96], libc[32];
};

/* This program, here, now. */
void provenance_fill(struct provenance *provenance);

/* All members as an object; a new reference, NULL when there is no memory. And back; members that
 * are missing become "". */
json_t *provenance_json(const struct provenance *provenance);
void provenance_from_json(const json_t *json, struct provenance *provenance);

/* The commit alone: what "older code" is compared with. */
const char *provenance_commit(void);

#endif
