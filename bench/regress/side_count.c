/* Counting the instructions of a build under valgrind: see side_count() in side.h. */
#include "bench/regress/side.h"

#include "bench/regress/launch.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { COUNT_SECONDS = 600, FOLDER = 512 };

/* glibc chooses memcpy and its like by processor; without the wide kernels all machines run the
 * same. callgrind counts every step of rep movsb (ERMS) as an instruction. */
#define TUNABLES "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX,-ERMS"

/* Nothing else of the caller's environment comes through but what launch_environment() says. The
 * two variables in the middle keep the program from starting itself anew (threads.h): the second
 * process would not run under valgrind. */
static const char *const environment_set[] = {TUNABLES,          "OMP_NUM_THREADS=1",
                                              "GOMP_SPINCOUNT=1000", "OMP_DYNAMIC=false",
                                              "LC_ALL=C",        NULL};

static enum status make_folder(char *folder)
{
    const char *root = getenv("TMPDIR");
    int length = snprintf(folder, FOLDER, "%s/cbam-bench-count-XXXXXX",
                          root && *root ? root : P_tmpdir);
    if (length >= FOLDER || !mkdtemp(folder))
        return fail(ERR_IO, "%.400s: no temporary folder: %s", folder, strerror(errno));
    return OK;
}

static void remove_folder(const char *folder)
{
    char path[FOLDER + 300];
    DIR *stream = opendir(folder);
    for (const struct dirent *entry; stream && (entry = readdir(stream));) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path); /* the two names of folders cannot be unlinked */
    }
    if (stream)
        closedir(stream);
    rmdir(folder);
}

/* What one dump says. */
struct dump {
    char pass[32], version[32];
    double total;
};

static bool read_dump(const char *path, struct dump *dump)
{
    char line[1024];
    *dump = (struct dump){.total = -1};
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        sscanf(line, "creator: callgrind-%31s", dump->version);
        sscanf(line, "desc: Trigger: Client Request: %31s", dump->pass);
        sscanf(line, "totals: %lf", &dump->total);
    }
    if (file)
        fclose(file);
    return file && dump->total > 0 && dump->pass[0];
}

static void read_dumps(const char *folder, struct side_count *answer)
{
    char path[FOLDER + 32];
    struct dump dump;
    for (int number = 1; number <= REGRESS_PASSES; number++) {
        snprintf(path, sizeof path, "%s/out.%d", folder, number);
        if (!read_dump(path, &dump))
            return;
        json_object_set_new(answer->key, "valgrind", json_string(dump.version));
        for (int pass = 0; pass < REGRESS_PASSES; pass++)
            if (strcmp(dump.pass, regress_pass_name((enum regress_pass)pass)) == 0)
                answer->instructions[pass] = dump.total;
    }
}

/* One pass of the child's answer, with the count that was read from its dump. */
static void read_pass(const json_t *json, int pass, struct side_count *answer)
{
    const char *state = json_string_value(json_object_get(json, "state"));
    const char *how = json_string_value(json_object_get(json, "how"));
    const char *reason = json_string_value(json_object_get(json, "reason"));
    snprintf(answer->how[pass], sizeof answer->how[pass], "%.500s", how ? how : "");
    snprintf(answer->reason[pass], sizeof answer->reason[pass], "%.250s", reason ? reason : "");
    if (!json)
        return;
    answer->state[pass] = state && strcmp(state, "ok") == 0 ? SIDE_OK : SIDE_FAILED;
    if (answer->state[pass] == SIDE_OK && !(answer->instructions[pass] > 0)) {
        answer->state[pass] = SIDE_FAILED;
        snprintf(answer->reason[pass], sizeof answer->reason[pass], "nothing was counted");
    }
}

/* When the process gave no answer every pass has failed. */
static void fail_all(const struct launch_result *result, struct side_count *answer)
{
    for (int pass = 0; pass < REGRESS_PASSES; pass++) {
        answer->state[pass] = SIDE_FAILED;
        if (result->late)
            snprintf(answer->reason[pass], sizeof answer->reason[pass],
                     "no answer under valgrind within %d s", COUNT_SECONDS);
        else
            snprintf(answer->reason[pass], sizeof answer->reason[pass],
                     "under valgrind it ended with status %d: %.150s", result->code,
                     result->error);
    }
}

static void read_answer(const struct launch_result *result, const char *folder,
                        struct side_count *answer)
{
    json_error_t error;
    json_t *json = result->code == 0 && result->out ? json_loads(result->out, 0, &error) : NULL;
    if (!json) {
        fail_all(result, answer);
        return;
    }
    answer->key = json_incref(json_object_get(json, "key"));
    json_object_set_new(answer->key, "tunables", json_string(TUNABLES));
    read_dumps(folder, answer);
    const json_t *passes = json_object_get(json, "passes");
    for (int pass = 0; pass < REGRESS_PASSES; pass++)
        read_pass(json_object_get(passes, regress_pass_name((enum regress_pass)pass)), pass,
                  answer);
    json_decref(json);
}

static enum status count_in(const char *folder, const struct regress_side *side,
                            const char *subject, const char *impl, struct side_count *answer)
{
    char out[FOLDER + 64];
    snprintf(out, sizeof out, "--callgrind-out-file=%s/out", folder);
    const char *const argv[] = {"valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
                                "--collect-atstart=no", "--dump-line=no", out, side->program,
                                "regress", "child", "count", "--case", subject, "--impl", impl,
                                "--threads", "1", NULL};
    struct launch_result result;
    char **environment = launch_environment(false, environment_set);
    if (!environment)
        return ERR_MEMORY;
    enum status status = launch_run(argv, environment, COUNT_SECONDS, &result);
    free(environment);
    if (status == OK)
        read_answer(&result, folder, answer);
    launch_free(&result);
    return status == ERR_IO ? fail_prefix(ERR_UNSUPPORTED, "package valgrind is needed") : status;
}

enum status side_count(const struct regress_side *side, const char *subject, const char *impl,
                       struct side_count *answer)
{
    char folder[FOLDER];
    memset(answer, 0, sizeof *answer);
    for (int pass = 0; pass < REGRESS_PASSES; pass++)
        answer->state[pass] = SIDE_ABSENT;
    TRY(make_folder(folder));
    enum status status = count_in(folder, side, subject, impl, answer);
    remove_folder(folder);
    return status;
}
