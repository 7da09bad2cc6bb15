/* The program as a user types it: see command.h. */
#include "tests/command.h"

#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static const char run_program[] = "exec \"$CBAM_BENCH\" ";

void command_need(void)
{
    const char *path = getenv("CBAM_BENCH");
    if (path && access(path, X_OK) == 0)
        return;
    print_message("skipped: CBAM_BENCH does not name the program (make test sets it)\n");
    skip();
}

/* `before` and the printed rest into a line of `size` bytes. */
static void print_line(char *line, size_t size, const char *before, const char *format,
                       va_list args)
{
    size_t used = strlen(before);
    strcpy(line, before);
    assert_true((size_t)vsnprintf(line + used, size - used, format, args) < size - used);
}

/* Starts a shell on the line; standard output and error go to the two descriptors. */
static pid_t start_shell(char *line, int out, int err)
{
    char shell[] = "sh", option[] = "-c";
    char *const argv[] = {shell, option, line, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    assert_int_equal(posix_spawn(&pid, "/bin/sh", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static char *read_all(FILE *file)
{
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    assert_true(size >= 0);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, file), size);
    return text;
}

static void run_line(struct command *c)
{
    FILE *out = tmpfile(), *err = tmpfile();
    int status;
    assert_true(out && err);
    pid_t pid = start_shell(c->line, fileno(out), fileno(err));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    c->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    c->out = read_all(out);
    c->err = read_all(err);
    fclose(out);
    fclose(err);
}

void command_free(struct command *c)
{
    free(c->out);
    free(c->err);
    c->out = c->err = NULL;
}

void command_run(struct command *c, const char *arguments, ...)
{
    va_list args;
    va_start(args, arguments);
    print_line(c->line, sizeof c->line, run_program, arguments, args);
    va_end(args);
    run_line(c);
}

void command_shell(struct command *c, const char *line, ...)
{
    va_list args;
    va_start(args, line);
    print_line(c->line, sizeof c->line, "", line, args);
    va_end(args);
    run_line(c);
}

void command_ok(struct command *c, const char *arguments, ...)
{
    va_list args;
    va_start(args, arguments);
    print_line(c->line, sizeof c->line, run_program, arguments, args);
    va_end(args);
    run_line(c);
    if (c->status != 0)
        fail_msg("%s\nended with %d and said: %s", c->line, c->status, c->err);
}

/* Whether what follows the first line is nothing, or argp's pointer to the help. */
static bool one_line(const char *text)
{
    const char *end = strchr(text, '\n');
    return end && (!end[1] || strncmp(end + 1, "Try `cbam-bench", 15) == 0);
}

void command_refused(int status, const char *fragment1, const char *fragment2,
                     const char *arguments, ...)
{
    struct command c;
    va_list args;
    va_start(args, arguments);
    print_line(c.line, sizeof c.line, run_program, arguments, args);
    va_end(args);
    run_line(&c);
    if (c.status != status || c.out[0] || !one_line(c.err) || !strstr(c.err, fragment1) ||
        !strstr(c.err, fragment2))
        fail_msg("%s\nended with %d, printed '%s' and said '%s'; %d and one line with '%s' and "
                 "'%s' were expected", c.line, c.status, c.out, c.err, status, fragment1,
                 fragment2);
    command_free(&c);
}

json_t *command_json(const struct command *c)
{
    json_error_t error;
    json_t *json = json_loads(c->out, 0, &error);
    if (!json)
        fail_msg("%s\nprinted no JSON (%s): %s", c->line, error.text, c->out);
    return json;
}

json_t *command_member(const json_t *object, const char *key)
{
    json_t *member = json_object_get(object, key);
    if (!member)
        fail_msg("the JSON has no member '%s'", key);
    return member;
}

double command_number(const json_t *object, const char *key)
{
    const json_t *member = command_member(object, key);
    if (!json_is_number(member))
        fail_msg("member '%s' of the JSON is no number", key);
    return json_number_value(member);
}

const char *command_text(const json_t *object, const char *key)
{
    const json_t *member = command_member(object, key);
    if (!json_is_string(member))
        fail_msg("member '%s' of the JSON is no text", key);
    return json_string_value(member);
}

json_t *command_take_json(struct command *c, int status)
{
    if (c->status != status)
        fail_msg("%s\nended with %d and said: %s", c->line, c->status, c->err);
    json_t *json = command_json(c);
    command_free(c);
    return json;
}

json_t *command_json_of(const char *arguments, ...)
{
    struct command c;
    va_list args;
    va_start(args, arguments);
    print_line(c.line, sizeof c.line, run_program, arguments, args);
    va_end(args);
    run_line(&c);
    return command_take_json(&c, 0);
}

json_t *command_describe(const char *options)
{
    return command_json_of("describe --format json %s", options);
}

pid_t command_start(const char *arguments, ...)
{
    char line[4096];
    va_list args;
    int nowhere = open("/dev/null", O_WRONLY);
    assert_true(nowhere >= 0);
    va_start(args, arguments);
    print_line(line, sizeof line, run_program, arguments, args);
    va_end(args);
    pid_t pid = start_shell(line, nowhere, nowhere);
    close(nowhere);
    return pid;
}
