/* `--algorithm`: see algorithm_option.h. */
#include "bench/verbs/algorithm_option.h"

#include "bench/measure/decide.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of decisions that is empty as yet. */
static enum status make_file(struct algorithm_option *option)
{
    const char *folder = getenv("TMPDIR");
    if (!folder || strlen(folder) > sizeof option->file - 32)
        folder = "/tmp";
    snprintf(option->file, sizeof option->file, "%s/cbam-bench-XXXXXX", folder);
    int fd = mkstemp(option->file);
    if (fd < 0) {
        option->file[0] = '\0';
        return fail(ERR_IO, "no temporary file in %s: %s", folder, strerror(errno));
    }
    close(fd);
    const struct algorithms none = {.rule = ALGORITHM_AUTO};
    return algorithms_write(&none, option->file);
}

enum status algorithm_option_open(struct algorithm_option *option, const char *text)
{
    *option = (struct algorithm_option){.file = ""};
    if (strlen(text) >= sizeof option->text)
        return fail(ERR_USAGE, "--algorithm: longer than %zu characters",
                    sizeof option->text - 1);
    snprintf(option->text, sizeof option->text, "%s", text);
    if (strcmp(text, "auto") == 0) {
        TRY(make_file(option));
        snprintf(option->text, sizeof option->text, "auto:%s", option->file);
    }
    TRY(algorithms_parse("--algorithm", option->text, &option->algorithms));
    option->algorithms.decide = decide_algorithm;
    return OK;
}

void algorithm_option_close(struct algorithm_option *option)
{
    if (option->file[0])
        unlink(option->file);
    algorithms_free(&option->algorithms);
}
