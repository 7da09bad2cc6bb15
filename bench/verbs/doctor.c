/* `cbam-bench doctor`: puts the report together and writes it. Knows nothing of what is in it. */

#include "bench/report/table.h"
#include "bench/verbs/doctor_report.h"
#include "bench/verbs/options.h"
#include "bench/verbs/verbs.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VERB "doctor"

void doctor_section(struct doctor *doctor, const char *name)
{
    doctor->section = json_object_get(doctor->sections, name);
    if (doctor->section)
        return;
    json_object_set_new(doctor->sections, name, json_object());
    doctor->section = json_object_get(doctor->sections, name);
}

void doctor_text(struct doctor *doctor, const char *name, const char *text)
{
    json_object_set_new(doctor->section, name, text && *text ? json_string(text) : json_null());
}

void doctor_printf(struct doctor *doctor, const char *name, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    doctor_text(doctor, name, text);
}

void doctor_number(struct doctor *doctor, const char *name, double number)
{
    json_t *value = number == rint(number) && fabs(number) < 1e15
                        ? json_integer((json_int_t)number)
                        : json_real(number); /* NULL when not finite */
    json_object_set_new(doctor->section, name, value ? value : json_null());
}

void doctor_bool(struct doctor *doctor, const char *name, bool value)
{
    json_object_set_new(doctor->section, name, json_boolean(value));
}

void doctor_warn(struct doctor *doctor, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(doctor->warnings, json_string(text));
}

static void print_value(const json_t *value)
{
    if (json_is_string(value))
        puts(json_string_value(value));
    else if (json_is_integer(value))
        printf("%lld\n", (long long)json_integer_value(value));
    else if (json_is_real(value))
        printf("%.3g\n", json_real_value(value));
    else if (json_is_boolean(value))
        puts(json_is_true(value) ? "yes" : "no");
    else
        puts("-");
}

static int longest_name(json_t *section)
{
    int longest = 0;
    const char *name;
    json_t *value;
    json_object_foreach(section, name, value)
        if ((int)strlen(name) > longest)
            longest = (int)strlen(name);
    return longest;
}

static void print_text(const struct doctor *doctor)
{
    const char *title, *name;
    json_t *section, *value;
    size_t i;
    json_object_foreach(doctor->sections, title, section) {
        int width = longest_name(section);
        printf("%s\n", title);
        json_object_foreach(section, name, value) {
            printf("  %-*s  ", width, name);
            print_value(value);
        }
        putchar('\n');
    }
    puts(json_array_size(doctor->warnings) ? "warnings" : "no warnings");
    json_array_foreach(doctor->warnings, i, value)
        printf("  %zu. %s\n", i + 1, json_string_value(value));
}

static enum status print_json(const struct doctor *doctor)
{
    if (json_object_set(doctor->sections, "warnings", doctor->warnings) != 0 ||
        json_dumpf(doctor->sections, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17)) != 0)
        return fail(ERR_IO, "the report cannot be written");
    putchar('\n');
    return OK;
}

static enum status examine(enum table_format format)
{
    struct doctor doctor = {.sections = json_object(), .warnings = json_array()};
    if (!doctor.sections || !doctor.warnings)
        return fail(ERR_MEMORY, "no memory for the report");
    machine_read(&doctor.machine);
    doctor_build(&doctor);
    doctor_machine(&doctor);
    doctor_threads(&doctor);
    doctor_libraries(&doctor);
    doctor_quiet(&doctor);
    doctor_environment(&doctor);
    doctor_files(&doctor);
    enum status status = OK;
    if (format == TABLE_JSON)
        status = print_json(&doctor);
    else
        print_text(&doctor);
    if (status == OK && (fflush(stdout) != 0 || ferror(stdout)))
        status = fail(ERR_IO, "the report cannot be written");
    json_decref(doctor.sections);
    json_decref(doctor.warnings);
    return status;
}

static error_t parse(int key, char *value, struct argp_state *state)
{
    enum table_format *format = state->input;
    if (key != 'f')
        return option_unknown(key, value);
    enum status status = table_format_parse(value, format);
    if (status == OK && *format != TABLE_TEXT && *format != TABLE_JSON)
        status = fail(ERR_USAGE, "--format %s: text or json was expected", value);
    return option_error(status);
}

int verb_doctor(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"format", 'f', "FORMAT", 0, "text (default) or json", 0}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse,
        .doc = "Tell what this machine gives each implementation, and what is wrong with the "
               "set-up.\vThe exit status is 0 whatever is found; faults are listed as warnings."};
    enum table_format format = TABLE_TEXT;
    enum status status = option_parse(&argp, VERB, argc, argv, &format);
    if (status == OK)
        status = examine(format);
    return verb_fail(VERB, status);
}
