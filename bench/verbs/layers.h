/* `cbam-bench layers`: checks and times single operations. */
#ifndef BENCH_VERBS_LAYERS_H
#define BENCH_VERBS_LAYERS_H

/* argv[0] is the verb. Returns the exit status: 0 when every case asked for was checked, found
 * right and timed on every implementation asked for. */
int verb_layers(int argc, char **argv);

#endif
