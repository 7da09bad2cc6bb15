/* How far a study is: cells done of all, rate, time left. On a terminal one line that is redrawn;
 * in a log a plain line whenever a cell ends. Never part of a result. */
#ifndef BENCH_STUDY_STUDY_PROGRESS_H
#define BENCH_STUDY_STUDY_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Cells of one kind take about as long as each other: time left is estimated kind by kind. */
enum { PROGRESS_KINDS = 12 };

struct study_progress {
    FILE *out; /* NULL: silent */
    bool terminal, drawn;
    int total, jobs;
    int done, failed;      /* of this run */
    int reused;            /* were there before */
    int left[PROGRESS_KINDS], ended[PROGRESS_KINDS];
    double seconds[PROGRESS_KINDS]; /* of the cells that ended */
    int64_t start_ns, drawn_ns;
};

/* `left` counts the cells to be run, by kind. */
void study_progress_start(struct study_progress *p, FILE *out, bool terminal, int jobs, int reused,
                          const int left[PROGRESS_KINDS]);

/* A cell of that kind ended after so many seconds; `what` describes it. */
void study_progress_cell(struct study_progress *p, int kind, bool failed, double seconds,
                         const char *what);

/* A cell of that kind was done by another run meanwhile; one that failed is to be tried again. */
void study_progress_reused(struct study_progress *p, int kind);
void study_progress_again(struct study_progress *p, int kind);

/* Redraws the line now and then; to be called often. */
void study_progress_tick(struct study_progress *p);

/* Says a line of its own, whatever is drawn. */
void study_progress_say(struct study_progress *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void study_progress_end(struct study_progress *p);

/* Seconds still needed; negative while nothing is known. */
double study_progress_left(const struct study_progress *p);

#endif
