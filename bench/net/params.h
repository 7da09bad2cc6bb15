/* The parameters and buffers of one network, under PyTorch's state_dict names and in its order.
 * Shared by every program compiled from the network; knows nothing of layers or files. */
#ifndef BENCH_NET_PARAMS_H
#define BENCH_NET_PARAMS_H

#include "impls/layer.h"

enum { PARAM_NAME = 96 };

/* Which part of a network a parameter belongs to: transfer learning decides by part. */
enum param_part { PART_BACKBONE, PART_ATTENTION, PART_HEAD };

/* How a fresh value is drawn (PyTorch's torch.nn.init names; fans as it computes them). */
enum init_rule {
    INIT_ZERO,
    INIT_ONE,
    INIT_KAIMING_NORMAL_FAN_OUT, /* N(0, 2/fan_out) */
    INIT_KAIMING_NORMAL_FAN_IN,  /* N(0, 2/fan_in) */
    INIT_KAIMING_NORMAL_LINEAR,  /* N(0, 1/fan_in): gain 1 */
    INIT_UNIFORM_FAN_IN,         /* U(-1/sqrt(fan_in), +): PyTorch's default of conv and linear */
    INIT_XAVIER_UNIFORM,         /* U(+-sqrt(6/(fan_in+fan_out))) */
    INIT_NORMAL_001              /* N(0, 0.01^2): torchvision's VGG linear layers */
};

struct net_param {
    struct param p;          /* what implementations see; p.name points to `name` */
    char name[PARAM_NAME];
    int ndim, dim[4];
    bool buffer;             /* running statistics: saved, but never trained by gradients */
    bool trainable;          /* decided by the transfer arm; always false for buffers */
    enum param_part part;
    enum op_kind kind;       /* of the operation that owns it */
    int slot;                /* its place among that operation's parameters (layer.h) */
    int fan_in, fan_out;     /* of the weight; a bias carries its weight's fan_in */
    enum init_rule rule;
    bool dropped;            /* its value was given back to the system (params_drop) */
    float *velocity;         /* momentum of SGD; NULL until the optimiser attaches it */
    int stage;               /* 0 stem, 1.. stages, for top:K and rates by depth */
};

struct params {
    struct net_param **list; /* stable addresses; owned */
    int count, capacity;
};

struct params *params_new(void); /* NULL: out of memory */
void params_free(struct params *params);

/* Adds one parameter, all zeros; the name must be new (CHECK). NULL: out of memory. `like` gives
 * every descriptive field; its data fields are ignored. */
struct net_param *params_add(struct params *params, const struct net_param *like);

/* Parameter of that name, or NULL. */
struct net_param *params_find(const struct params *params, const char *name);

/* Sums of elements: parameters proper (no buffers), and the trainable ones. */
double params_count(const struct params *params);
double params_count_trainable(const struct params *params);

/* Gives every trainable parameter a gradient and a velocity buffer (zeros) and takes them from the
 * others. ERR_MEMORY. */
enum status params_prepare_training(struct params *params);

/* Momentum of every trainable parameter to zero. */
void params_clear_velocity(struct params *params);

/* FNV-1a hash over the names and bytes of all values: equal hashes, equal networks. */
uint64_t params_hash(const struct params *params);

/* Gives the memory of a value back when whoever needs it has a copy of its own: from then on it
 * must not be read, so neither saved nor hashed nor compiled again (CHECK). Its address stays. */
void params_drop(struct net_param *param);

/* Draws every value anew. An element depends on (seed, parameter's name, index) alone, so adding
 * attention moves nothing else. */
void params_init(struct params *params, uint64_t seed);

/* The same for one of them. */
void params_init_one(struct net_param *param, uint64_t seed);

/* Sets the rule of each backbone and head parameter by the name of a scheme:
 *   torchvision  conv N(0,2/fan_out), linear and biases U(+-1/sqrt(fan_in)), BN 1 and 0
 *   pytorch      every layer's own default
 *   kaiming      conv and linear N(0,2/fan_in), as the CIFAR ResNets
 *   xavier       conv and linear Xavier-uniform, biases 0
 * Attention keeps the rules of its own specification. ERR_USAGE lists the names. */
enum status params_scheme(struct params *params, const char *scheme);

#endif
