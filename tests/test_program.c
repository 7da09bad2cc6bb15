/* Compiled networks on every implementation: memory shared by liveness, gradients against slopes of
 * the loss, and that training, inference and fused forms compute the same. */
#include "bench/net/program_private.h"
#include "impls/base/memory.h"
#include "tests/network.h"
#include "tests/support.h"
#include "tests/ways.h"

#include <math.h>

static const struct {
    const char *model;
    int side;
} small[] = {{"resnet20:width=0.5", 12},
             {"resnet50:stem=small:width=0.1", 12},
             {"vgg16_bn:stem=small:width=0.1", 32},
             {"densenet121:stem=small:width=0.25", 24}};
enum { SMALL = 4, BATCH = 3, CLASSES = 5 };

static void open_small(struct network *n, const struct impl *impl, int k, const char *attention)
{
    network_open(n, impl, small[k].model, attention, CLASSES, small[k].side, small[k].side);
}

/* No two areas that are needed at the same time share a byte; all lie in the slab, aligned. */
static void check_areas(const struct program *p)
{
    for (int i = 0; i < p->area_count; i++) {
        const struct arena_area *a = &p->areas[i];
        assert_true(a->offset % MEMORY_ALIGN == 0 && a->offset + a->bytes <= p->slab_bytes);
        for (int k = 0; k < i; k++) {
            const struct arena_area *b = &p->areas[k];
            bool same_time = a->first <= b->last && b->first <= a->last;
            if (same_time && a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes)
                fail_msg("areas %d and %d share memory", i, k);
        }
    }
}

/* Fills with NaN the lines of 64 bytes that no area needs at that time, and the scratch. */
static void poison_dead(struct program *p, bool *alive, int time)
{
    size_t lines = p->slab_bytes / MEMORY_ALIGN;
    memset(alive, 0, lines);
    for (int i = 0; i < p->area_count; i++)
        if (p->areas[i].first <= time && time <= p->areas[i].last)
            memset(alive + p->areas[i].offset / MEMORY_ALIGN, 1,
                   memory_round(p->areas[i].bytes) / MEMORY_ALIGN);
    for (size_t i = 0; i < lines; i++)
        if (!alive[i])
            memset(p->slab + i * MEMORY_ALIGN, 0xff, MEMORY_ALIGN);
    memset(p->scratch, 0xff, p->scratch_bytes);
}

/* Runs all steps; with `poison` after filling all memory with NaN, and whatever is dead before each
 * step. */
static void run_steps(const struct network *n, struct program *p, bool poison)
{
    bool *alive = calloc(p->slab_bytes / MEMORY_ALIGN + 1, sizeof *alive);
    assert_non_null(alive);
    if (poison)
        memset(p->slab, 0xff, p->slab_bytes);
    network_fill(p, 1);
    network_label(n, p, BATCH);
    for (int time = 0; time < (p->train ? 2 : 1) * p->step_count; time++) {
        bool backward = time >= p->step_count;
        int step = backward ? 2 * p->step_count - 1 - time : time;
        if (poison)
            poison_dead(p, alive, time);
        if (!backward || p->steps[step].backward)
            support_ok(program_run_step(p, step, backward));
    }
    free(alive);
}

static uint64_t hash_of(const void *data, size_t bytes, uint64_t hash)
{
    const unsigned char *at = data;
    while (bytes--)
        hash = (hash ^ *at++) * UINT64_C(0x100000001b3);
    return hash;
}

/* Everything that came out: logits, losses, gradients. None of it may be NaN. */
static uint64_t hash_results(const struct network *n, const struct program *p)
{
    struct tensor logits = program_output(p, 0);
    uint64_t hash = hash_of(logits.data, tensor_count(&logits) * sizeof(float), 1);
    for (size_t i = 0; i < tensor_count(&logits); i++)
        assert_true(isfinite(((const float *)logits.data)[i]));
    if (!p->train)
        return hash;
    hash = hash_of(program_losses(p), BATCH * sizeof(float), hash);
    for (int i = 0; i < n->net->params->count; i++) {
        const struct param *param = &n->net->params->list[i]->p;
        for (size_t k = 0; param->grad && k < param->count; k++)
            assert_true(isfinite(param->grad[k]));
        if (param->grad)
            hash = hash_of(param->grad, param->count * sizeof(float), hash);
    }
    return hash;
}

