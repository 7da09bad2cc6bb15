/* Addresses and shares of one call: see attention.h. Computes no attention. */
#include "impls/fused/attention.h"

#include "impls/base/bf16.h"
#include "impls/base/threads.h"
#include "impls/ops.h"

#include <math.h>
#include <omp.h>
#include <string.h>

const float *fused_param(const struct fused_job *job, int slot)
{
    return job->args->param[slot] ? job->args->param[slot]->data : NULL;
}

struct fused_job fused_job_of(const struct op_plan *plan, const struct op_args *args)
{
    const struct fused_site *site = plan->priv;
    const struct tensor *x = &args->src[0];
    struct fused_job job = {.site = site, .desc = &plan->desc, .args = args, .keep = 0, .mix = 1,
                            .n = x->n, .h = x->h, .w = x->w, .c = x->c, .pixels = x->h * x->w};
    job.head = plan->desc.train ? args->save : (float *)((char *)args->scratch + site->records);
    job.records = (char *)(job.head + FUSED_PAD);
    if (plan->desc.attention.inner)
        job.keep = 1;
    if (plan->desc.attention.alpha) {
        job.mix = *fused_param(&job, P_ALPHA);
        job.keep = 1 - job.mix;
    }
    return job;
}

int fused_job_threads(const struct fused_job *job)
{
    const int most = omp_get_max_threads();
    if (!threads_worth((size_t)job->n * (size_t)job->pixels * (size_t)job->c))
        return 1;
    return job->site->threads < most ? job->site->threads : most;
}

struct fused_crew fused_crew_of(const struct fused_job *job, int thread, int threads)
{
    if (threads > job->n)
        return (struct fused_crew){.size = threads, .rank = thread, .thread = thread,
                                   .first = 0, .last = job->n};
    return (struct fused_crew){.size = 1, .rank = 0, .thread = thread,
                               .first = (int)((long)job->n * thread / threads),
                               .last = (int)((long)job->n * (thread + 1) / threads)};
}

struct fused_share fused_crew_block(const struct fused_job *job, const struct fused_crew *crew,
                                    int first)
{
    const int last = first + (crew->size == 1 ? job->site->block : 1);
    return (struct fused_share){first, last < crew->last ? last : crew->last};
}

void fused_crew_wait(const struct fused_crew *crew)
{
    if (crew->size > 1) {
#pragma omp barrier
    }
}

struct fused_share fused_crew_share(const struct fused_crew *crew, int count, int unit)
{
    const long units = (count + unit - 1) / unit;
    const long first = units * crew->rank / crew->size * unit;
    const long last = units * (crew->rank + 1) / crew->size * unit;
    return (struct fused_share){first < count ? (int)first : count,
                                last < count ? (int)last : count};
}

struct fused_unit *fused_unit_at(const struct fused_job *job, int image, int rank)
{
    struct fused_unit *units = (void *)((char *)job->args->scratch + job->site->units);
    return units + (size_t)image * (size_t)job->site->threads + rank;
}

struct fused_columns fused_columns_at(const struct fused_job *job, const struct fused_crew *crew,
                                      int rank)
{
    const size_t c = ((size_t)job->c + FUSED_PAD - 1) / FUSED_PAD * FUSED_PAD;
    const size_t thread = (size_t)(crew->size > 1 ? rank : crew->thread);
    char *at = (char *)job->args->scratch + job->site->columns + thread * job->site->columns_each;
    struct fused_columns columns = {.sum = (double *)at};
    columns.run = (float *)(columns.sum + c);
    columns.max = columns.run + c;
    return columns;
}

struct fused_hidden fused_hidden_at(const struct fused_job *job, const struct fused_crew *crew,
                                    int rank)
{
    const size_t thread = (size_t)(crew->size > 1 ? rank : crew->thread);
    const size_t each = job->site->hidden_each;
    float *at = (float *)((char *)job->args->scratch + job->site->hidden + thread * each);
    const size_t step = each / sizeof *at / 5;
    return (struct fused_hidden){{at, at + step}, {at + 2 * step, at + 3 * step}, at + 4 * step};
}

static float *plane_of(const struct fused_job *job, int thread, int which)
{
    const size_t before = (size_t)thread * job->site->planes_each;
    char *at = (char *)job->args->scratch + job->site->planes + before;
    return (float *)at + (size_t)which * job->site->window.size;
}

float *fused_planes_at(const struct fused_job *job, const struct fused_crew *crew, int which)
{
    return plane_of(job, crew->size > 1 ? 0 : crew->thread, which);
}

float *fused_results_at(const struct fused_job *job, const struct fused_crew *crew)
{
    return plane_of(job, crew->thread, 3);
}

void fused_planes_clear(const struct fused_job *job, const struct fused_crew *crew, int count)
{
    if (job->site->planes_each)
        memset(fused_planes_at(job, crew, 0), 0,
               (size_t)count * job->site->window.size * sizeof(float));
}

void fused_plane_pad(const struct fused_window *window, const float *plane, int first, int last,
                     float *to)
{
    for (int y = first; y < last; y++)
        memcpy(to + (size_t)(y + window->pad) * (size_t)window->pitch + window->pad,
               plane + (size_t)y * (size_t)window->w, (size_t)window->w * sizeof *plane);
}

void *fused_image(const struct tensor *t, int image)
{
    const size_t values = (size_t)t->h * (size_t)t->w * (size_t)t->stride;
    return (char *)t->data + (size_t)image * values * dtype_bytes(t->dtype);
}

float fused_value_at(const struct fused_job *job, const struct fused_span *x, int p, int i)
{
    const size_t at = (size_t)p * x->stride + (size_t)i;
    if (job->desc->src[0].dtype == DTYPE_BF16)
        return bf16_to_float(((const uint16_t *)x->data)[at]);
    return ((const float *)x->data)[at];
}

struct fused_span fused_rows_of(const struct fused_job *job, int image, struct fused_share rows)
{
    const struct tensor *x = &job->args->src[0];
    return (struct fused_span){.data = fused_image(x, image), .stride = (size_t)x->stride,
                               .c = job->c, .first = rows.first * job->w,
                               .last = rows.last * job->w};
}

struct fused_norm fused_norm_of(const struct fused_job *job)
{
    if (!job->desc->attention.with_bn)
        return (struct fused_norm){.scale = 1};
    struct fused_norm norm = {.mean = job->head[0], .rest = job->head[1], .scale = job->head[2]};
    if (!job->site->batch) {
        double variance = (double)*fused_param(job, P_BN + 3);
        norm.mean = *fused_param(job, P_BN + 2);
        norm.rest = 0;
        norm.scale = (float)(1 / sqrt(variance + (double)job->desc->attention.eps));
    }
    return norm;
}
