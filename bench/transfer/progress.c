/* Progress of a training run: see progress.h. */
#include "bench/transfer/progress.h"

#include "bench/measure/clock.h"

#include <math.h>

static const int64_t redraw_ns = 200000000;

void progress_start(struct progress *p, FILE *out, bool terminal, int batch, int steps, int first)
{
    *p = (struct progress){.out = out, .terminal = terminal, .batch = batch, .steps = steps,
                           .first = first, .start_ns = clock_now_ns()};
}

void progress_step(struct progress *p, int step, double loss)
{
    if (!p->out || !p->terminal)
        return;
    int64_t now = clock_now_ns();
    if (now - p->drawn_ns < redraw_ns)
        return;
    p->drawn_ns = now;
    double seconds = (double)(now - p->start_ns) * 1e-9;
    double rate = seconds > 0 ? (step - p->first) / seconds : 0;
    double left = rate > 0 ? (p->steps - step) / rate : 0;
    fprintf(p->out, "\r\033[Kstep %d/%d  loss %.4f  %.0f images/s  %.0f s left", step, p->steps,
            loss, rate * p->batch, left);
    fflush(p->out);
}

void progress_epoch(struct progress *p, const struct train_epoch *e, int epochs)
{
    if (!p->out)
        return;
    if (p->terminal)
        fputs("\r\033[K", p->out);
    fprintf(p->out, "epoch %d/%d  lr %.3g  loss %.4f  train %.1f %%", e->epoch, epochs, e->lr,
            e->train_loss, 100 * e->train_accuracy);
    if (isfinite(e->val_accuracy))
        fprintf(p->out, "  val %.1f %%", 100 * e->val_accuracy);
    fprintf(p->out, "  %.1f s\n", e->seconds);
    fflush(p->out);
}

void progress_end(struct progress *p)
{
    if (p->out && p->terminal)
        fputs("\r\033[K", p->out);
}