static void check_poisoned(const struct network *n, struct program *program)
{
    check_areas(program);
    run_steps(n, program, false);
    uint64_t hash = hash_results(n, program);
    run_steps(n, program, true);
    assert_true(hash_results(n, program) == hash);
    program_free(program);
}

/* Memory is shared by liveness: nothing reads what another value has overwritten, or what was never
 * written. */
static void test_poisoned_memory_changes_nothing(void **state)
{
    const struct impl *impl = way_impl(state);
    for (int k = 0; k < SMALL; k++) {
        struct network n;
        open_small(&n, impl, k, "cbam");
        check_poisoned(&n, network_infer(&n, n.lowered, BATCH, NULL, 0));
        check_poisoned(&n, network_infer(&n, n.inference, BATCH, NULL, 0));
        check_poisoned(&n, network_train(&n, n.lowered, BATCH));
        check_poisoned(&n, network_train(&n, n.train, BATCH));
        network_close(&n);
    }
}

/* Bytes of all values of a program, as if none shared memory. */
static double bytes_of_values(const struct program *program)
{
    double sum = 0;
    for (int i = 0; i < program_steps(program); i++)
        sum += (double)tensor_count(&program_step(program, i).desc->dst) * sizeof(float);
    return sum;
}

static void test_inference_needs_little_memory(void **state)
{
    const struct impl *impl = way_impl(state);
    for (int k = 0; k < SMALL; k++) {
        struct network n;
        open_small(&n, impl, k, "cbam");
        struct program *p = network_infer(&n, n.lowered, 2, NULL, 0);
        double share = (double)p->slab_bytes / bytes_of_values(p);
        if (share > (k == 3 ? 0.5 : 0.2)) /* DenseNet keeps every map that is concatenated later */
            fail_msg("%s: %.0f %% of the bytes of all values", small[k].model, 100 * share);
        program_free(p);
        network_close(&n);
    }
}

/* Fails unless x and y agree to a share of the largest of y. */
static void assert_close(const char *what, const float *x, const float *y, size_t count,
                         double tolerance)
{
    double most = 0, difference = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)y[i]));
        difference = fmax(difference, fabs((double)x[i] - (double)y[i]));
    }
    if (!(difference <= tolerance * (most + 1e-6)))
        fail_msg("%s: differs by %g of at most %g", what, difference, most);
}

/* A training program in which no normalisation trains uses the running statistics: its logits are
 * those of inference. */
static void test_training_with_fixed_statistics_is_inference(void **state)
{
    const struct impl *impl = way_impl(state);
    for (int k = 0; k < SMALL; k++) {
        struct network n;
        struct program *train, *infer;
        open_small(&n, impl, k, "cbam");
        for (int i = 0; i < n.net->params->count; i++)
            n.net->params->list[i]->trainable = n.net->params->list[i]->kind != OP_BATCHNORM;
        support_ok(params_prepare_training(n.net->params));
        const struct program_request request = {.impl = impl, .ctx = n.ctx, .net = n.lowered,
                                                .batch = BATCH, .train = true, .loss = true};
        support_ok(program_compile(&train, &request));
        infer = network_infer(&n, n.lowered, BATCH, NULL, 0);
        uint64_t hash = params_hash(n.net->params);
        network_fill(train, 1);
        network_fill(infer, 1);
        network_label(&n, train, BATCH);
        assert_close(small[k].model, network_run(train, 0), network_run(infer, 0), BATCH * CLASSES,
                     1e-5);
        assert_true(params_hash(n.net->params) == hash);
        program_free(train);
        program_free(infer);
        network_close(&n);
    }
}

/* Values per channel behind each statistic of a program in training: n*h*w of its map. */
static double values_of_statistic(const struct net *net, const struct net_param *param)
{
    for (int i = 0; i < net->count; i++)
        if (net->nodes[i].param[param->slot] == param) {
            struct tensor map = net_shape(net, net->nodes[i].src[0]);
            return (double)BATCH * map.h * map.w;
        }
    fail_msg("%s belongs to no node", param->name);
    return 0;
}

