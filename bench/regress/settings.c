/* What a user asks of the regression check: see settings.h. */
#include "bench/regress/settings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void settings_allow(struct regress_settings *settings, struct regress_row *row)
{
    for (int i = 0; i < settings->allow_count; i++) {
        struct regress_allowance *allow = &settings->allow[i];
        if (!regress_match(allow->pattern, row->name))
            continue;
        allow->used = true;
        if (!(row->allowed >= allow->share)) /* NaN: none so far */
            row->allowed = allow->share;
    }
    for (int i = 0; i < settings->allow_results_count; i++) {
        struct regress_allowance *allow = &settings->allow_results[i];
        if (!regress_match(allow->pattern, row->name))
            continue;
        allow->used = true;
        row->results_allowed = true;
    }
}

static const char *first_unused(const struct regress_allowance *list, int count)
{
    for (int i = 0; i < count; i++)
        if (!list[i].used)
            return list[i].pattern;
    return NULL;
}

const char *settings_unused_allowance(const struct regress_settings *settings)
{
    const char *unused = first_unused(settings->allow, settings->allow_count);
    return unused ? unused
                  : first_unused(settings->allow_results, settings->allow_results_count);
}

void settings_talk(const struct regress_settings *settings, const char *format, ...)
{
    va_list args;
    if (!settings->talk || !isatty(STDERR_FILENO))
        return;
    va_start(args, format);
    fputs("\r\033[K", stderr);
    vfprintf(stderr, format, args);
    fflush(stderr);
    va_end(args);
}
