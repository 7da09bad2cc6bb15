/* The settings of a training run by name: one table of fields from which the command line, the
 * study file, the JSON in the store and the command that repeats a run are all made, so that no
 * field can be forgotten in one of them. Runs nothing. */
#ifndef BENCH_TRANSFER_SETTINGS_H
#define BENCH_TRANSFER_SETTINGS_H

#include "bench/transfer/train.h"

#include <jansson.h>
#include <stddef.h>

enum setting_kind {
    SETTING_TEXT,   /* char[size] */
    SETTING_INT,    /* int */
    SETTING_REAL,   /* double, finite */
    SETTING_SWITCH, /* bool, written as the first or the second of `words` */
    SETTING_SEED,   /* uint64_t, below 2^63 */
    SETTING_ARM     /* enum transfer_arm */
};

struct setting_field {
    const char *option; /* long option without "--", key of a study file; the JSON key is the
                           same with '_' for '-' */
    const char *value;  /* what stands for the value in help: "N" */
    const char *help;
    enum setting_kind kind;
    size_t offset, size; /* in struct train_settings; size of the field in bytes */
    double min, max;     /* of SETTING_INT and SETTING_REAL, both included */
    const char *words[2]; /* of SETTING_SWITCH: for true, for false; of an optional text, [0]: what
                             "" may be called */
    bool optional;       /* "", 0: not said, and left out of a command line */
    bool added;          /* optional, and younger than the first stores: left out of JSON too when
                            not said, so that it changes no key of a cell that does without */
};

/* All fields, in the order in which help lists them. */
const struct setting_field *train_settings_fields(int *count);

/* The field of that option, without "--"; NULL when there is none (no message). */
const struct setting_field *train_settings_find(const char *option);

/* Sets one field from the text of an option. ERR_USAGE names option, value and what was expected.
 * What needs more knowledge (does the model exist, is the file there) is checked by the run. */
enum status train_settings_set(struct train_settings *settings, const char *option,
                               const char *value);

/* What an arm is called among others of a study: its name, and what else tells it from an arm of
 * the same name ("finetune, backbone rate x0.1"). */
enum { ARM_LABEL_MAX = 64 };
void train_settings_arm(const struct train_settings *settings, char label[ARM_LABEL_MAX]);

/* The value of a field as train_settings_set() reads it: exact, numbers in the shortest form. */
void train_settings_get(const struct train_settings *settings, const struct setting_field *field,
                        char *text, size_t size);

/* An object with one member for every field; a new reference. NULL when there is no memory. */
json_t *train_settings_json(const struct train_settings *settings);

/* Reads back what train_settings_json() made. Every field must be there, nothing else, each of the
 * right type and within its limits: else ERR_FORMAT naming the member. */
enum status train_settings_from_json(const json_t *json, struct train_settings *settings);

/* The command line that repeats the run, quoted for a shell; `save` is the weights file to write,
 * or NULL. Allocated: free(). NULL when there is no memory. */
char *train_settings_command(const struct train_settings *settings, const char *save);

#endif
