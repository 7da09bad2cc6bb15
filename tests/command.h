/* The program as a user types it: $CBAM_BENCH with arguments, its exit status and all it printed.
 * Fails the running cmocka test when the program cannot be started. */
#ifndef TESTS_COMMAND_H
#define TESTS_COMMAND_H

#include <jansson.h>
#include <sys/types.h>

struct command {
    int status;       /* exit status; 128 + number when a signal ended it */
    char *out, *err;  /* all of stdout and stderr */
    char line[4096];  /* as it was typed, for messages */
};

/* Skips the running test, saying why, when $CBAM_BENCH does not name the program. */
void command_need(void);

/* Runs `"$CBAM_BENCH" ARGUMENTS` in a shell, from the current folder; command_free() frees the
 * texts. */
void command_run(struct command *c, const char *arguments, ...)
    __attribute__((format(printf, 2, 3)));
void command_free(struct command *c);

/* The same for a whole line of shell, in which the program is "$CBAM_BENCH". */
void command_shell(struct command *c, const char *line, ...)
    __attribute__((format(printf, 2, 3)));

/* As command_run(); fails unless it exits with 0. */
void command_ok(struct command *c, const char *arguments, ...)
    __attribute__((format(printf, 2, 3)));

/* As command_run(); fails unless it exits with `status`, prints nothing on stdout, and says on
 * stderr one line with both fragments. A second line may only point to --help. */
void command_refused(int status, const char *fragment1, const char *fragment2,
                     const char *arguments, ...) __attribute__((format(printf, 4, 5)));

/* stdout as JSON, which must be valid; json_decref() it. */
json_t *command_json(const struct command *c);

/* A member of an object, which must be there. */
json_t *command_member(const json_t *object, const char *key);
double command_number(const json_t *object, const char *key);
const char *command_text(const json_t *object, const char *key);

/* Of a command that has run: fails unless it exited with `status`; stdout as JSON, as
 * command_json(); frees the texts. */
json_t *command_take_json(struct command *c, int status);

/* Runs `"$CBAM_BENCH" ARGUMENTS`, which has to succeed; stdout as JSON, as command_json(). */
json_t *command_json_of(const char *arguments, ...) __attribute__((format(printf, 1, 2)));

/* The same of `describe OPTIONS`. */
json_t *command_describe(const char *options);

/* Starts `"$CBAM_BENCH" ARGUMENTS` and returns its process id at once; what it prints is lost. */
pid_t command_start(const char *arguments, ...) __attribute__((format(printf, 1, 2)));

#endif
