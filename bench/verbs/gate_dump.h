/* The gates of every attention site for every image of a prediction, as files: DIR/SITE.channel.npy
 * (images, channels), DIR/SITE.spatial.npy (images, h, w), DIR/SITE.spatial.NNNN.png for image
 * NNNN, and DIR/images.csv, which says what image that is. SITE is the site's name:
 * "layer1.0.cbam". Runs nothing. */
#ifndef BENCH_VERBS_GATE_DUMP_H
#define BENCH_VERBS_GATE_DUMP_H

#include "bench/net/program.h"

struct gate_values;

struct gate_dump {
    const char *dir;
    const struct net *net;
    struct gate_values *gates; /* owned */
    int count;
    int images;                /* that have room */
    int least;                 /* pixels of the longer side of a picture, at least */
};

/* Makes the folder and room for the gates of `images` images. The network must be composed of
 * primitives, so that its gates are values of their own. ERR_USAGE when it has none. */
enum status gate_dump_open(struct gate_dump *dump, const char *dir, const struct net *net,
                           int images);
void gate_dump_close(struct gate_dump *dump); /* a zeroed one is allowed */

/* Appends the node ids of the gates to ids[]; returns their number. NULL: the number alone. */
int gate_dump_outputs(const struct gate_dump *dump, int *ids);

/* Takes the gates of the first n images of a program's last pass as images number `image` and
 * following; they are its outputs from number `output` on. */
void gate_dump_take(struct gate_dump *dump, const struct program *program, int output, int image,
                    int n);

/* Writes the files for the first n images; `names` are theirs. */
enum status gate_dump_write(const struct gate_dump *dump, const char *const *names, int n);

#endif
