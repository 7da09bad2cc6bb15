/* A folder of pictures: see folder.h. Knows no picture format. */
#include "datasets/folder.h"

#include "datasets/folder_list.h"
#include "datasets/resize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PATH_SIZE = 4 * DATA_TEXT_MAX,
    PARTS_READ = 2,
    NAMED = 10,       /* broken files named in a message, */
    NAMES_TEXT = 680, /* their text, */
    MORE_TEXT = 24    /* and of it, room for "and N more" */
};

/* One part while it is read. */
struct job {
    const struct dataset *ds;
    const struct folder_part *part;
    struct image_set *set;
    char **reason; /* per file: why it is no good picture; NULL when it is one */
    int broken;
};

static void picture_path(const struct dataset *ds, const char *below, char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "%s/%s", ds->dir, below);
}

static uint64_t picture_hash(const struct image *image)
{
    uint64_t hash = file_hash_number(FILE_HASH_START, (uint64_t)image->h);
    hash = file_hash_number(hash, (uint64_t)image->w);
    return file_hash(hash, image->pixels, image_bytes(image));
}

/* What fail_text() says, without the path that it begins with; NULL when there is no memory. */
static char *copy_reason(const char *path)
{
    const char *text = fail_text();
    const size_t length = strlen(path);
    if (strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0)
        text += length + 2;
    return strdup(text);
}

/* File i into image i of the set. */
static enum status read_one(const struct job *job, int i)
{
    const struct data_spec *spec = &job->ds->spec;
    struct picture *picture = &job->set->pictures[i];
    struct image image;
    char path[PATH_SIZE];
    picture_path(job->ds, job->part->path[i], path);
    enum status status = image_read(&image, path);
    if (status == ERR_IO || status == ERR_FORMAT) {
        job->reason[i] = copy_reason(path);
        return job->reason[i] ? OK : ERR_MEMORY;
    }
    TRY(status);
    picture->path = strdup(job->part->path[i]);
    picture->hash = picture_hash(&image);
    picture->h = image.h;
    picture->w = image.w;
    job->set->labels[i] = job->part->label[i];
    status = resize_centre(&image, spec->resize, spec->size,
                           job->set->pixels + (size_t)i * dataset_image_bytes(job->ds));
    image_free(&image);
    return picture->path ? status : ERR_MEMORY;
}

static enum status job_open(struct job *job, const struct dataset *ds, struct image_set *set,
                            const struct folder_part *part)
{
    *job = (struct job){.ds = ds, .part = part, .set = set};
    TRY(image_set_alloc(set, ds, (size_t)part->n, ds->dir));
    set->pictures = calloc((size_t)part->n, sizeof *set->pictures);
    job->reason = calloc((size_t)part->n, sizeof *job->reason);
    return set->pictures && job->reason
        ? OK : fail(ERR_MEMORY, "out of memory for %d pictures", part->n);
}

static void job_close(struct job *job)
{
    for (int i = 0; job->reason && i < job->part->n; i++)
        free(job->reason[i]);
    free(job->reason);
}

/* Pictures differ in cost, hence the dynamic schedule; each has its own place in the results. */
static enum status read_all(struct job *job)
{
    int no_memory = 0;
#pragma omp parallel for schedule(dynamic, 4) reduction(|: no_memory)
    for (int i = 0; i < job->part->n; i++)
        no_memory |= read_one(job, i) != OK;
    if (no_memory)
        return fail(ERR_MEMORY, "%s: out of memory for its pictures", job->ds->dir);
    for (int i = 0; i < job->part->n; i++)
        job->broken += job->reason[i] != NULL;
    return OK;
}

/* "path (reason)" of the first broken files, at most NAMED of all parts together, each reason cut
 * to `width` bytes; returns how many had room. */
static int name_broken(const struct job jobs[PARTS_READ], int width, char *text, size_t size)
{
    int named = 0;
    text[0] = '\0';
    for (int p = 0; p < PARTS_READ; p++) {
        for (int i = 0; i < jobs[p].part->n && named < NAMED; i++) {
            char entry[PATH_SIZE];
            if (!jobs[p].reason[i])
                continue;
            if (width > 0)
                snprintf(entry, sizeof entry, "%s (%.*s)", jobs[p].part->path[i], width,
                         jobs[p].reason[i]);
            else
                snprintf(entry, sizeof entry, "%s", jobs[p].part->path[i]);
            if (!folder_append_name(text, size, entry))
                return named;
            named++;
        }
    }
    return named;
}

