/* What a run holds open: an implementation, a data set with its split, a network with its weights.
 * Shared by train, eval and predict. Prints nothing: `notes` carries what a user should be told. */
#ifndef BENCH_TRANSFER_SESSION_H
#define BENCH_TRANSFER_SESSION_H

#include "bench/models/model.h"
#include "bench/net/program.h"
#include "bench/net/weights.h"
#include "bench/transfer/metadata.h"
#include "bench/transfer/train.h"
#include "datasets/loader.h"

struct session {
    const struct impl *impl;
    struct impl_ctx *ctx;
    bool has_data;
    struct dataset data;
    struct split split;
    struct model_spec model;
    struct net *net;
    bool compose;              /* primitives only, no fused operations; set before opening a net */
    bool drop_weights;         /* one inference program alone will read the weights: it may give
                                  back what it packs (program.h); set before opening one */
    enum dtype dtype;          /* of maps in evaluation (training is f32); set before evaluating */
    struct algorithms algorithms; /* of convolutions; set before programs are compiled */
    struct net *lowered;       /* as it is trained */
    struct net *inference;     /* as it is evaluated: more can be fused */
    struct normalisation norm; /* used on every image of this session */
    struct weights_report loaded;
    struct weights_metadata metadata; /* of the weights file; zeros without one */
    const char *features;      /* folder where features of the fixed part are kept for other runs
                                  (features.h); NULL: nowhere. Set before source_open() */
    char notes[2048];          /* lines ending in '\n' */
};

/* Each fills its part of a zeroed session; session_close() frees whatever is there. */
enum status session_open_impl(struct session *session, const char *impl, int threads);
enum status session_open_algorithms(struct session *session,
                                    const struct train_settings *settings);
enum status session_open_data(struct session *session, const char *data, uint64_t seed);

/* Notes how many images of one part stand, pixel by pixel, in another one, where there are such:
 * the data bring them along, and what is learned by heart looks like what was understood. After
 * session_open_data(). ERR_MEMORY. */
enum status session_note_shared(struct session *session);

/* Builds the network, and its forms for the implementation (which must be open, else both forms
 * are composed of primitives): classes and input channels as given, input `size` x `size` (0: the
 * model's own size). */
enum status session_open_net(struct session *session, const char *model, const char *attention,
                             int classes, int size);

/* As session_open_net, then the file's values, and fresh ones by scheme and seed where it has none,
 * strictly under `rules`: what the rules let the file lack (a new head, inserted attention) stays
 * fresh. The number of classes comes from the file unless rules->new_head (then `classes`); input
 * size (unless `size` is given), mean and deviation from its metadata, else torchvision's. The
 * notes say so, and what was done to the names, and that a head is new. */
struct weights_request {
    const char *model, *attention, *weights;
    struct weights_rules rules;
    int classes, size;  /* 0: from the file, or the model's own */
    int height;         /* of an input that is not square; 0: size */
    const char *scheme; /* NULL or "": the model's own */
    uint64_t seed;
};
enum status session_open_weights(struct session *session, const struct weights_request *request);

/* Fresh weights by scheme ("" = the model's own) and seed. */
enum status session_init_weights(struct session *session, const char *scheme, uint64_t seed);

void session_close(struct session *session);

/* Closes implementation and network alone; data and split stay open for others. */
void session_close_network(struct session *session);

/* The first class that has another name in the metadata of the weights than in the data, -1 when
 * there is none or one of the two has no names. Both have as many classes. */
int session_class_difference(const struct session *session);

/* Adds a line to the notes. */
void session_note(struct session *session, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Input size for a data set: `size` when > 0, else 32 where the images are 28, else their own. */
int session_input_size(const struct dataset *data, int size);

/* Writes the session's network with the metadata that is needed to use it. */
enum status session_save(const struct session *session, const char *path);

#endif
