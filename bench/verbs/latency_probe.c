/* What only a fresh process can tell of a network: loading, the first call, peak memory. In a
 * process that ran others before, libraries are warm and memory is theirs too. See
 * latency_work.h. */
#include "bench/verbs/latency_work.h"

#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "impls/ops.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static enum status write_probe(const struct latency_probe *probe)
{
    json_t *json = json_pack("{s:f,s:f,s:f,s:f}", "load_ms", probe->load_ms, "first_ms",
                             probe->first_ms, "peak_rss_mb", probe->peak_rss_mb, "rss_mb",
                             probe->rss_mb);
    int failed = json_dumpf(json, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(json);
    return failed || putchar('\n') == EOF || fflush(stdout) != 0
               ? fail(ERR_IO, "the probe's result cannot be written")
               : OK;
}

static enum status run_first(struct latency_program *program, double *ms)
{
    int64_t start = clock_now_ns();
    TRY(latency_program_run(program));
    *ms = (double)(clock_now_ns() - start) * 1e-6;
    return OK;
}

static enum status probe_network(const struct latency_network *network, const struct impl *impl,
                                 struct impl_ctx *ctx, const struct latency_shape *shape)
{
    struct latency_program program;
    struct latency_probe probe;
    enum status status = latency_program_make(&program, network, impl, ctx, shape);
    if (status == OK)
        status = run_first(&program, &probe.first_ms);
    probe.load_ms = network->load_ms + program.compile_ms;
    probe.peak_rss_mb = machine_peak_rss_mb();
    probe.rss_mb = machine_rss_mb();
    latency_program_free(&program);
    return status == OK ? write_probe(&probe) : status;
}

enum status latency_probe_here(const char *model, const char *attention, const struct impl *impl,
                               const struct latency_shape *shape)
{
    struct latency_network *network = calloc(1, sizeof *network);
    struct impl_ctx *ctx;
    if (!network)
        return fail(ERR_MEMORY, "no memory for a network");
    enum status status = impl->open(&ctx);
    if (status == OK) {
        status = latency_network_make(network, model, attention, shape);
        if (status == OK)
            status = probe_network(network, impl, ctx, shape);
        latency_network_free(network);
        impl->close(ctx);
    }
    free(network);
    return status;
}

/* The last line that a descriptor gives, up to `size` - 1 characters of it. Whatever a library
 * writes before it (ONEDNN_VERBOSE) is read and dropped: a full pipe would stop the writer. */
static void read_last_line(int fd, char *text, size_t size)
{
    size_t used = 0;
    char block[4096];
    ssize_t got = 1;
    bool ended = false;
    while (got > 0 || (got < 0 && errno == EINTR)) {
        got = read(fd, block, sizeof block);
        for (ssize_t i = 0; i < got; i++) {
            if (ended)
                used = 0;
            ended = block[i] == '\n';
            if (!ended && used + 1 < size)
                text[used++] = block[i];
        }
    }
    text[used] = '\0';
}

/* Runs this program with `argv`, the last line of its standard output into `text`. */
static enum status run_child(char *const *argv, char *text, size_t size)
{
    int ends[2], state = 0;
    pid_t child;
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0)
        return fail(ERR_IO, "no pipe for the probe: %s", strerror(errno));
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    int error = posix_spawn(&child, "/proc/self/exe", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (error == 0) {
        read_last_line(ends[0], text, size);
        while (waitpid(child, &state, 0) < 0 && errno == EINTR)
            ;
    }
    close(ends[0]);
    if (error)
        return fail(ERR_IO, "the probe cannot be started: %s", strerror(error));
    if (WIFSIGNALED(state))
        return fail(ERR_LIBRARY, "the probe was ended by signal %d (%s)", WTERMSIG(state),
                    strsignal(WTERMSIG(state)));
    return WEXITSTATUS(state) == 0 ? OK : fail(ERR_LIBRARY, "the probe failed, see above");
}

static enum status read_probe(const char *text, struct latency_probe *probe)
{
    json_t *json = json_loads(text, 0, NULL);
    probe->load_ms = json_number_value(json_object_get(json, "load_ms"));
    probe->first_ms = json_number_value(json_object_get(json, "first_ms"));
    probe->rss_mb = json_number_value(json_object_get(json, "rss_mb"));
    probe->peak_rss_mb = json_number_value(json_object_get(json, "peak_rss_mb"));
    json_decref(json);
    return json ? OK : fail(ERR_FORMAT, "the probe wrote '%.60s' where JSON was expected", text);
}

enum status latency_probe_child(const char *model, const char *attention, const struct impl *impl,
                                const struct latency_shape *shape, struct latency_probe *probe)
{
    enum { NUMBER = 32 };
    char batch[NUMBER], threads[NUMBER], input[NUMBER], classes[NUMBER], seed[NUMBER], text[256];
    snprintf(batch, NUMBER, "--batch=%d", shape->batch);
    snprintf(threads, NUMBER, "--threads=%d", shape->threads);
    snprintf(input, NUMBER, "--input=%dx%d", shape->input_h, shape->input_w);
    snprintf(classes, NUMBER, "--classes=%d", shape->classes);
    snprintf(seed, NUMBER, "--seed=%" PRIu64, shape->seed);
    const char *argv[24] = {"cbam-bench", "latency", "--probe", "--model", model, "--attention",
                            attention, "--impl", impl->name, batch, threads, classes, seed};
    int count = 13;
    if (shape->input_h > 0)
        argv[count++] = input;
    if (shape->algorithms) {
        argv[count++] = "--algorithm";
        argv[count++] = shape->algorithm;
    }
    if (shape->dtype != DTYPE_F32) {
        argv[count++] = "--dtype";
        argv[count++] = dtype_name(shape->dtype);
    }
    if (shape->train)
        argv[count++] = "--train";
    if (shape->compose)
        argv[count++] = "--no-fuse";
    TRY(run_child((char *const *)argv, text, sizeof text));
    return read_probe(text, probe);
}
