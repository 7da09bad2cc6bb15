/* What continuous integration reads: JUnit XML, github-action-benchmark, Bencher. See write.h. */
#include "bench/regress/write.h"

#include "bench/measure/percentile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- JUnit ---- */

static void put_xml(FILE *out, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '&':
            fputs("&amp;", out);
            break;
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
        }
    }
}

static void put_attribute(FILE *out, const char *name, const char *text)
{
    fprintf(out, " %s=\"", name);
    put_xml(out, text);
    fputc('"', out);
}

static bool is_bad(const struct regress_row *row)
{
    return row->state == REGRESS_REGRESSED || row->state == REGRESS_FAILED;
}

/* One line: "+12.3 % (bound 5 %), base 1.2 ms, head 1.4 ms; reason". */
static void message(const struct regress_row *row, char *text, size_t size)
{
    char numbers[160] = "";
    if (isfinite(row->ratio))
        snprintf(numbers, sizeof numbers, "%+.2f %% (bound %.1f %%), base %.6g, head %.6g %s%s",
                 100 * (row->ratio - 1), 100 * row->bound, row->base, row->head, row->unit,
                 row->reason[0] ? "; " : "");
    snprintf(text, size, "%s%s", numbers, row->reason);
}

static void put_case(FILE *out, const struct regress_outcome *outcome,
                     const struct regress_row *row)
{
    char class[64], text[512];
    snprintf(class, sizeof class, "%s.%s", outcome->gate, row->impl);
    message(row, text, sizeof text);
    fputs("  <testcase", out);
    put_attribute(out, "classname", class);
    put_attribute(out, "name", row->name);
    if (strcmp(row->unit, "ms") == 0 && isfinite(row->head))
        fprintf(out, " time=\"%.9f\"", row->head * 1e-3);
    fputs(">", out);
    if (is_bad(row)) {
        fputs("<failure", out);
        put_attribute(out, "type", regress_state_name(row->state));
        put_attribute(out, "message", text);
        fputs("/>", out);
    } else if (row->state != REGRESS_OK && row->state != REGRESS_IMPROVED) {
        char full[600];
        snprintf(full, sizeof full, "%s: %s", regress_state_name(row->state), text);
        fputs("<skipped", out);
        put_attribute(out, "message", full);
        fputs("/>", out);
    } else if (text[0]) {
        fputs("<system-out>", out);
        put_xml(out, text);
        fputs("</system-out>", out);
    }
    fputs("</testcase>\n", out);
}

/* The verdict itself is a case too: it may fail by the mean of all, and without any row. */
static void put_verdict(FILE *out, const struct regress_outcome *outcome)
{
    fprintf(out, "  <testcase classname=\"%s\" name=\"verdict\">", outcome->gate);
    if (outcome->verdict != VERDICT_OK) {
        fputs(outcome->verdict == VERDICT_INCONCLUSIVE ? "<skipped" : "<failure", out);
        if (outcome->verdict != VERDICT_INCONCLUSIVE)
            put_attribute(out, "type", regress_verdict_name(outcome->verdict));
        put_attribute(out, "message", outcome->reason);
        fputs("/>", out);
    }
    fputs("</testcase>\n", out);
}

char *write_junit(const struct regress_outcome *outcome)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    int bad = outcome_count(outcome, REGRESS_REGRESSED) + outcome_count(outcome, REGRESS_FAILED);
    int well = outcome_count(outcome, REGRESS_OK) + outcome_count(outcome, REGRESS_IMPROVED);
    bool verdict_bad = outcome->verdict != VERDICT_OK && outcome->verdict != VERDICT_INCONCLUSIVE;
    bool verdict_skipped = outcome->verdict == VERDICT_INCONCLUSIVE;
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
    fprintf(out, "<testsuites>\n <testsuite name=\"cbam-bench regress %s\" tests=\"%d\" "
            "failures=\"%d\" errors=\"0\" skipped=\"%d\">\n", outcome->gate, outcome->count + 1,
            bad + verdict_bad, outcome->count - bad - well + verdict_skipped);
    put_verdict(out, outcome);
    for (int i = 0; i < outcome->count; i++)
        put_case(out, outcome, outcome->rows[i]);
    fputs(" </testsuite>\n</testsuites>\n", out);
    return fclose(out) == 0 ? text : NULL;
}

/* ---- JSON ---- */

static bool is_time(const struct regress_row *row)
{
    return strcmp(row->unit, "ms") == 0;
}

/* Head's value in the unit that machines get: nanoseconds, or as it is. */
static double value_of(const struct regress_row *row, double value)
{
    return is_time(row) ? value * 1e6 : value;
}

static const char *unit_of(const struct regress_row *row)
{
    return is_time(row) ? "ns" : row->unit;
}

static char *dump(json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return text;
}

/* 95 % interval of the median of head's rounds; false when there are too few. */
static bool head_interval(const struct regress_row *row, double *low, double *high)
{
    bool known = false;
    double *ms = malloc(((size_t)row->rounds + 1) * sizeof *ms);
    for (int i = 0; ms && i < row->rounds; i++)
        ms[i] = row->head_rounds[i].ms;
    if (ms && row->rounds > 0) {
        percentile_sort(ms, row->rounds);
        known = percentile_interval(ms, row->rounds, 0.5, 0.95, low, high);
    }
    free(ms);
    return known;
}

char *write_github(const struct regress_outcome *outcome)
{
    json_t *list = json_array();
    for (int i = 0; i < outcome->count; i++) {
        const struct regress_row *row = outcome->rows[i];
        double low, high;
        char extra[512];
        if (!isfinite(row->head))
            continue;
        json_t *entry = json_pack("{s:s, s:s, s:f}", "name", row->name, "unit", unit_of(row),
                                  "value", value_of(row, row->head));
        if (head_interval(row, &low, &high))
            json_object_set_new(entry, "range",
                                json_sprintf("%.0f .. %.0f", low * 1e6, high * 1e6));
        message(row, extra, sizeof extra);
        json_object_set_new(entry, "extra",
                            json_sprintf("%s%s%s", regress_state_name(row->state),
                                         extra[0] ? ": " : "", extra));
        json_array_append_new(list, entry);
    }
    return dump(list);
}

static json_t *bencher_metric(const struct regress_row *row)
{
    double low, high;
    json_t *metric = json_pack("{s:f}", "value", value_of(row, row->head));
    if (head_interval(row, &low, &high)) {
        json_object_set_new(metric, "lower_value", json_real(low * 1e6));
        json_object_set_new(metric, "upper_value", json_real(high * 1e6));
    }
    json_t *metrics = json_pack("{s:o}", is_time(row) ? "latency" : row->unit, metric);
    if (isfinite(row->accuracy))
        json_object_set_new(metrics, "accuracy", json_pack("{s:f}", "value", row->accuracy));
    return metrics;
}

char *write_bencher(const struct regress_outcome *outcome)
{
    json_t *object = json_object();
    for (int i = 0; i < outcome->count; i++)
        if (isfinite(outcome->rows[i]->head))
            json_object_set_new(object, outcome->rows[i]->name,
                                bencher_metric(outcome->rows[i]));
    return dump(object);
}
