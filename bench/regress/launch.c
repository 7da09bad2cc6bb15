/* Running another program: see launch.h. */
#include "bench/regress/launch.h"

#include "bench/measure/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- environment ---- */

static bool same_name(const char *a, const char *b)
{
    size_t length = strcspn(a, "=");
    return strncmp(a, b, length + 1) == 0;
}

/* What a program needs whatever it does. */
static bool is_needed(const char *variable)
{
    static const char *const needed[] = {"PATH=", "HOME=", "TMPDIR=", "LD_LIBRARY_PATH="};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (same_name(needed[i], variable))
            return true;
    return false;
}

static bool is_set(const char *variable, const char *const *set)
{
    for (; *set; set++)
        if (same_name(*set, variable))
            return true;
    return false;
}

char **launch_environment(bool inherit, const char *const *set)
{
    size_t count = 1, used = 0;
    for (char **variable = environ; *variable; variable++)
        count++;
    for (const char *const *variable = set; *variable; variable++)
        count++;
    char **list = calloc(count, sizeof *list);
    if (!list) {
        fail(ERR_MEMORY, "no memory for an environment");
        return NULL;
    }
    for (char **variable = environ; *variable; variable++)
        if ((inherit || is_needed(*variable)) && !is_set(*variable, set))
            list[used++] = *variable;
    for (const char *const *variable = set; *variable; variable++)
        list[used++] = (char *)*variable; /* posix_spawn() reads only */
    return list;
}

/* ---- running ---- */

static enum status start(const char *const *argv, char *const *environment, int out, int err,
                         pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    int error = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    return error ? fail(ERR_IO, "%s cannot be started: %s", argv[0], strerror(error)) : OK;
}

/* Waits until there is something to read or `end` has come. */
static bool wait_until(int fd, int64_t end)
{
    for (;;) {
        int64_t left = (end - clock_now_ns()) / 1000000;
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (left <= 0)
            return false;
        int ready = poll(&poller, 1, left < 1000 ? (int)left : 1000);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return true;
    }
}

/* All that comes until the other end is closed; `late` when it was not closed in time. */
static enum status read_all(int fd, int64_t end, struct launch_result *result)
{
    size_t used = 0, size = 0;
    for (;;) {
        if (size - used < 4096) {
            size = 2 * size + 8192;
            char *grown = realloc(result->out, size);
            if (!grown)
                return fail(ERR_MEMORY, "no memory for what a program prints");
            result->out = grown;
        }
        result->out[used] = '\0';
        result->late = !wait_until(fd, end);
        ssize_t got = result->late ? 0 : read(fd, result->out + used, size - used - 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return OK;
        used += (size_t)got;
    }
}

static int wait_for(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 255;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void last_line(FILE *file, char *text, size_t size)
{
    char line[1024];
    text[0] = '\0';
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0])
            snprintf(text, size, "%.*s", (int)size - 1, line);
    }
}

static enum status run(const char *const *argv, char *const *environment, double seconds,
                       FILE *err, struct launch_result *result)
{
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail(ERR_IO, "no pipe: %s", strerror(errno));
    int64_t end = clock_now_ns() + (int64_t)(seconds * 1e9);
    enum status status = start(argv, environment, ends[1], fileno(err), &pid);
    close(ends[1]);
    if (status == OK) {
        status = read_all(ends[0], end, result);
        if (result->late || status != OK)
            kill(pid, SIGKILL);
        result->code = wait_for(pid);
        last_line(err, result->error, sizeof result->error);
    }
    close(ends[0]);
    return status;
}

enum status launch_run(const char *const *argv, char *const *environment, double seconds,
                       struct launch_result *result)
{
    *result = (struct launch_result){.code = 255};
    FILE *err = tmpfile();
    if (!err)
        return fail(ERR_IO, "no temporary file: %s", strerror(errno));
    fcntl(fileno(err), F_SETFD, FD_CLOEXEC);
    enum status status = run(argv, environment, seconds, err, result);
    fclose(err);
    return status;
}

void launch_free(struct launch_result *result)
{
    free(result->out);
    result->out = NULL;
}

enum status launch_start(const char *const *argv, pid_t *pid)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0)
        return fail(ERR_IO, "/dev/null: %s", strerror(errno));
    enum status status = start(argv, environ, nowhere, nowhere, pid);
    close(nowhere);
    return status;
}

void launch_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    wait_for(pid);
}

enum status launch_self(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length < 0)
        return fail(ERR_IO, "/proc/self/exe: %s", strerror(errno));
    path[length] = '\0';
    return OK;
}
