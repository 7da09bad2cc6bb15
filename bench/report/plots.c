/* Data files, labels and gnuplot: see plots.h. */
#include "bench/report/plots.h"

#include "bench/net/atomic_file.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_FOUND = 127 };

void plots_put(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, " %.9g", value);
    else
        fputs(" NaN", out);
}

void plots_put_quoted(FILE *out, const char *text)
{
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'')
            fputc('\'', out);
        if ((unsigned char)*text >= ' ')
            fputc(*text, out);
    }
    fputs("'\n", out);
}

void plots_put_array(FILE *out, const char *name, const char *const *texts, int count)
{
    fprintf(out, "%s_count = %d\narray %s[%d]\n", name, count, name, count ? count : 1);
    for (int i = 0; i < count; i++) {
        fprintf(out, "%s[%d] = ", name, i + 1);
        plots_put_quoted(out, texts[i]);
    }
}

enum status plots_save(const char *folder, const char *name, const char *text, size_t size)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return atomic_file_save(path, text, size);
}

enum status plots_make_folders(const char *path)
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

static enum status draw(const char *name, const char *folder, const char *out, const char *type,
                        int *how)
{
    char path[256], target[1024];
    snprintf(path, sizeof path, "plots/%s.gp", name);
    snprintf(target, sizeof target, "%s/%s.%s", out, name, type);
    const char *argv[] = {"gnuplot", "-c", path, folder, target, type, NULL};
    TRY(run(argv, how));
    if (*how != 0 && *how != NOT_FOUND)
        return fail(ERR_LIBRARY, "gnuplot failed on %s (exit status %d)", path, *how);
    return OK;
}

enum status plots_draw(const char *const *names, int count, const char *folder, const char *out,
                       bool *drawn, char *note, size_t size)
{
    static const char *const types[] = {"png", "svg"};
    *drawn = false;
    if (access("plots/style.gp", R_OK) != 0) {
        snprintf(note, size, "no plots were drawn: plots/style.gp is not here; run from the top of "
                 "the checkout");
        return OK;
    }
    TRY(plots_make_folders(out));
    for (int i = 0; i < 2 * count; i++) {
        int how = 0;
        TRY(draw(names[i / 2], folder, out, types[i % 2], &how));
        if (how == NOT_FOUND) {
            snprintf(note, size, "no plots were drawn: gnuplot is not installed (Debian: "
                     "gnuplot-nox); their data are in %s", folder);
            return OK;
        }
    }
    *drawn = true;
    return OK;
}
