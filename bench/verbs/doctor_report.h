/* The report of `doctor` while it is put together: sections of facts, and warnings. Private to
 * bench/verbs/doctor*.c. */
#ifndef BENCH_VERBS_DOCTOR_REPORT_H
#define BENCH_VERBS_DOCTOR_REPORT_H

#include "bench/measure/machine.h"

#include <jansson.h>
#include <stdbool.h>

struct doctor {
    struct machine machine;
    json_t *sections; /* object of objects: section -> fact -> value */
    json_t *warnings; /* array of strings */
    json_t *section;  /* the one that facts go to now; borrowed */
};

/* Facts go to the section of this name from now on. */
void doctor_section(struct doctor *doctor, const char *name);

/* Facts. A text of "" or NULL, and a number that is not finite, become null. */
void doctor_text(struct doctor *doctor, const char *name, const char *text);
void doctor_printf(struct doctor *doctor, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void doctor_number(struct doctor *doctor, const char *name, double number);
void doctor_bool(struct doctor *doctor, const char *name, bool value);

/* One line: what is wrong, what it does to results, what to do. */
void doctor_warn(struct doctor *doctor, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The sections, each by the file that knows about it. */
void doctor_build(struct doctor *doctor);        /* doctor_system.c */
void doctor_machine(struct doctor *doctor);
void doctor_threads(struct doctor *doctor);
void doctor_quiet(struct doctor *doctor);
void doctor_environment(struct doctor *doctor);
void doctor_files(struct doctor *doctor);
void doctor_libraries(struct doctor *doctor);    /* doctor_libraries.c */

#endif
