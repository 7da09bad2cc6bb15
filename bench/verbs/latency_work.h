/* The parts of `latency`: settings, networks, programs, their agreement, the probe, tables. Private
 * to bench/verbs/latency*.c. */
#ifndef BENCH_VERBS_LATENCY_WORK_H
#define BENCH_VERBS_LATENCY_WORK_H

#include "bench/measure/peak.h"
#include "bench/measure/sample.h"
#include "bench/models/model.h"
#include "bench/net/optimizer.h"
#include "bench/net/program.h"
#include "bench/verbs/options.h"
#include "bench/verbs/record.h"

/* What is the same for all networks that are timed in turns. */
struct latency_shape {
    int batch, threads;
    int input_h, input_w; /* 0: the network's own size */
    int classes;
    bool train;
    bool drop_weights;    /* give back what is packed: in a process with one program only */
    bool compose;         /* primitive operations only, nothing fused */
    enum dtype dtype;     /* of maps between layers */
    const char *algorithm;         /* as asked for: "direct", "auto:FILE" */
    struct algorithms *algorithms; /* of convolutions; NULL: direct */
    uint64_t seed;        /* of weights, inputs, labels and the order within a round */
};

struct latency_size {
    int h, w; /* 0: the network's own size */
};

/* The command line. */
struct latency_settings {
    const char *model, *attention, *impl, *store, *study, *plots;
    struct option_list models, attentions;
    const struct impl *impls[OPTION_IMPLS];
    int impl_count;
    int batches[OPTION_NUMBERS], batch_count;
    int threads[OPTION_NUMBERS], thread_count;
    struct latency_size sizes[OPTION_NUMBERS];
    int size_count;
    enum dtype dtypes[OPTION_DTYPES]; /* timed in turns, as attentions and implementations are */
    int dtype_count;
    struct latency_shape shape; /* what the lists above do not say */
    struct sample_settings sample;
    bool samples_given, seconds_given, probe;
    bool along;               /* one list at a time, the others at their first entry */
    bool per_layer, per_kind; /* per_layer: kinds as well */
    enum table_format format;
};

/* A model with one attention, described and initialised; shared by implementations. */
struct latency_network {
    const char *attention;    /* as asked for */
    struct model_spec spec;   /* the network points into it */
    struct net *net;
    double load_ms;           /* of building and drawing the weights */
};

/* latency_network_free() in every case. The struct must stay where it is. */
enum status latency_network_make(struct latency_network *network, const char *model,
                                 const char *attention, const struct latency_shape *shape);
void latency_network_free(struct latency_network *network);

/* One network on one implementation: what is timed. */
struct latency_program {
    const struct latency_network *network;
    const struct impl *impl;
    struct net *net;          /* as this implementation runs it: fused, or primitives only */
    struct program *program;
    const struct latency_shape *shape;
    uint64_t step;
    char how[512];            /* distinct kernels, joined by "; " */
    double compile_ms;
};

/* Compiles for inference, or for training when shape->train, and fills inputs and labels.
 * latency_program_free() in every case. */
enum status latency_program_make(struct latency_program *program,
                                 const struct latency_network *network, const struct impl *impl,
                                 struct impl_ctx *ctx, const struct latency_shape *shape);

/* What one sample times: a forward pass; in training forward, backward and an SGD update. The
 * context is a struct latency_program. */
enum status latency_program_run(void *program);

/* The last part of a training step alone: the update, and everything set for the next step. */
enum status latency_program_update(struct latency_program *program);
void latency_program_free(struct latency_program *program);

/* ---- agreement (latency_check.c) ---- */

enum { ANSWER_PARTS = 3 };

/* What one implementation answered: logits of inference, then losses and gradients of training. */
struct latency_answer {
    float *part[ANSWER_PARTS]; /* NULL where there is none; owned */
    size_t count[ANSWER_PARTS];
    double bound[ANSWER_PARTS]; /* how far another answer may be, relative 2-norm */
    bool ok;
    char reason[256];          /* when it is not ok */
};

