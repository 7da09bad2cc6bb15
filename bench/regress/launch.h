/* Running another program: its environment, what it prints, how it ended, within a time limit.
 * Knows nothing of what it is. */
#ifndef BENCH_REGRESS_LAUNCH_H
#define BENCH_REGRESS_LAUNCH_H

#include "impls/base/status.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct launch_result {
    int code;        /* exit status; 128 + number when a signal ended it */
    bool late;       /* it was ended because its time was over */
    char *out;       /* all of its stdout; owned */
    char error[256]; /* last line of its stderr; "" when there was none */
};

/* This process's environment (or an empty one, but for what a program needs to be found and to
 * find its libraries) with "NAME=value" texts over it; NULL-terminated lists. The texts are
 * borrowed, the list is to be freed with free(). NULL, with a message, when there is no memory. */
char **launch_environment(bool inherit, const char *const *set);

/* Runs argv[0], found as a shell finds it, to its end, and takes what it prints. After `seconds` it
 * is killed. ERR_IO when it cannot be started; how it ended is in the result. `result` is to be
 * freed by launch_free() in every case. May be called from several threads at once. */
enum status launch_run(const char *const *argv, char *const *environment, double seconds,
                       struct launch_result *result);
void launch_free(struct launch_result *result);

/* A program that answers line by line. Its fields are private; a zeroed one is closed. */
struct launch_session {
    pid_t pid;
    int socket;       /* its stdin and stdout */
    FILE *err;        /* its stderr */
    char line[8192]; /* what came and was not given out yet */
    size_t used;
};

/* Starts it. ERR_IO. launch_close() in every case. */
enum status launch_open(const char *const *argv, char *const *environment,
                        struct launch_session *session);

/* Sends a line (NULL: none) and waits for one: allocated, without its end; free() it. NULL when
 * none came within `seconds`, or the program has ended. */
char *launch_ask(struct launch_session *session, const char *line, double seconds);

/* Ends it: by closing its stdin, and after a second by force (`late`). How it ended, and the last
 * line of its stderr, are in the result, whose `out` is NULL. */
void launch_close(struct launch_session *session, struct launch_result *result);

/* Starts a program that goes on by itself, without input and output. launch_stop() ends it. */
enum status launch_start(const char *const *argv, pid_t *pid);
void launch_stop(pid_t pid);

/* The file of this very program. ERR_IO where /proc is missing. */
enum status launch_self(char *path, size_t size);

#endif