/* "train/ants/a.jpg (is a GIF, not a PNG or JPEG), ... and 3 more": the reasons as long as there is
 * room for all that are to be named. */
static void list_broken(const struct job jobs[PARTS_READ], int broken, char *text, size_t size)
{
    static const int widths[] = {200, 100, 60, 40, 25, 12, 0};
    const int wanted = broken < NAMED ? broken : NAMED;
    int named = 0;
    for (size_t i = 0; i < sizeof widths / sizeof widths[0] && named < wanted; i++)
        named = name_broken(jobs, widths[i], text, size - MORE_TEXT);
    const size_t used = strlen(text);
    if (broken > named)
        snprintf(text + used, size - used, " and %d more", broken - named);
}

/* Closes the gaps that broken files left in the set. */
static void drop_broken(struct job *job)
{
    struct image_set *set = job->set;
    const size_t bytes = dataset_image_bytes(job->ds);
    int kept = 0;
    for (int i = 0; i < job->part->n; i++) {
        if (job->reason[i])
            continue;
        set->labels[kept] = set->labels[i];
        set->pictures[kept] = set->pictures[i];
        if (kept < i)
            memmove(set->pixels + (size_t)kept * bytes, set->pixels + (size_t)i * bytes, bytes);
        kept++;
    }
    set->n = kept;
}

/* Every class must have kept a picture in every part. */
static enum status check_left(const struct dataset *ds, const struct job *job, const char *name)
{
    bool has[DATA_CLASSES_MAX] = {false};
    for (int i = 0; i < job->set->n; i++)
        has[job->set->labels[i]] = true;
    for (int k = 0; k < ds->classes; k++)
        if (!has[k])
            return fail(ERR_FORMAT, "%s: no file of %s/%s is a good picture; %s", ds->dir, name,
                        ds->class_names[k], ds->note);
    return OK;
}

static enum status settle_broken(struct dataset *ds, struct job jobs[PARTS_READ])
{
    char names[NAMES_TEXT];
    const int broken = jobs[0].broken + jobs[1].broken;
    const int files = jobs[0].part->n + jobs[1].part->n;
    if (broken == 0)
        return OK;
    list_broken(jobs, broken, names, NAMES_TEXT);
    if (!ds->spec.skip_broken)
        return fail(ERR_FORMAT, "%.150s: %d of %d files are no good pictures (broken=skip leaves "
                    "them out): %s", ds->dir, broken, files, names);
    drop_broken(&jobs[0]);
    drop_broken(&jobs[1]);
    ds->skipped = broken;
    snprintf(ds->note, sizeof ds->note, "%d of %d files are no good pictures and left out: %s",
             broken, files, names);
    TRY(check_left(ds, &jobs[0], "train"));
    return check_left(ds, &jobs[1], "val");
}

static enum status read_parts(struct dataset *ds, const struct folder_list *list)
{
    struct job jobs[PARTS_READ] = {{0}};
    enum status status = job_open(&jobs[0], ds, &ds->train, &list->train);
    if (status == OK)
        status = job_open(&jobs[1], ds, &ds->test, &list->val);
    for (int p = 0; p < PARTS_READ && status == OK; p++)
        status = read_all(&jobs[p]);
    if (status == OK)
        status = settle_broken(ds, jobs);
    job_close(&jobs[0]);
    job_close(&jobs[1]);
    return status;
}

static enum status read_list(struct dataset *ds, const struct folder_list *list)
{
    TRY(dataset_name_classes(ds, list->classes));
    memcpy(ds->class_names, list->class_name, (size_t)list->classes * DATA_NAME_MAX);
    return read_parts(ds, list);
}

enum status folder_read(struct dataset *ds)
{
    struct folder_list list;
    ds->channels = 3;
    ds->h = ds->w = ds->spec.size;
    TRY(folder_list_make(&list, ds->dir));
    enum status status = read_list(ds, &list);
    folder_list_free(&list);
    return status;
}

enum status folder_read_whole(const struct dataset *ds, const struct image_set *set, int i,
                              struct image *out)
{
    const struct picture *picture = &set->pictures[i];
    char path[PATH_SIZE];
    picture_path(ds, picture->path, path);
    TRY(image_read(out, path));
    if (out->h == picture->h && out->w == picture->w && picture_hash(out) == picture->hash)
        return OK;
    image_free(out);
    return fail(ERR_FORMAT, "%s: has changed since the data set was opened", path);
}
