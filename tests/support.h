/* What the tests of whole networks share: a small data set that a small network learns in a few
 * epochs, sessions and runs on it, and weight files compared tensor by tensor. Every function fails
 * the running cmocka test when what it does goes wrong. Judges no network. */
#ifndef TESTS_SUPPORT_H
#define TESTS_SUPPORT_H

/* cmocka.h defines a macro fail(): our headers must come before it. */
#include "bench/transfer/evaluate.h"
#include "bench/transfer/session.h"
#include "bench/transfer/settings.h"
#include "bench/transfer/train.h"
#include "tests/dataset_fixture.h"

enum { TINY_SIDE = 12, TINY_CLASSES = 4, BED_PATHS = 16 };

/* A folder with the data set and whatever a test writes beside it. */
struct bed {
    struct fixture folder;
    char data[DATA_TEXT_MAX / 2]; /* "idx:DIR" */
    char paths[BED_PATHS][FIXTURE_PATH];
    int next_path;
};

/* cmocka's setup and teardown of one test: *state is a bed with 4 classes of 12x12 pixels, 16
 * training and 6 test images each. Class k has a pattern of its own under noise that differs from
 * image to image; flips and small shifts leave the classes apart. */
int bed_setup(void **state);
int bed_teardown(void **state);

/* A test with a bed of its own. */
#define BED_TEST(function) cmocka_unit_test_setup_teardown(function, bed_setup, bed_teardown)

/* The path of a file in the bed; valid until BED_PATHS later calls. */
const char *bed_path(struct bed *bed, const char *name);

/* Writes `per_class` images of each class, interleaved, as part "train" or "t10k" of the data set,
 * `side` pixels a side; replaces what was there. */
void bed_write_part(const struct bed *bed, const char *part, int classes, int per_class, int side);

/* Replaces the labels of a part by the given ones. */
void bed_write_labels(const struct bed *bed, const char *part, const uint8_t *labels, int n);

/* Settings of a small run on the bed: CIFAR ResNet-20 of a quarter width, 2 epochs of batches of 8,
 * rate 0.05 falling to 0, no augmentation, 1 thread, the first implementation compiled in. */
void support_settings(struct train_settings *s, const struct bed *bed, const char *attention);

/* Runs it and saves the weights to `save` (NULL: nowhere); any failure or divergence fails the
 * test. The result is the caller's: support_free(). */
struct train_result *support_train(const struct train_settings *s, const char *save);

/* The same with a free choice of files; returns the status. */
enum status support_run(const struct train_settings *s, const struct train_io *io,
                        struct train_result **result);
void support_free(struct train_result *result);

/* A source on classes 0 and 1 as file "source", and settings of a run on 2 and 3 that starts from
 * it with every force that could move a fixed tensor: weight decay, momentum, batch statistics. */
void support_source(struct bed *bed, struct train_settings *s, const char *attention);

/* The settings' steps over the training images of a session, by hand: shuffled, not augmented,
 * without features computed once. The session has the network that the arm starts from. */
void support_train_by_hand(struct session *session, const struct train_settings *s);

/* A network of these settings with fresh weights, without training, saved to `path`. */
void support_save_fresh(const struct train_settings *s, const char *path);

/* Opens implementation and data of the settings and the network with the weights of a file,
 * strictly unless `allow_missing` (one glob) is given. To be closed with session_close(). */
void support_open(struct session *session, const struct train_settings *s, const char *weights,
                  const char *allow_missing);

/* Logits of the test images, n x classes, to be freed by the caller. */
float *support_logits(struct session *session, int batch, struct evaluation *result);

/* Fails unless `status` is OK. */
void support_ok(enum status status);

/* Fails unless `status` is `expected` and the message is one line with both fragments. */
void support_refused(enum status status, enum status expected, const char *fragment1,
                     const char *fragment2);

/* Compares two weight files with the same names, byte by byte. Tensors that match one of the globs
 * (NULL-terminated) may differ, no other. Returns how many of these do differ. */
int support_compare(const char *before, const char *after, const char *const *may_change);

/* How many tensors of a weights file match one of the globs (NULL-terminated). */
int support_count_matching(const char *path, const char *const *globs);

/* Fails unless both files hold exactly the same tensors. */
void support_same(const char *a, const char *b);

/* Largest absolute difference over all tensors of two files with the same names. */
double support_difference(const char *a, const char *b);

/* Whether one tensor differs between two files that both have it. */
bool support_changed(const char *before, const char *after, const char *name);

/* A tensor of a file as floats, to be freed by the caller. */
float *support_tensor(const char *path, const char *name, size_t *count);

#endif
