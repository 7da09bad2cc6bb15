/* The words of a benchdnn batch file, or of its command line: options that hold for what follows,
 * and problem descriptors. Turns them into cases. Knows neither files nor lists: both belong to a
 * sink. */
#ifndef BENCH_MEASURE_BENCHDNN_READER_H
#define BENCH_MEASURE_BENCHDNN_READER_H

#include "bench/measure/benchdnn.h"

/* Where what is read goes. Every function has `data` as its first argument. */
struct benchdnn_sink {
    void *data;
    /* A case; passes: bit 0 forward, bit 1 backward; 0 when no --dir was given. */
    enum status (*add)(void *data, const struct op_desc *desc, const char *name, unsigned passes);
    void (*skip)(void *data, const char *reason);     /* a problem is out of scope; static text */
    void (*ignore)(void *data, const char *option);   /* an option changes nothing here */
    enum status (*batch)(void *data, const char *path); /* --batch=path */
};

enum { BENCHDNN_CHOICES = 8, BENCHDNN_WORD = 1024 };

/* What the options in force say. Zeroed, with sink and driver set: no option yet. It must stay
 * where it is. */
struct benchdnn_reader {
    const struct benchdnn_sink *sink;
    enum benchdnn_driver driver;
    int mb[BENCHDNN_CHOICES], mb_count;
    bool dir_given;
    unsigned passes_bias, passes_plain; /* of --dir, with and without a bias */
    unsigned passes_either;             /* to which a bias does not matter */
    unsigned algs;                      /* bits of enum benchdnn_alg; 0: max */
    const char *flags[BENCHDNN_CHOICES]; /* of --flags; they point into flag_text */
    int flag_count;
    char flag_text[64];
    bool other_type;                    /* no f32 among --dt or --cfg */
    unsigned attributes;                /* those that make another operation of it */
    char word[BENCHDNN_WORD];           /* the last word, which the next may continue */
    bool continued;
};

/* Takes the next word. A word that ends with '\' is continued by the next. ERR_FORMAT, or what the
 * sink returns. */
enum status benchdnn_word(struct benchdnn_reader *reader, const char *word);

/* To be called when no word follows, and before anything that is none of benchdnn's. */
enum status benchdnn_end(struct benchdnn_reader *reader);

#endif
