/* What goes beside every table of timings: see record.h. */
#include "bench/verbs/record.h"

#include "bench/measure/clock.h"

#include <stdio.h>
#include <string.h>

/* Whether a shell takes the word as it is. */
static bool is_plain(const char *word)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-_=+:,./@%";
    return *word && strspn(word, safe) == strlen(word);
}

static void add_word(char *text, size_t size, const char *word)
{
    size_t used = strlen(text);
    const char *quote = is_plain(word) ? "" : "'";
    snprintf(text + used, size - used, " %s%s%s", quote, word, quote);
}

void record_start(struct record *record, const char *verb, int argc, char *const *argv)
{
    double load[3];
    provenance_fill(&record->provenance);
    clock_date(record->date, sizeof record->date);
    snprintf(record->command, sizeof record->command, "cbam-bench %s", verb);
    for (int i = 1; i < argc; i++)
        add_word(record->command, sizeof record->command, argv[i]);
    machine_load(load);
    record->load = load[0];
    machine_ticks_read(&record->start);
}

void record_row(const struct record *record, struct table *table)
{
    table_text(table, "date", record->date);
    table_text(table, "commit", record->provenance.commit);
    table_text(table, "cpu", record->provenance.cpu);
    table_text(table, "libraries", record->provenance.libraries);
}

void record_finish(const struct record *record, struct table *table)
{
    struct machine_ticks now;
    machine_ticks_read(&now);
    double stolen = machine_stolen_percent(&record->start, &now);
    table_meta(table, "provenance", provenance_json(&record->provenance));
    table_meta(table, "date", json_string(record->date));
    table_meta(table, "command", json_string(record->command));
    table_meta(table, "load_1min", json_real(record->load));
    table_meta(table, "stolen_percent", json_real(stolen));
    table_note(table, "%s, %s, commit %s, %s", record->date, record->provenance.cpu,
               record->provenance.commit, record->provenance.libraries);
    if (record->load > 0.5 || stolen > 1)
        table_note(table,
                   "warning: the machine was not quiet: load average %.2f at the start, %.1f %% of "
                   "the time went to other virtual machines", record->load, stolen);
}