/* Batch statistics put in the place of the running ones: inference then computes what training did.
 * They are had from one step on running statistics of zero. */
static void test_inference_on_the_batchs_statistics_is_training(void **state)
{
    const struct impl *impl = way_impl(state);
    for (int k = 0; k < SMALL; k++) {
        struct network n;
        open_small(&n, impl, k, "cbam");
        struct program *train = network_train(&n, n.lowered, BATCH);
        struct program *infer = network_infer(&n, n.lowered, BATCH, NULL, 0);
        float logits[BATCH * CLASSES];
        assert_true(network_set(&n, "*.running_*", 0) > 0);
        network_set(&n, "bn1.running_*", 0);
        network_fill(train, 1);
        network_fill(infer, 1);
        network_label(&n, train, BATCH);
        memcpy(logits, network_run(train, 0), sizeof logits);
        for (int i = 0; i < n.net->params->count; i++) {
            struct net_param *param = n.net->params->list[i];
            double momentum = param->part == PART_ATTENTION ? (double)0.01f : (double)0.1f;
            double count = param->buffer ? values_of_statistic(n.lowered, param) : 0;
            for (size_t e = 0; param->buffer && e < param->p.count; e++)
                param->p.data[e] = (float)((double)param->p.data[e] / momentum *
                                           (param->slot == 3 ? (count - 1) / count : 1));
            param->p.version++;
        }
        assert_close(small[k].model, network_run(infer, 0), logits, BATCH * CLASSES, 2e-4);
        program_free(train);
        program_free(infer);
        network_close(&n);
    }
}

/* Images in another order, or alone, give the same logits. */
static void test_images_of_a_batch_are_independent(void **state)
{
    const struct impl *impl = way_impl(state);
    for (int k = 0; k < SMALL; k++) {
        struct network n;
        float first[BATCH * CLASSES];
        open_small(&n, impl, k, "cbam");
        struct program *p = network_infer(&n, n.inference, BATCH, NULL, 0);
        struct program *one = network_infer(&n, n.inference, 1, NULL, 0);
        network_fill(p, 1);
        memcpy(first, network_run(p, 0), sizeof first);
        float *all = program_input(p, 0).data;
        const size_t image = (size_t)small[k].side * (size_t)small[k].side * 3;
        for (int i = 0; i < BATCH; i++) {
            memcpy(program_input(one, 0).data, all + (size_t)i * image, image * sizeof *all);
            assert_close(small[k].model, network_run(one, 0), first + i * CLASSES, CLASSES, 1e-5);
        }
        memcpy(all, all + image, image * sizeof *all); /* image 1 in both places */
        const float *y = network_run(p, 0);
        assert_close(small[k].model, y, first + CLASSES, CLASSES, 1e-5);
        assert_memory_equal(y + CLASSES, first + CLASSES, 2 * CLASSES * sizeof(float));
        program_free(p);
        program_free(one);
        network_close(&n);
    }
}

/* Mean loss of a batch in double precision, from logits. */
static double mean_loss(const struct network *n, struct program *program)
{
    const float *logits = network_run(program, 0);
    double sum = 0;
    for (int i = 0; i < BATCH; i++) {
        double exps = 0;
        for (int c = 0; c < CLASSES; c++)
            exps += exp((double)logits[i * CLASSES + c]);
        sum += log(exps) - (double)logits[i * CLASSES + i % n->spec.classes];
    }
    return sum / BATCH;
}

static bool in_group(const struct net_param *param, int group)
{
    static const char *const first[] = {"conv1.weight", "features.0.weight",
                                        "features.conv0.weight"};
    for (int i = 0; i < 3 && group == 0; i++)
        if (strcmp(param->name, first[i]) == 0)
            return true;
    return group > 0 && (group == 2 || param->part == PART_ATTENTION);
}

/* Moves the parameters of a group by `step` along their gradients. */
static void move(const struct network *n, int group, double step)
{
    for (int i = 0; i < n->net->params->count; i++) {
        struct net_param *param = n->net->params->list[i];
        if (param->buffer || !in_group(param, group))
            continue;
        for (size_t k = 0; k < param->p.count; k++)
            param->p.data[k] += (float)(step * (double)param->p.grad[k]);
        param->p.version++;
    }
}

