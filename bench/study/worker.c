/* A worker process: see worker.h. */
#include "bench/study/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXEC_FAILED = 127 };

/* In the child. argv is not written by exec, only its type says so. */
static void become(const char *program, const char *const *argv, pid_t parent)
{
    char *const *args = (char *const *)(uintptr_t)argv;
    int nowhere = open("/dev/null", O_WRONLY);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it died before the line above */
        _exit(EXEC_FAILED);
    if (nowhere >= 0)
        dup2(nowhere, STDOUT_FILENO);
    execv(program, args);
    _exit(EXEC_FAILED);
}

enum status worker_start(pid_t *pid, const char *program, const char *const *argv)
{
    pid_t parent = getpid();
    *pid = fork();
    if (*pid == 0)
        become(program, argv, parent);
    if (*pid < 0)
        return fail(ERR_MEMORY, "a worker process cannot be started: %s", strerror(errno));
    return OK;
}

static int how_ended(int wait_status)
{
    return WIFSIGNALED(wait_status) ? WORKER_KILLED + WTERMSIG(wait_status)
                                    : WEXITSTATUS(wait_status);
}

bool worker_ended(pid_t pid, int *how)
{
    int wait_status;
    pid_t got = waitpid(pid, &wait_status, WNOHANG);
    if (got == pid)
        *how = how_ended(wait_status);
    else if (got < 0 && errno == ECHILD)
        *how = EXEC_FAILED;
    return got == pid || (got < 0 && errno == ECHILD);
}

int worker_wait(pid_t pid)
{
    int wait_status;
    while (waitpid(pid, &wait_status, 0) < 0)
        if (errno != EINTR)
            return EXEC_FAILED;
    return how_ended(wait_status);
}

void worker_pause(int ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&time, NULL);
}
