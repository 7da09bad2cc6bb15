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
#include <sys/socket.h>
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

/* `in` below 0: it reads nothing. */
static enum status start(const char *const *argv, char *const *environment, int in, int out,
                         int err, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    if (in < 0)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    else
        posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
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
    enum status status = start(argv, environment, -1, ends[1], fileno(err), &pid);
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

/* Where a program's stderr goes; NULL, with a message, when there is no place. */
static FILE *open_err(void)
{
    FILE *err = tmpfile();
    if (!err)
        fail(ERR_IO, "no temporary file: %s", strerror(errno));
    else
        fcntl(fileno(err), F_SETFD, FD_CLOEXEC);
    return err;
}

enum status launch_run(const char *const *argv, char *const *environment, double seconds,
                       struct launch_result *result)
{
    *result = (struct launch_result){.code = 255};
    FILE *err = open_err();
    if (!err)
        return ERR_IO;
    enum status status = run(argv, environment, seconds, err, result);
    fclose(err);
    return status;
}

void launch_free(struct launch_result *result)
{
    free(result->out);
    result->out = NULL;
}

/* ---- sessions ---- */

enum status launch_open(const char *const *argv, char *const *environment,
                        struct launch_session *session)
{
    int ends[2];
    *session = (struct launch_session){.socket = -1};
    session->err = open_err();
    if (!session->err)
        return ERR_IO;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(ERR_IO, "no pair of sockets: %s", strerror(errno));
    enum status status =
        start(argv, environment, ends[1], ends[1], fileno(session->err), &session->pid);
    close(ends[1]);
    session->socket = ends[0];
    if (status != OK)
        session->pid = 0;
    return status;
}

static bool send_line(const struct launch_session *session, const char *line)
{
    char text[256];
    int length = snprintf(text, sizeof text, "%s\n", line);
    CHECK(length < (int)sizeof text);
    return send(session->socket, text, (size_t)length, MSG_NOSIGNAL) == length;
}

/* The first whole line of what came, taken out; NULL when there is none. */
static char *take_line(struct launch_session *session)
{
    char *end = memchr(session->line, '\n', session->used);
    if (!end)
        return NULL;
    size_t length = (size_t)(end - session->line);
    char *line = strndup(session->line, length);
    session->used -= length + 1;
    memmove(session->line, end + 1, session->used);
    return line;
}

char *launch_ask(struct launch_session *session, const char *line, double seconds)
{
    const int64_t end = clock_now_ns() + (int64_t)(seconds * 1e9);
    if (line && !send_line(session, line))
        return NULL;
    for (;;) {
        char *answer = take_line(session);
        size_t room = sizeof session->line - session->used;
        if (answer || room == 0 || !wait_until(session->socket, end))
            return answer;
        ssize_t got = recv(session->socket, session->line + session->used, room, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return NULL;
        session->used += (size_t)got;
    }
}

/* Whether it closes its end within a second; what it still says is lost. */
static bool ends(struct launch_session *session)
{
    const int64_t end = clock_now_ns() + 1000000000;
    ssize_t got = 1;
    while (got != 0 && wait_until(session->socket, end)) {
        got = recv(session->socket, session->line, sizeof session->line, 0);
        if (got < 0 && errno != EINTR)
            return true;
    }
    return got == 0;
}

void launch_close(struct launch_session *session, struct launch_result *result)
{
    *result = (struct launch_result){.code = 255};
    if (session->pid > 0) {
        shutdown(session->socket, SHUT_WR);
        result->late = !ends(session);
        if (result->late)
            kill(session->pid, SIGKILL);
        result->code = wait_for(session->pid);
    }
    if (session->socket >= 0)
        close(session->socket);
    if (session->err) {
        last_line(session->err, result->error, sizeof result->error);
        fclose(session->err);
    }
    *session = (struct launch_session){.socket = -1};
}

enum status launch_start(const char *const *argv, pid_t *pid)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0)
        return fail(ERR_IO, "/dev/null: %s", strerror(errno));
    enum status status = start(argv, environ, -1, nowhere, nowhere, pid);
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
