/* Google Benchmark's JSON of one side of a pair: every round is a repetition. Its compare.py takes
 * two such files. See write.h. */
#include "bench/regress/write.h"

#include "bench/measure/clock.h"
#include "bench/measure/machine.h"
#include "bench/measure/percentile.h"
#include "bench/study/stats.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static void add_cache(json_t *list, const char *type, int level, int kb)
{
    if (kb > 0)
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:i}", "type", type, "level", level,
                                              "size", kb * 1024, "num_sharing", 1));
}

static json_t *caches(const struct machine *machine)
{
    json_t *list = json_array();
    add_cache(list, "Data", 1, machine->l1d_kb);
    add_cache(list, "Unified", 2, machine->l2_kb);
    add_cache(list, "Unified", 3, machine->l3_kb);
    return list;
}

static json_t *context(const struct regress_outcome *outcome, bool head)
{
    struct machine machine;
    char date[32], host[256] = "";
    double load[3];
    const json_t *key = head ? outcome->head_key : outcome->base_key;
    const char *commit = json_string_value(json_object_get(key, "commit"));
    machine_read(&machine);
    machine_load(load);
    clock_date(date, sizeof date);
    gethostname(host, sizeof host - 1);
    return json_pack("{s:s, s:s, s:s, s:i, s:i, s:b, s:o, s:[f], s:s, s:i, s:s}", "date", date,
                     "host_name", host, "executable", "cbam-bench", "num_cpus",
                     machine.processors, "mhz_per_cpu", 0, "cpu_scaling_enabled",
                     machine.governor[0] != '\0', "caches", caches(&machine), "load_avg",
                     fmax(load[0], 0), "library_build_type", "release", "json_schema_version", 1,
                     "commit", commit ? commit : "");
}

static json_t *entry(const struct regress_outcome *outcome, const struct regress_row *row,
                     int family)
{
    return json_pack("{s:i, s:i, s:s, s:i, s:i, s:s}", "family_index", family,
                     "per_family_instance_index", 0, "run_name", row->name, "repetitions",
                     row->rounds, "threads", outcome->threads, "time_unit", "ns");
}

static json_t *repetition(const struct regress_outcome *outcome, const struct regress_row *row,
                          int family, int round, bool head)
{
    const struct regress_sample *s = &(head ? row->head_rounds : row->base_rounds)[round];
    json_t *json = entry(outcome, row, family);
    json_object_set_new(json, "name", json_string(row->name));
    json_object_set_new(json, "run_type", json_string("iteration"));
    json_object_set_new(json, "repetition_index", json_integer(round));
    json_object_set_new(json, "iterations", json_integer(s->repeats));
    json_object_set_new(json, "real_time", json_real(s->ms * 1e6));
    json_object_set_new(json, "cpu_time", json_real(isfinite(s->cpu_ms) ? s->cpu_ms * 1e6 : 0));
    return json;
}

static void aggregate(json_t *list, const struct regress_outcome *outcome,
                      const struct regress_row *row, int family, const char *name, double real_ms,
                      double cpu_ms)
{
    json_t *json = entry(outcome, row, family);
    json_object_set_new(json, "name", json_sprintf("%s_%s", row->name, name));
    json_object_set_new(json, "run_type", json_string("aggregate"));
    json_object_set_new(json, "aggregate_name", json_string(name));
    json_object_set_new(json, "aggregate_unit", json_string("time"));
    json_object_set_new(json, "iterations", json_integer(row->rounds));
    json_object_set_new(json, "real_time", json_real(isfinite(real_ms) ? real_ms * 1e6 : 0));
    json_object_set_new(json, "cpu_time", json_real(isfinite(cpu_ms) ? cpu_ms * 1e6 : 0));
    json_array_append_new(list, json);
}

static void aggregates(json_t *list, const struct regress_outcome *outcome,
                       const struct regress_row *row, int family, bool head)
{
    const struct regress_sample *samples = head ? row->head_rounds : row->base_rounds;
    size_t count = (size_t)row->rounds;
    double *ms = calloc(count, sizeof *ms), *cpu = calloc(count, sizeof *cpu);
    for (size_t i = 0; ms && cpu && i < count; i++) {
        ms[i] = samples[i].ms;
        cpu[i] = samples[i].cpu_ms;
    }
    if (ms && cpu) {
        struct stats_summary real = stats_summarise(ms, row->rounds);
        struct stats_summary process = stats_summarise(cpu, row->rounds);
        aggregate(list, outcome, row, family, "mean", real.mean, process.mean);
        aggregate(list, outcome, row, family, "median", percentile_median_of(ms, row->rounds),
                  percentile_median_of(cpu, row->rounds));
        aggregate(list, outcome, row, family, "stddev", real.sd, process.sd);
    }
    free(ms);
    free(cpu);
}

char *write_gbench(const struct regress_outcome *outcome, bool head)
{
    json_t *list = json_array();
    int family = 0;
    for (int i = 0; i < outcome->count; i++) {
        const struct regress_row *row = outcome->rows[i];
        if (row->rounds < 1)
            continue;
        for (int round = 0; round < row->rounds; round++)
            json_array_append_new(list, repetition(outcome, row, family, round, head));
        aggregates(list, outcome, row, family++, head);
    }
    json_t *json = json_pack("{s:o, s:o}", "context", context(outcome, head), "benchmarks", list);
    char *text = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    json_decref(json);
    return text;
}