/* The gradient is the slope of the loss, for the first convolution (to which every path leads), for
 * attention and for all together: along it the loss rises by the gradient's square. */
static void test_gradients_are_slopes(void **state)
{
    const struct impl *impl = way_impl(state);
    for (int k = 0; k < SMALL; k++)
        for (int group = 0; group < 3; group++) {
            struct network n;
            double square = 0;
            open_small(&n, impl, k, "cbam");
            struct program *program = network_train(&n, n.train, BATCH);
            network_fill(program, 1);
            network_label(&n, program, BATCH);
            network_run(program, 0);
            support_ok(program_backward(program));
            for (int i = 0; i < n.net->params->count; i++) {
                const struct net_param *param = n.net->params->list[i];
                for (size_t e = 0; !param->buffer && in_group(param, group) && e < param->p.count;
                     e++)
                    square += (double)param->p.grad[e] * (double)param->p.grad[e];
            }
            assert_true(square > 0);
            double step = 1e-4 / square; /* the loss changes by about this numerator */
            move(&n, group, step);
            double above = mean_loss(&n, program);
            move(&n, group, -2 * step);
            double slope = (above - mean_loss(&n, program)) / (2 * step);
            if (fabs(slope / square - 1) > 0.05)
                fail_msg("%s, group %d: slope %g, square of the gradient %g", small[k].model, group,
                         slope, square);
            program_free(program);
            network_close(&n);
        }
}

/* All gradients of one step of a form, in the order of the parameters; to be freed. */
static float *gradients(const struct network *n, const struct net *form, size_t *count)
{
    struct program *program = network_train(n, form, BATCH);
    run_steps(n, program, false);
    float *all = NULL;
    *count = 0;
    for (int i = 0; i < n->net->params->count; i++) {
        const struct param *param = &n->net->params->list[i]->p;
        if (!param->grad)
            continue;
        all = realloc(all, (*count + param->count) * sizeof *all);
        assert_non_null(all);
        memcpy(all + *count, param->grad, param->count * sizeof *all);
        *count += param->count;
    }
    program_free(program);
    return all;
}

/* Fused forms compute what the primitives compute, logits and gradients. */
static void test_fused_is_composed(void **state)
{
    static const char *const forms[] = {"cbam", "cbam-article", "se", "cbam-light", "none"};
    const struct impl *impl = way_impl(state);
    for (int k = 0; k < SMALL + 4; k++) { /* all networks with the first form, and the others */
        struct network n;
        size_t count, other;
        int model = k < SMALL ? k : 0;
        open_small(&n, impl, model, forms[k < SMALL ? 0 : k - SMALL + 1]);
        struct program *fused = network_infer(&n, n.inference, BATCH, NULL, 0);
        struct program *composed = network_infer(&n, n.lowered, BATCH, NULL, 0);
        network_fill(fused, 1);
        network_fill(composed, 1);
        assert_close(small[model].model, network_run(fused, 0), network_run(composed, 0),
                     BATCH * CLASSES, 1e-4);
        program_free(fused);
        program_free(composed);
        float *a = gradients(&n, n.lowered, &count), *b = gradients(&n, n.train, &other);
        assert_int_equal(count, other);
        /* In 120 layers a rounding error now and then decides a ReLU, which is a step. */
        assert_close(small[model].model, b, a, count, model == 3 ? 0.05 : 1e-3);
        free(a);
        free(b);
        network_close(&n);
    }
}

int main(int argc, char **argv)
{
    (void)argc;
    const struct way_test on_impls[] = {
        ON_IMPLS(test_poisoned_memory_changes_nothing),
        ON_IMPLS(test_inference_needs_little_memory),
        ON_IMPLS(test_training_with_fixed_statistics_is_inference),
        ON_IMPLS(test_inference_on_the_batchs_statistics_is_training),
        ON_IMPLS(test_images_of_a_batch_are_independent),
        ON_IMPLS(test_gradients_are_slopes),
        ON_IMPLS(test_fused_is_composed),
    };
    return ways_run(argv, "compiled networks", on_impls, sizeof on_impls / sizeof on_impls[0]);
}
