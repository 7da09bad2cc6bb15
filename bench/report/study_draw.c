/* Rendering the plots of a study with gnuplot: see study_plots.h. */
#include "bench/report/study_plots.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_FOUND = 127 };

static const struct script {
    const char *name;
    bool latency; /* needs latency rows */
} scripts[] = {{"accuracy", false}, {"curves", false}, {"latency", true}};

enum { SCRIPTS = sizeof scripts / sizeof scripts[0] };

/* Runs a program and waits; its exit status, NOT_FOUND when there is none of that name. */
static enum status run(const char *const *argv, int *how)
{
    int wait_status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(NOT_FOUND);
    }
    if (pid < 0)
        return fail(ERR_MEMORY, "gnuplot cannot be started: %s", strerror(errno));
    while (waitpid(pid, &wait_status, 0) < 0)
        if (errno != EINTR)
            return fail(ERR_IO, "gnuplot cannot be waited for: %s", strerror(errno));
    *how = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : NOT_FOUND - 1;
    return OK;
}

static enum status draw(const struct script *script, const char *folder, const char *out,
                        const char *type, int *how)
{
    char path[256], target[1024];
    snprintf(path, sizeof path, "plots/%s.gp", script->name);
    snprintf(target, sizeof target, "%s/%s.%s", out, script->name, type);
    const char *argv[] = {"gnuplot", "-c", path, folder, target, type, NULL};
    TRY(run(argv, how));
    if (*how != 0 && *how != NOT_FOUND)
        return fail(ERR_LIBRARY, "gnuplot failed on %s (exit status %d)", path, *how);
    return OK;
}

/* Makes a folder and those above it. */
static enum status make_folders(const char *path)
{
    char part[1024];
    snprintf(part, sizeof part, "%s", path);
    for (char *at = strchr(part + 1, '/');; at = strchr(at + 1, '/')) {
        if (at)
            *at = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return fail(ERR_IO, "%s: the folder cannot be made: %s", part, strerror(errno));
        if (!at)
            return OK;
        *at = '/';
    }
}

enum status study_plots_draw(const char *folder, const char *out, bool has_latency, bool *drawn,
                             char *note, size_t size)
{
    static const char *const types[] = {"png", "svg"};
    *drawn = false;
    if (access("plots/accuracy.gp", R_OK) != 0) {
        snprintf(note, size, "no plots were drawn: plots/accuracy.gp is not here; run from the top "
                 "of the checkout");
        return OK;
    }
    TRY(make_folders(out));
    for (int i = 0; i < SCRIPTS; i++) {
        for (int j = 0; j < 2; j++) {
            int how = 0;
            if (scripts[i].latency && !has_latency)
                continue;
            TRY(draw(&scripts[i], folder, out, types[j], &how));
            if (how == NOT_FOUND) {
                snprintf(note, size, "no plots were drawn: gnuplot is not installed (Debian: "
                         "gnuplot-nox); their data are in %s", folder);
                return OK;
            }
        }
    }
    *drawn = true;
    return OK;
}
