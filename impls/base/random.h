/* Counter-based random numbers (Philox4x32-10 of Random123; Salmon et al., SC 2011).
 * A number is a pure function of (seed, stream, index): it depends neither on the thread count
 * nor on what was drawn before, and a checkpoint needs to store nothing but counters. */
#ifndef IMPLS_BASE_RANDOM_H
#define IMPLS_BASE_RANDOM_H

#include <stdint.h>

/* A stream: what the numbers are for. Streams of different purpose or name never meet. */
struct random_stream {
    uint64_t seed;
    uint64_t stream; /* e.g. random_name("init/conv1.weight"), or purpose and epoch mixed */
};

/* 64-bit FNV-1a hash of a string: turns a name into a stream number. */
uint64_t random_name(const char *name);

/* Mixes two numbers into a stream number (splitmix64 finaliser). */
uint64_t random_mix(uint64_t a, uint64_t b);

/* Four 32-bit words for block `index` of a stream. */
void random_block(struct random_stream s, uint64_t index, uint32_t out[4]);

/* Number `index` of a stream: 32 random bits; uniform in [0,1) with 24 bits; standard normal
 * (Box-Muller on one block, in double precision). */
uint32_t random_u32(struct random_stream s, uint64_t index);
float random_uniform(struct random_stream s, uint64_t index);
double random_normal(struct random_stream s, uint64_t index);

/* Unbiased integer in [0, bound), bound >= 1 (multiply-shift with rejection inside the block's
 * own sub-stream, so that number `index` stays a function of index alone). */
uint32_t random_below(struct random_stream s, uint64_t index, uint32_t bound);

/* Fisher-Yates permutation of 0..n-1 into `out`. */
void random_permutation(struct random_stream s, int n, int *out);

#endif
