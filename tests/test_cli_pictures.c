/* Pictures and tensors through `predict`, and the gates it writes, as seen from the command line.
 * Public bug report R30 is in the names of tests. Needs $CBAM_BENCH, the path of the program. */
#include "bench/net/npy.h"
#include "impls/base/threads.h"
#include "tests/cli_fixture.h"

#include <math.h>

static const char net[] = NET;
static const char cbam[] = NET_CBAM;

/* ---- predict on pictures ---- */

/* The picture that `predict` sees is the one that `eval` sees, and the one that was trained on:
 * same classes, same probabilities to the last bit. */
static void test_pictures_are_those_of_the_data_set(void **state)
{
    struct bed *bed = *state;
    char arguments[2048];
    command_need();
    train_on_pictures(bed, cbam);
    picture_arguments(bed, arguments, sizeof arguments);
    json_t *eval = command_json_of("eval %s --weights %s --data folder:%s:size=%d --predictions %s "
                                   "--format json", cbam, bed_path(bed, "w"),
                                   bed_path(bed, "pics"), SIDE,
                                   bed_path(bed, "p.csv"));
    json_t *predict = command_json_of("predict %s --weights %s --format json --batch 4 --input %s",
                                      cbam, bed_path(bed, "w"), arguments);
    const json_t *a = command_member(eval, "predictions"), *b = command_member(predict, "rows");
    assert_int_equal(json_array_size(a), PICTURES);
    assert_int_equal(json_array_size(b), PICTURES);
    for (size_t i = 0; i < PICTURES; i++) {
        const json_t *x = json_array_get(a, i), *y = json_array_get(b, i);
        assert_non_null(strstr(command_text(y, "file"), command_text(x, "file")));
        assert_true(command_number(x, "prediction") == command_number(y, "class1"));
        assert_string_equal(command_text(x, "prediction_name"), command_text(y, "name1"));
        assert_true(command_number(x, "probability") == command_number(y, "probability1"));
        double sum = command_number(y, "probability1") + command_number(y, "probability2");
        assert_true(fabs(sum - 1) < 1e-12);
        assert_true(command_number(y, "probability1") >= command_number(y, "probability2"));
        assert_true(json_is_null(command_member(y, "class3")));
    }
    const json_t *rule = command_member(predict, "preprocessing");
    assert_true(command_number(rule, "short_side") == SIDE);
    assert_true(command_number(rule, "input") == SIDE);
    json_decref(eval);
    json_decref(predict);
}

