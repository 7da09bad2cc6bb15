/* A cell of a study: one training run, and the key under which its result is stored. */
#ifndef BENCH_STUDY_CELL_H
#define BENCH_STUDY_CELL_H

#include "bench/transfer/train.h"

enum {
    CELL_KEY_SIZE = 33,   /* 32 hex digits */
    CELL_ARM_SIZE = 64,
    CELL_SCHEMA = 1       /* part of every key: raised when equal settings come to mean something
                             else, so that older results are not taken for newer ones */
};

/* A source is trained from random weights and kept; a transfer cell starts from a source, or from
 * random weights (the scratch arm). */
enum cell_role { ROLE_SOURCE, ROLE_TRANSFER };

struct cell {
    char key[CELL_KEY_SIZE];
    char source[CELL_KEY_SIZE];     /* key of the cell whose weights it starts from, or "" */
    uint64_t init_hash;             /* of the weights file settings.init, where that is one */
    enum cell_role role;
    struct train_settings settings; /* as run; .init is "random", also when there is a source
                                       cell, or the weights file that it starts from */
    char search[CELL_KEY_SIZE];     /* id of the search that chooses settings of it, or "" */
    char arm[CELL_ARM_SIZE];        /* what its study calls its transfer arm; no part of the key */
    bool trial;                     /* a run of a search, or a source of such: it does not count; no
                                       part of the key */
    char *identity;                 /* the canonical JSON text that the key is the hash of; owned */
};

/* Fills key and identity from role, source and settings. data_key says what the data are
 * (dataset_key()): it takes the place of settings.data, as the source's key, or a weights file's
 * hash, takes the place of a path; shifted_key that of settings.shifted (NULL: there is none);
 * algorithm_key (cell_algorithm_key()) that of settings.algorithm. Every setting enters, in an
 * order that is no part of it; what a search chooses does so by the search's id, which says all
 * that decides the choice: the key is known before the choice is. */
enum status cell_identify(struct cell *cell, const char *data_key, const char *shifted_key,
                          const char *algorithm_key);

/* What a text for settings.algorithm decides: decisions count by what they say, not by the file
 * that they stand in, which is read here. ERR_USAGE when there is no such file. */
enum status cell_algorithm_key(const char *algorithm, char key[ALGORITHM_NAME]);

/* The 32 hex digits of a text: two 64-bit FNV-1a hashes with different starts. */
void cell_hash(const char *text, char key[CELL_KEY_SIZE]);

/* "source" and "transfer". */
const char *cell_role_name(enum cell_role role);

#endif
