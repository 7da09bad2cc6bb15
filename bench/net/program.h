/* A compiled network: planned steps with addresses, for one implementation and one batch size.
 * Compiling does all planning and all allocation; running allocates nothing. */
#ifndef BENCH_NET_PROGRAM_H
#define BENCH_NET_PROGRAM_H

#include "bench/net/algorithms.h"
#include "bench/net/net.h"

struct program;

struct program_request {
    const struct impl *impl;
    struct impl_ctx *ctx;
    const struct net *net;      /* lowered; must outlive the program */
    int batch;
    bool train;                 /* backward is wanted; trainable BN uses batch statistics */
    const int *inputs;          /* node ids whose values the caller fills; NULL: net->input */
    int input_count;
    const int *outputs;         /* node ids kept readable after forward; NULL: net->output */
    int output_count;
    bool input_gradients;       /* backward goes down to the inputs as well */
    bool drop_weights;          /* inference: this program alone reads the parameters. Its first
                                   forward pass gives back what plans have packed, layer by layer
                                   (params_drop); no other program may be compiled from them */
    bool loss;                  /* append softmax cross-entropy on the first output */
    float smoothing;            /* label smoothing of that loss */
    enum dtype dtype;           /* of the maps between steps, in inference. With DTYPE_BF16 inputs,
                                   outputs and what a gate is made from still are f32 */
    struct algorithms *algorithms; /* of convolutions; NULL: direct. May decide and grow */
};

/* Compiles: only nodes that the outputs need. In training, batch normalisation uses batch
 * statistics exactly where its weight is trainable; whatever has no trainable parameter below it
 * runs as in inference and gets no backward pass. ERR_USAGE when training has nothing to train.
 * ERR_UNSUPPORTED, with what is missing, where bf16 is asked for and not offered: in training, with
 * Winograd's algorithm, by this implementation, on this machine.
 * The caller frees the program before net, ctx and parameters. */
enum status program_compile(struct program **program, const struct program_request *request);
void program_free(struct program *program);

/* Views into the program's memory: input i, output i, valid until it is freed. */
struct tensor program_input(const struct program *program, int i);
struct tensor program_output(const struct program *program, int i);

/* Class indices of the batch: `batch` numbers to be filled before a forward pass with loss. */
int32_t *program_labels(struct program *program);

/* Loss of each sample of the last forward pass: `batch` numbers. */
const float *program_losses(const struct program *program);

/* Where dropout's random numbers stand: seed of the run, number of the step. */
void program_set_step(struct program *program, uint64_t seed, uint64_t step);

enum status program_forward(struct program *program);

/* Gradient of the mean loss of the batch, into grad of every trainable parameter (overwritten).
 * After program_forward() of a training program with loss. */
enum status program_backward(struct program *program);

/* As program_backward, for a program without loss: the caller first fills
 * program_output_gradient() (same shape as output 0). */
struct tensor program_output_gradient(const struct program *program);

/* Gradient of input i after a backward pass; data NULL unless request->input_gradients. */
struct tensor program_input_gradient(const struct program *program, int i);

/* One step, for listings and per-layer timing. */
struct program_step_info {
    const char *name, *how;
    enum op_kind kind;
    const struct op_desc *desc;
    enum param_part part;
    bool has_backward;
};
int program_steps(const struct program *program);
struct program_step_info program_step(const struct program *program, int i);

/* The distinct kernels of all steps, joined by "; ", as many as fit. */
void program_kernels(const struct program *program, char *text, size_t size);

/* Runs one step alone (after a whole forward pass has filled its sources). */
enum status program_run_step(struct program *program, int i, bool backward);

/* Bytes of parameters that were given back: request->drop_weights. */
size_t program_dropped_bytes(const struct program *program);

/* Bytes: activations and gradients, saved areas, scratch. */
size_t program_bytes(const struct program *program);

/* Name of the first node whose value holds a NaN or an infinity, or NULL. Only values that are
 * still in memory after the pass can be looked at. */
const char *program_first_nonfinite(const struct program *program);

#endif