/* Asks a program made ready for its logits (one of training by an inference program of its own),
 * and, where operations are fused or maps are bf16, compares them with those of the composition of
 * primitives in f32.
 * Faults end up in the answer; ERR_MEMORY is the only status. */
enum status latency_ask(struct latency_program *program, struct impl_ctx *ctx,
                        struct latency_answer *answer);

/* The same for losses and gradients of one training step, without an update. It moves the running
 * statistics, which all implementations share: to be called when all have been asked for logits. */
enum status latency_ask_training(struct latency_program *program, struct impl_ctx *ctx,
                                 struct latency_answer *answer);

/* Clears `ok`, with the reason, wherever an answer is not finite or does not agree with the others:
 * the one that most agree with is right; when no two agree, all are out. names[count] are those of
 * the implementations. */
void latency_compare(struct latency_answer *const *answers, const char *const *names, int count);
void latency_answer_free(struct latency_answer *answer);

/* ---- probe (latency_probe.c) ---- */

/* What only a fresh process can tell. Milliseconds and 2^20 bytes. */
struct latency_probe {
    double load_ms;     /* building, drawing weights, compiling */
    double first_ms;    /* the first call */
    double peak_rss_mb; /* most memory resident until then; negative when unknown */
    double rss_mb;      /* memory resident after the first call, in inference without the weights
                           in their own order where they were packed */
};

/* Measures in this process, which must be a fresh one; writes one line of JSON to stdout. */
enum status latency_probe_here(const char *model, const char *attention, const struct impl *impl,
                               const struct latency_shape *shape);

/* Runs this program anew to do that, and reads what it writes. */
enum status latency_probe_child(const char *model, const char *attention, const struct impl *impl,
                                const struct latency_shape *shape, struct latency_probe *probe);

/* ---- tables (latency_table.c) ---- */

/* One row: a network on an implementation, and what was seen of it. */
struct latency_entry {
    const char *model;
    const struct latency_program *program;
    struct latency_program *running; /* the same, to be run */
    struct latency_probe probe;
    struct sample_series series;
    const struct latency_entry *base; /* the same without attention; NULL: it is itself the base, or
                                         there is none */
};

struct latency_tables {
    struct table *rows;  /* one row an entry */
    struct table *costs; /* one row an entry with a base: the cost of its attention */
    struct table *layers, *kinds; /* where the time goes */
    json_t *peaks;                /* the machine's peaks, one for each number of threads */
};

void latency_tables_new(struct latency_tables *tables, const struct latency_settings *settings);
void latency_tables_free(struct latency_tables *tables);

/* Adds an entry that was timed. `people`: the tables will be read by people, who want to see why a
 * percentile is missing. */
enum status latency_tables_add(struct latency_tables *tables, const struct latency_entry *entry,
                               const struct record *record, bool people);

/* ---- layers (latency_layers.c) ---- */

/* Part of latency_tables_new(). */
void latency_layers_new(struct latency_tables *tables, const struct latency_settings *settings);

/* Says what the machine can do with this number of threads. */
void latency_layers_peak(struct latency_tables *tables, const struct peak *peak);

/* Times every layer of an entry inside the network, in rounds of their own, and adds the rows. */
enum status latency_layers_add(struct latency_tables *tables, const struct latency_entry *entry,
                               const struct peak *peak, const struct sample_settings *settings);
void latency_layers_notes(struct latency_tables *tables);

/* ---- all of it (latency_group.c) ---- */

/* What the whole verb works on. */
struct latency_work {
    const struct latency_settings *settings;
    struct latency_tables tables;
    struct record record;
    struct impl_ctx *ctx[OPTION_IMPLS]; /* open for the threads of the moment */
    struct peak peak;                   /* with these threads; only where layers are asked for */
    json_t *left_out;                   /* what is not in the tables, and why */
};

/* Prepares, checks and times a model in one shape, with every attention on every implementation,
 * and adds the rows. What cannot be timed is left out, with the reason. */
enum status latency_group_run(struct latency_work *work, const char *model,
                              const struct latency_shape *shape);

#endif
