/* Fused attention forward: the order of the passes over each image. The gates themselves are in
 * channel_gate.c and spatial_gate.c. */
#include "impls/fused/channel_gate.h"
#include "impls/fused/spatial_gate.h"

#include <omp.h>

static void fill(float *to, int count, float value)
{
    for (int i = 0; i < count; i++)
        to[i] = value;
}

/* A gate that is not there is one. */
static void prepare_image(const struct fused_job *job, int image)
{
    const struct fused_keep *keep = &job->site->keep;
    const bool follows = job->desc->attention.channel &&
                         job->desc->attention.order == ORDER_CHANNEL_FIRST;
    if (!job->desc->attention.channel)
        fill(fused_keep_at(job, image, keep->channel), job->c, 1);
    if (!job->desc->attention.spatial)
        fill(fused_keep_at(job, image, keep->spatial), job->pixels, 1);
    if (job->site->own_lens && !follows)
        fused_lens_fill(job, image, (struct fused_share){0, job->c});
}

/* The other members meet the first one again before they use any of this, unless the first thing is
 * the spatial gate. */
static void prepare(const struct fused_job *job, const struct fused_crew *crew)
{
    const bool waits = !job->desc->attention.channel ||
                       job->desc->attention.order == ORDER_SPATIAL_FIRST;
    if (crew->rank == 0) {
        fused_planes_clear(job, crew, 2);
        for (int image = crew->first; image < crew->last; image++)
            prepare_image(job, image);
    }
    if (waits)
        fused_crew_wait(crew);
}

/* Everything that does not need the statistics of the whole batch. */
static void begin_images(const struct fused_job *job, const struct fused_crew *crew,
                         struct fused_share images)
{
    if (job->desc->attention.channel && job->desc->attention.order != ORDER_SPATIAL_FIRST)
        fused_channel_forward(job, crew, images);
    for (int n = images.first; n < images.last; n++) {
        if (job->desc->attention.spatial)
            fused_spatial_logits(job, crew, n);
        if (!job->site->batch)
            continue;
        fused_spatial_measure(job, crew, n);
        if (n + 1 < crew->last)
            fused_crew_wait(crew); /* the next image takes the same padded planes */
    }
}

static void finish_images(const struct fused_job *job, const struct fused_crew *crew,
                          struct fused_share images)
{
    const struct fused_share rows = fused_crew_share(crew, job->h, 1);
    for (int n = images.first; job->desc->attention.spatial && n < images.last; n++)
        fused_spatial_squash(job, n, rows);
    if (job->desc->attention.channel && job->desc->attention.order == ORDER_SPATIAL_FIRST) {
        fused_crew_wait(crew); /* channels are pooled over all pixels */
        fused_channel_forward(job, crew, images);
    }
    for (int n = images.first; n < images.last; n++)
        fused_apply_rows(job, n, rows);
    if (images.last < crew->last)
        fused_crew_wait(crew);
}

static void run(const struct fused_job *job, int thread, int threads)
{
    const struct fused_crew crew = fused_crew_of(job, thread, threads);
    struct fused_share images;
    prepare(job, &crew);
    for (int n = crew.first; n < crew.last; n = images.last) {
        images = fused_crew_block(job, &crew, n);
        begin_images(job, &crew, images);
        if (!job->site->batch)
            finish_images(job, &crew, images);
    }
    if (!job->site->batch)
        return;
#pragma omp barrier
    if (thread == 0)
        fused_spatial_statistics(job, crew.size);
#pragma omp barrier
    for (int n = crew.first; n < crew.last; n = images.last) {
        images = fused_crew_block(job, &crew, n);
        finish_images(job, &crew, images);
    }
}

enum status fused_forward(const struct op_plan *plan, const struct op_args *args)
{
    const struct fused_job job = fused_job_of(plan, args);
    const int threads = fused_job_threads(&job);
    if (threads == 1) {
        run(&job, 0, 1);
    } else {
#pragma omp parallel num_threads(threads)
        run(&job, omp_get_thread_num(), omp_get_num_threads());
    }
    if (job.site->batch) {
        args->param[P_BN + 2]->version++;
        args->param[P_BN + 3]->version++;
    }
    return OK;
}
