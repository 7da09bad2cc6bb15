/* How far a study is: see study_progress.h. */
#include "bench/study/study_progress.h"
#include "bench/measure/clock.h"

#include <stdarg.h>
#include <string.h>

static const int64_t REDRAW_NS = 500000000;

static void erase(struct study_progress *p)
{
    if (p->out && p->drawn)
        fputs("\r\033[K", p->out);
    p->drawn = false;
}

void study_progress_start(struct study_progress *p, FILE *out, bool terminal, int jobs, int reused,
                          const int left[PROGRESS_KINDS])
{
    *p = (struct study_progress){.out = out, .terminal = terminal, .jobs = jobs, .reused = reused,
                                 .total = reused, .start_ns = clock_now_ns()};
    memcpy(p->left, left, sizeof p->left);
    for (int i = 0; i < PROGRESS_KINDS; i++)
        p->total += left[i];
}

double study_progress_left(const struct study_progress *p)
{
    double seconds = 0, all = 0;
    int ended = 0;
    for (int i = 0; i < PROGRESS_KINDS; i++) {
        all += p->seconds[i];
        ended += p->ended[i];
    }
    if (ended == 0)
        return -1;
    for (int i = 0; i < PROGRESS_KINDS; i++)
        seconds += p->left[i] * (p->ended[i] ? p->seconds[i] / p->ended[i] : all / ended);
    return seconds / p->jobs;
}

static void duration(double seconds, char text[32])
{
    int s = (int)(seconds + 0.5);
    if (s >= 3600)
        snprintf(text, 32, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(text, 32, "%d:%02d", s / 60, s % 60);
}

static void numbers(const struct study_progress *p, char text[160])
{
    double elapsed = (double)(clock_now_ns() - p->start_ns) * 1e-9;
    double left = study_progress_left(p);
    char spent[32], needed[32] = "?";
    duration(elapsed, spent);
    if (left >= 0)
        duration(left, needed);
    snprintf(text, 160, "%d/%d cells%s, %.1f a minute, %s spent, %s left", p->reused + p->done,
             p->total, p->failed ? " (some failed)" : "",
             elapsed > 0 ? 60 * (p->done + p->failed) / elapsed : 0, spent, needed);
}

void study_progress_tick(struct study_progress *p)
{
    char text[160];
    int64_t now = clock_now_ns();
    if (!p->out || !p->terminal || now - p->drawn_ns < REDRAW_NS)
        return;
    numbers(p, text);
    fprintf(p->out, "\r\033[K%s", text);
    fflush(p->out);
    p->drawn = true;
    p->drawn_ns = now;
}

void study_progress_cell(struct study_progress *p, int kind, bool failed, double seconds,
                         const char *what)
{
    char text[160];
    p->left[kind]--;
    p->ended[kind]++;
    p->seconds[kind] += seconds;
    p->done += !failed;
    p->failed += failed;
    if (!p->out || (p->terminal && !failed))
        return;
    numbers(p, text);
    study_progress_say(p, "%s: %s%s", text, what, failed ? " FAILED" : "");
}

void study_progress_reused(struct study_progress *p, int kind)
{
    p->left[kind]--;
    p->reused++;
}

void study_progress_again(struct study_progress *p, int kind)
{
    p->left[kind]++;
    p->failed--;
}

void study_progress_say(struct study_progress *p, const char *format, ...)
{
    va_list args;
    if (!p->out)
        return;
    erase(p);
    va_start(args, format);
    vfprintf(p->out, format, args);
    va_end(args);
    fputc('\n', p->out);
    fflush(p->out);
}

void study_progress_end(struct study_progress *p)
{
    char text[160];
    erase(p);
    if (p->done + p->failed == 0)
        return;
    numbers(p, text);
    study_progress_say(p, "%s", text);
}
