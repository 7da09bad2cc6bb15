/* Crash containment by signal and long jump: see trap.h. Knows nothing of what it runs. */
#include "tests/trap.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const int caught[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
enum { CAUGHT = sizeof caught / sizeof caught[0] };

/* A signal handler has no argument of its own: these are its only way to the caller. */
static _Thread_local sigjmp_buf *escape;
static const char *running;

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return;
}

static void on_signal(int number)
{
    if (escape)
        siglongjmp(*escape, number);
    say("a worker thread crashed in: ");
    say(running ? running : "?");
    say("\n");
    signal(number, SIG_DFL);
    raise(number);
}

int trap_run(void (*work)(void *arg), void *arg, const char *about)
{
    struct sigaction action, old[CAUGHT];
    sigjmp_buf here;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &action, &old[i]);
    running = about;
    int number = sigsetjmp(here, 1);
    if (number == 0) {
        escape = &here;
        work(arg);
    }
    escape = NULL;
    running = NULL;
    for (int i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &old[i], NULL);
    return number;
}
