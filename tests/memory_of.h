/* The memory of the program itself: what a run of `predict` holds when it is done, and at most held
 * on the way, as it reports of itself. For test_memory.c and slow_memory.c. */
#ifndef TESTS_MEMORY_OF_H
#define TESTS_MEMORY_OF_H

struct memory {
    double after_mb, peak_mb; /* 2^20 bytes */
    double file_mb;           /* of the weights file */
};

/* Fresh weights of a model into folder/w, one image of zeros of side `size` into folder/x.npy, then
 * `predict` on an implementation with one thread. Fails the running cmocka test when one of them
 * fails. */
struct memory memory_of_predict(const char *folder, const char *model, const char *impl, int size);

/* The same for what `latency` says of a network: "--model resnet50 --train ...". */
struct memory memory_of_latency(const char *options);

#endif
