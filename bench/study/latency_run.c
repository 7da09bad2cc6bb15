/* The latency part of a study: see latency_run.h. */
#include "bench/study/latency_run.h"
#include "bench/report/provenance.h"
#include "bench/study/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void join(const struct study_list *list, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < list->count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i ? "," : "", list->text[i]);
}

void latency_run_command(const struct study *study, const char *store_path,
                         struct latency_command *c)
{
    const struct study_latency *l = &study->latency;
    static const char *const names[LATENCY_NUMBERS] = {"--input", "--batch", "--threads",
                                                       "--samples", "--seconds"};
    const int numbers[LATENCY_NUMBERS] = {l->input, l->batch, l->threads, l->samples, l->seconds};
    const char *const first[] = {"cbam-bench", "latency", "--model", c->models, "--attention",
                                 c->attention, "--impl", c->impls, "--store", store_path,
                                 "--study", study->name};
    int n = sizeof first / sizeof first[0];
    memset(c, 0, sizeof *c);
    join(&l->models, c->models, sizeof c->models);
    join(&l->attention, c->attention, sizeof c->attention);
    join(&l->impls, c->impls, sizeof c->impls);
    memcpy(c->argv, first, sizeof first);
    for (int i = 0; i < LATENCY_NUMBERS; i++) {
        if (numbers[i] == 0)
            continue;
        snprintf(c->numbers[i], sizeof c->numbers[i], "%d", numbers[i]);
        c->argv[n++] = names[i];
        c->argv[n++] = c->numbers[i];
    }
}

enum status latency_run_key(const struct study *study, char key[CELL_KEY_SIZE])
{
    struct provenance provenance;
    struct latency_command command;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return fail(ERR_MEMORY, "no memory for the latency part of the study");
    provenance_fill(&provenance);
    latency_run_command(study, "", &command);
    for (int i = 0; command.argv[i]; i++)
        fprintf(out, "%s ", command.argv[i]);
    fputs(provenance.id, out);
    if (fclose(out) != 0) {
        free(text);
        return fail(ERR_MEMORY, "no memory for the latency part of the study");
    }
    cell_hash(text, key);
    free(text);
    return OK;
}

static enum status run_verb(const struct study *study, const char *store_path, const char *program)
{
    pid_t pid;
    struct latency_command command;
    latency_run_command(study, store_path, &command);
    TRY(worker_start(&pid, program, command.argv));
    int how = worker_wait(pid);
    if (how >= WORKER_KILLED)
        return fail(ERR_LIBRARY, "latency: killed by signal %d (%s)", how - WORKER_KILLED,
                    strsignal(how - WORKER_KILLED));
    if (how != 0)
        return fail(ERR_LIBRARY, "latency: ended with exit status %d", how);
    return OK;
}

enum status latency_is_stored(struct store *store, const struct study *study, bool *stored)
{
    char key[CELL_KEY_SIZE], newest[CELL_KEY_SIZE];
    TRY(latency_run_key(study, key));
    TRY(store_latency_key(store, study->name, newest, sizeof newest));
    *stored = strcmp(key, newest) == 0;
    return OK;
}

enum status latency_run(struct store *store, const struct study *study, const char *store_path,
                        const char *program)
{
    char key[CELL_KEY_SIZE];
    TRY(latency_run_key(study, key));
    TRY(run_verb(study, store_path, program));
    return store_mark_latency(store, study->name, key);
}