static void test_a_line_a_picture(void **state)
{
    struct bed *bed = *state;
    struct command c;
    char arguments[2048];
    command_need();
    train_on_pictures(bed, net);
    picture_arguments(bed, arguments, sizeof arguments);
    command_ok(&c, "predict %s --weights %s %s", net, bed_path(bed, "w"), arguments);
    int lines = 0;
    for (char *rest, *line = strtok_r(c.out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strstr(line, ".png")) {
            lines++;
            assert_true(strstr(line, "ants ") && strstr(line, "bees ") && strstr(line, " %"));
        }
    assert_int_equal(lines, PICTURES);
    command_free(&c);
    command_ok(&c, "predict %s --weights %s --format csv %s", net, bed_path(bed, "w"), arguments);
    assert_int_equal(strncmp(c.out, "file,class1,name1,probability1,class2,", 38), 0);
    assert_non_null(strstr(c.err, "loaded 97"));
    command_free(&c);
}

/* Without metadata the rule is torchvision's, and classes have numbers. */
static void test_pictures_without_metadata(void **state)
{
    struct bed *bed = *state;
    struct safetensors file;
    struct command c;
    command_need();
    fresh_weights(bed, "none");
    support_ok(safetensors_open(&file, bed_path(bed, "w")));
    support_ok(safetensors_write(bed_path(bed, "bare"), file.tensors, file.count, NULL, 0));
    safetensors_close(&file);
    put_picture(bed, "a.png", 0);
    command_ok(&c, "predict %s --weights %s %s --size 64", net, bed_path(bed, "bare"),
               bed_path(bed, "a.png"));
    assert_non_null(strstr(c.out, "class "));
    assert_non_null(strstr(c.out, "short side to 73"));
    assert_non_null(strstr(c.out, "torchvision's rule"));
    assert_non_null(strstr(c.err, "torchvision's are used"));
    command_free(&c);
}

static void test_unreadable_pictures_do_not_stop_the_others(void **state)
{
    struct bed *bed = *state;
    struct command c;
    command_need();
    fresh_weights(bed, "none");
    put_picture(bed, "a.png", 0);
    put_picture(bed, "b \xff\n.png", 1);
    fixture_write(&bed->folder, "bad.png", "text", 4);
    command_run(&c, "predict %s --weights %s --format json %s %s %s '%s'", net, bed_path(bed, "w"),
                bed_path(bed, "a.png"), bed_path(bed, "bad.png"), bed_path(bed, "absent"),
                bed_path(bed, "b \xff\n.png"));
    assert_int_equal(c.status, 1);
    json_t *json = command_json(&c), *rows = command_member(json, "rows");
    assert_int_equal(json_array_size(rows), 2);
    assert_true(command_number(json, "failed") == 2);
    assert_non_null(strstr(command_text(json_array_get(rows, 0), "file"), "a.png"));
    assert_non_null(strstr(command_text(json_array_get(rows, 1), "file"), "b ??.png"));
    assert_non_null(strstr(c.err, "bad.png"));
    assert_non_null(strstr(c.err, "absent"));
    json_decref(json);
    command_free(&c);
    command_refused(1, bed_path(bed, "bad.png"), "PNG", "predict %s --weights %s %s", net,
                    bed_path(bed, "w"), bed_path(bed, "bad.png"));
    command_run(&c, "predict %s --weights %s --output %s %s %s", net, bed_path(bed, "w"),
                bed_path(bed, "y"), bed_path(bed, "a.png"), bed_path(bed, "absent"));
    assert_int_equal(c.status, 1);
    assert_non_null(strstr(c.err, "is not written"));
    assert_int_not_equal(access(bed_path(bed, "y"), F_OK), 0);
    command_free(&c);
}

/* Pictures and .npy files do not mix; an .npy file without --output gives a line an image. */
static void test_npy_inputs(void **state)
{
    static float values[2 * 3 * 12 * 12];
    const int dim[] = {2, 3, 12, 12};
    struct bed *bed = *state;
    command_need();
    fresh_weights(bed, "none");
    put_picture(bed, "a.png", 0);
    for (int i = 0; i < 2 * 3 * 12 * 12; i++)
        values[i] = (float)(i * i % 37) / 18 - 1;
    support_ok(npy_write(bed_path(bed, "x.npy"), 4, dim, values));
    command_refused(2, "x.npy", "own", "predict %s --weights %s %s %s", net, bed_path(bed, "w"),
                    bed_path(bed, "a.png"), bed_path(bed, "x.npy"));
    command_refused(2, "--size", "own size", "predict %s --weights %s %s --size 32", net,
                    bed_path(bed, "w"), bed_path(bed, "x.npy"));
    json_t *json = command_json_of("predict %s --weights %s %s --format json", net,
                                   bed_path(bed, "w"), bed_path(bed, "x.npy"));
    assert_int_equal(json_array_size(command_member(json, "rows")), 2);
    assert_non_null(strstr(command_text(json_array_get(command_member(json, "rows"), 1), "file"),
                           "x.npy[1]"));
    json_decref(json);
}

/* ---- gates ---- */

static void read_gate(struct bed *bed, const char *site, const char *end, struct npy_array *array)
{
    char name[128];
    snprintf(name, sizeof name, "gates/%s%s", site, end);
    support_ok(npy_read(array, bed_path(bed, name)));
}

/* The picture of a spatial gate shows it: a square of pixels for each value. */
static void check_gate_picture(struct bed *bed, const char *site, const struct npy_array *gate,
                               int i)
{
    char name[128];
    struct image image;
    int h = gate->dim[1], w = gate->dim[2];
    snprintf(name, sizeof name, "gates/%s.spatial.%04d.png", site, i);
    support_ok(image_read(&image, bed_path(bed, name)));
    assert_true(image.h >= 224 && image.h % h == 0 && image.w == image.h / h * w);
    for (int y = 0; y < image.h; y++)
        for (int x = 0; x < image.w; x++) {
            float value = gate->data[(i * h + y * h / image.h) * w + x * w / image.w];
            assert_int_equal(image.pixels[3 * (y * image.w + x)], lrintf(255 * value));
        }
    image_free(&image);
}

/* One site: shapes, ranges, and the numbers of the network itself on the same image. */
static void check_site(struct bed *bed, const struct session *session, int site,
                       const struct program *program, int output, const float limits[2])
{
    const struct net_site *s = &session->inference->sites[site];
    for (int spatial = 0; spatial < 2; spatial++) {
        int node = spatial ? s->spatial_gate : s->channel_gate;
        struct npy_array gate;
        if (node == NO_NODE)
            continue;
        read_gate(bed, s->name, spatial ? ".spatial.npy" : ".channel.npy", &gate);
        struct tensor value = program_output(program, output++);
        assert_int_equal(gate.ndim, spatial ? 3 : 2);
        assert_int_equal(gate.dim[0], 2);
        assert_int_equal(gate.dim[1], spatial ? value.h : value.c);
        assert_true(!spatial || gate.dim[2] == value.w);
        assert_int_equal(gate.count, tensor_count(&value));
        assert_memory_equal(gate.data, value.data, gate.count * sizeof(float));
        for (size_t i = 0; i < gate.count; i++)
            assert_true(gate.data[i] >= 0 && gate.data[i] <= limits[spatial]);
        for (int i = 0; spatial && i < 2; i++)
            check_gate_picture(bed, s->name, &gate, i);
        npy_release(&gate);
    }
}

/* Both images of x.npy through the network in this process, gates as outputs. */
static void check_gates(struct bed *bed, const char *attention, const float *nchw,
                        const float limits[2])
{
    struct session session = {.compose = true};
    struct program *program;
    const struct weights_request request = {.model = "resnet20:width=0.25", .attention = attention,
                                            .weights = bed_path(bed, "w"), .size = 12, .seed = 1};
    int outputs[32], count = 0;
    support_ok(session_open_impl(&session, impls[0]->name, 1));
    support_ok(session_open_weights(&session, &request));
    const struct net *form = session.inference;
    for (int i = 0; i < form->site_count; i++) {
        if (form->sites[i].channel_gate != NO_NODE)
            outputs[count++] = form->sites[i].channel_gate;
        if (form->sites[i].spatial_gate != NO_NODE)
            outputs[count++] = form->sites[i].spatial_gate;
    }
    const struct program_request compile = {.impl = session.impl, .ctx = session.ctx, .net = form,
                                            .batch = 2, .outputs = outputs, .output_count = count};
    support_ok(program_compile(&program, &compile));
    float *pixels = program_input(program, 0).data;
    for (int i = 0; i < 2 * 144 * 3; i++)
        pixels[i] = nchw[(i / 3 / 144 * 3 + i % 3) * 144 + i / 3 % 144];
    support_ok(program_forward(program));
    for (int i = 0, output = 0; i < form->site_count; i++) {
        check_site(bed, &session, i, program, output, limits);
        output += (form->sites[i].channel_gate != NO_NODE) +
                  (form->sites[i].spatial_gate != NO_NODE);
    }
    program_free(program);
    session_close(&session);
}

static void test_gates_are_dumped(void **state)
{
    static const struct {
        const char *attention;
        float limits[2]; /* of the channel and the spatial gate */
    } forms[] = {{"cbam:init=pytorch", {1, 1}}, {"cbam-article", {2, 1}}, {"se", {1, 1}},
                 {"cbam-spatial:init=pytorch", {1, 1}}};
    static float values[2 * 3 * 12 * 12];
    const int dim[] = {2, 3, 12, 12};
    struct bed *bed = *state;
    struct command c;
    command_need();
    for (int i = 0; i < 2 * 3 * 12 * 12; i++)
        values[i] = (float)(i * i % 37) / 18 - 1;
    for (int f = 0; f < 4; f++) {
        fresh_weights(bed, forms[f].attention);
        support_ok(npy_write(bed_path(bed, "x.npy"), 4, dim, values));
        command_ok(&c, "predict %s --attention %s --weights %s --impl %s --batch 1 --dump-gates "
                   "%s %s", net, forms[f].attention, bed_path(bed, "w"), impls[0]->name,
                   bed_path(bed, "gates"), bed_path(bed, "x.npy"));
        command_free(&c);
        check_gates(bed, forms[f].attention, values, forms[f].limits);
    }
    command_refused(2, "--dump-gates", "no gates", "predict %s --weights %s --dump-gates %s %s "
                    "--allow-unexpected '*'", net, bed_path(bed, "w"), bed_path(bed, "gates"),
                    bed_path(bed, "x.npy"));
    command_refused(1, "--dump-gates", "w/gates", "predict %s --attention cbam-spatial --weights "
                    "%s --dump-gates %s/gates %s", net, bed_path(bed, "w"), bed_path(bed, "w"),
                    bed_path(bed, "x.npy"));
}

/* Pictures are listed by number in DIR/images.csv; those that could not be read have none. */
static void test_dumped_pictures_are_listed(void **state)
{
    struct bed *bed = *state;
    struct command c;
    struct npy_array gate;
    size_t size;
    command_need();
    fresh_weights(bed, "cbam");
    put_picture(bed, "a.png", 0);
    put_picture(bed, "c.png", 1);
    command_run(&c, "predict %s --weights %s --dump-gates %s %s %s %s", cbam, bed_path(bed, "w"),
                bed_path(bed, "gates"), bed_path(bed, "a.png"), bed_path(bed, "absent"),
                bed_path(bed, "c.png"));
    assert_int_equal(c.status, 1);
    command_free(&c);
    char *list = (char *)fixture_read(&bed->folder, "gates/images.csv", &size);
    assert_int_equal(strncmp(list, "image,file\n0,", 13), 0);
    assert_non_null(strstr(list, "a.png\n1,"));
    assert_non_null(strstr(list, "c.png\n"));
    free(list);
    read_gate(bed, "layer2.1.cbam", ".channel.npy", &gate);
    assert_int_equal(gate.dim[0], 2);
    npy_release(&gate);
}

/* ---- order of channels, order of flattening ---- */

enum { VGG_SIDE = 224, MAP = 7, CHANNELS = 5, HIDDEN = 40 };

static void set_all(const struct net *form, const char *name, const char *leaf, float value)
{
    char text[PARAM_NAME];
    snprintf(text, sizeof text, "%s.%s", name, leaf);
    struct net_param *param = params_find(form->params, text);
    assert_non_null(param);
    for (size_t i = 0; i < param->p.count; i++)
        param->p.data[i] = value;
}

static float *weight(const struct net *form, const char *name)
{
    char text[PARAM_NAME];
    snprintf(text, sizeof text, "%s.weight", name);
    struct net_param *param = params_find(form->params, text);
    assert_non_null(param);
    return param->p.data;
}

/* A VGG-16 of 1, 1, 3, 5, 5 channels by hand: the first convolution passes the difference of red
 * and blue, the last map is that picture shrunk to 7x7, in channel c times c + 1, and logit k is
 * the element `picks[k]` of the flattened map. */
static void save_hand_made(struct bed *bed, const int picks[4])
{
    static const int convs[13] = {0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28};
    struct session session = {.norm = *normalisation_find("half")};
    support_ok(session_open_net(&session, "vgg16:width=0.01", "none", 4, VGG_SIDE));
    for (int i = 0; i < 13; i++) {
        char name[32];
        snprintf(name, sizeof name, "features.%d", convs[i]);
        set_all(session.net, name, "weight", 0);
        set_all(session.net, name, "bias", 0);
        int in = i < 1 ? 3 : i < 5 ? 1 : i < 8 ? 3 : 5, out = i < 4 ? 1 : i < 7 ? 3 : 5;
        in = i == 4 ? 1 : i == 7 ? 3 : in;
        for (int o = 0; o < out; o++)
            weight(session.net, name)[(o * in + (o < in ? o : 0)) * 9 + 4] = 1;
        if (i == 0)
            weight(session.net, name)[2 * 9 + 4] = -1;
        for (int o = 0; i == 12 && o < out; o++)
            weight(session.net, name)[(o * in + o) * 9 + 4] = (float)(o + 1);
    }
    static const char *const linear[] = {"classifier.0", "classifier.3", "classifier.6"};
    const int inputs[] = {CHANNELS * MAP * MAP, HIDDEN, HIDDEN};
    for (int i = 0; i < 3; i++) {
        set_all(session.net, linear[i], "weight", 0);
        set_all(session.net, linear[i], "bias", 0);
        for (int k = 0; k < 4; k++)
            weight(session.net, linear[i])[k * inputs[i] + (i == 0 ? picks[k] : k)] = 1;
    }
    support_ok(session_save(&session, bed_path(bed, "vgg")));
    session_close(&session);
}

/* Value of the 32x32 cell (y, x) of the input's red plane. */
static float cell(int y, int x)
{
    return (float)(1 + 10 * y + x) / 64;
}

/* R30: the flattened map counts channels first, then rows, then columns, as PyTorch's does. */
static void test_R30_flattening_is_channels_first(void **state)
{
    static const int places[4][3] = {{0, 0, 1}, {1, 2, 3}, {4, 6, 0}, {2, 0, 6}}; /* c, y, x */
    static float x[3 * VGG_SIDE * VGG_SIDE];
    const int dim[] = {1, 3, VGG_SIDE, VGG_SIDE};
    struct bed *bed = *state;
    struct npy_array y;
    struct command c;
    int picks[4];
    command_need();
    for (int k = 0; k < 4; k++)
        picks[k] = (places[k][0] * MAP + places[k][1]) * MAP + places[k][2];
    save_hand_made(bed, picks);
    for (int i = 0; i < VGG_SIDE * VGG_SIDE; i++)
        x[i] = cell(i / VGG_SIDE / 32, i % VGG_SIDE / 32); /* red; the others stay 0 */
    support_ok(npy_write(bed_path(bed, "x"), 4, dim, x));
    for (int i = 0; impls[i]; i++) {
        command_ok(&c, "predict --model vgg16:width=0.01 --weights %s --input %s --output %s "
                   "--impl %s", bed_path(bed, "vgg"), bed_path(bed, "x"), bed_path(bed, "y"),
                   impls[i]->name);
        command_free(&c);
        support_ok(npy_read(&y, bed_path(bed, "y")));
        for (int k = 0; k < 4; k++) {
            float expected = (float)(places[k][0] + 1) * cell(places[k][1], places[k][2]);
            assert_true(fabsf(y.data[k] - expected) < 1e-5f);
        }
        npy_release(&y);
    }
}

static void put_plain_picture(const struct bed *bed, const char *name, const uint8_t colour[3])
{
    struct image image = {memory_alloc(3 * 64 * 64), 64, 64};
    assert_non_null(image.pixels);
    for (int i = 0; i < 3 * 64 * 64; i++)
        image.pixels[i] = colour[i % 3];
    struct bytes file = picture_png_of(&image);
    fixture_write(&bed->folder, name, file.data, file.size);
    bytes_free(&file);
    image_free(&image);
}

/* R30: red comes first. The network passes max(0, red - blue); its logits are 1 and 2 times that in
 * classes 1 and 3, 0 in class 0 by what is padded, so a red picture is of class 3, a blue of 0. */
static void test_R30_red_is_the_first_channel(void **state)
{
    static const uint8_t red[] = {250, 0, 0}, blue[] = {0, 0, 250};
    const int picks[4] = {0, 0, MAP * MAP, 4 * MAP * MAP};
    struct bed *bed = *state;
    command_need();
    save_hand_made(bed, picks);
    put_plain_picture(bed, "red.png", red);
    put_plain_picture(bed, "blue.png", blue);
    json_t *json = command_json_of("predict --model vgg16:width=0.01 --weights %s %s %s "
                                   "--format json",
                                   bed_path(bed, "vgg"), bed_path(bed, "red.png"),
                                   bed_path(bed, "blue.png"));
    const json_t *rows = command_member(json, "rows");
    assert_true(command_number(json_array_get(rows, 0), "class1") == 3);
    assert_true(command_number(json_array_get(rows, 0), "probability1") > 0.9);
    assert_true(command_number(json_array_get(rows, 1), "class1") == 0);
    assert_true(command_number(json_array_get(rows, 1), "probability1") == 0.25);
    json_decref(json);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BED_TEST(test_pictures_are_those_of_the_data_set),
        BED_TEST(test_a_line_a_picture),
        BED_TEST(test_pictures_without_metadata),
        BED_TEST(test_unreadable_pictures_do_not_stop_the_others),
        BED_TEST(test_npy_inputs),
        BED_TEST(test_gates_are_dumped),
        BED_TEST(test_dumped_pictures_are_listed),
        BED_TEST(test_R30_flattening_is_channels_first),
        BED_TEST(test_R30_red_is_the_first_channel),
    };
    (void)argc;
    threads_startup(argv);
    return cmocka_run_group_tests_name("pictures people hand over", tests, NULL, NULL) != 0;
}
