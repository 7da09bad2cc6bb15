/* The plots of accuracy against labels, reduction ratio, placement and latency: a store of made-up
 * results goes through `study report`; the data files must hold what the store holds, and the
 * pictures a point for each of it, titles, axes with units, and a legend with every series. */
#include "tests/study_fixture.h"

#include "tests/command.h"

enum { SEEDS = 3, MODELS = 2, ARMS = 2, LABELS = 3, ATTENTIONS = 7, MOST = 400, COLUMNS = 7 };

static const char *const models[MODELS] = {"resnet20:width=0.25", "resnet20:width=0.5"};
static const char *const arms[ARMS] = {"scratch", "finetune"};
static const double labels[LABELS] = {5, 50, 500};
static const struct {
    const char *text, *title;
    double r;  /* its place on the axis of the reduction ratio; 0: on no curve */
    int where; /* its place among those of the placements; -1: on no curve */
} attentions[ATTENTIONS] = {
    {"none", "without attention", 0, -1},
    {"se", "SE", 0, -1},
    {"cbam:r=4", "cbam:r=4", 4, -1},
    {"cbam:r=8", "cbam:r=8", 8, -1},
    {"cbam", "CBAM", 16, 0},
    {"cbam:place=stage", "cbam:place=stage", 0, 1},
    {"cbam:place=head", "cbam:place=head", 0, 2}};

/* ---- the store ---- */

/* Of a seed; near the ceiling where labels are many. */
static double accuracy(const struct grid_place *p)
{
    static const double spread[SEEDS] = {-0.012, 0.004, 0.011};
    return 0.62 + 0.14 * p->data + 0.012 * p->attention + 0.01 * p->arm - 0.03 * p->model +
           spread[p->seed] / (1 + p->data);
}

static double median_ms(int model, int attention)
{
    return (model ? 2.5 : 0.8) * (1 + 0.04 * attention);
}

static void make_study(struct bench *b)
{
    char path[300], list[300] = "", text[1500];
    snprintf(path, sizeof path, "%s/study.yaml", b->dir);
    for (int i = 0; i < ATTENTIONS; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s\"%s\"", i ? ", " : "",
                 attentions[i].text);
    snprintf(text, sizeof text,
             "name: s\nmodels: [\"%s\", \"%s\"]\nattention: [%s]\nseeds: %d\nimpls: [naive]\n"
             "source: {data: fashion-mnist:classes=0-4}\n"
             "target: {data: [fashion-mnist:classes=5-9], labels: [5, 50, 500]}\n"
             "transfer: [{arm: %s}, {arm: %s}]\n", models[0], models[1], list, SEEDS, arms[0],
             arms[1]);
    file_put(path, text, strlen(text));
    if (study_load(&b->study, path) != OK || grid_build(&b->grid, &b->study, fake_data_key) != OK)
        fail_msg("%s", fail_text());
    open_store(b);
}

static void put_results(struct bench *b)
{
    struct train_result *r = calloc(1, sizeof *r);
    assert_non_null(r);
    for (int i = 0; i < b->grid.count; i++) {
        const struct grid_place *place = &b->grid.places[i];
        struct cell cell;
        int attempt;
        *r = (struct train_result){.val_accuracy = NAN, .val_loss = NAN, .before_accuracy = NAN,
                                   .train_accuracy = 0.99, .params = 68000, .macs = 7.8e6,
                                   .test_n = 100};
        r->test_accuracy = place->arm < 0 ? 0.5 : accuracy(place);
        assert_int_equal(store_claim(b->store, b->grid.cells[i].key, &cell, &attempt), OK);
        assert_int_equal(store_finish(b->store, cell.key, attempt, r, NULL, "again"), OK);
    }
    free(r);
}

static void put_latency(struct bench *b)
{
    for (int m = 0; m < MODELS; m++)
        for (int a = 0; a < ATTENTIONS; a++) {
            char row[600];
            double ms = median_ms(m, a);
            snprintf(row, sizeof row,
                     "{\"model\": \"%s\", \"attention\": \"%s\", \"impl\": \"naive\", \"dtype\": "
                     "\"f32\", \"pass\": \"inference\", \"batch\": 1, \"threads\": 1, \"input_h\": "
                     "28, \"input_w\": 28, \"median_ms\": %.9g, \"median_low_ms\": %.9g, "
                     "\"median_high_ms\": %.9g}", models[m], attentions[a].text, ms, 0.98 * ms,
                     1.03 * ms);
            assert_int_equal(store_add_latency(b->store, "s", row), OK);
        }
}

/* What `study report` makes of it, in DIR/s and DIR/pictures; skips without gnuplot. */
static void make_report(struct bench *b)
{
    struct command c;
    command_need();
    make_study(b);
    put_results(b);
    put_latency(b);
    store_close(b->store);
    b->store = NULL;
    command_ok(&c, "study report s --store '%s' --plots --plots-out '%s/pictures'", b->path,
               b->dir);
    bool drawn = !strstr(c.err, "no plots were drawn");
    if (!drawn)
        print_message("skipped: %s", c.err);
    command_free(&c);
    if (!drawn)
        skip();
}

/* ---- data ---- */

/* A line of a data file, in the block that gnuplot calls `block`. */
struct line {
    int block, n;
    double x[COLUMNS];
};

struct lines {
    int count;
    struct line list[MOST];
};

static void read_numbers(const char *text, struct line *line)
{
    char *end;
    for (line->n = 0; line->n < COLUMNS; line->n++) {
        line->x[line->n] = strtod(text, &end);
        if (end == text)
            break;
        text = end;
    }
}

/* Two empty lines end a block. */
static void read_data(const struct bench *b, const char *name, struct lines *lines)
{
    char path[600], text[300];
    int block = 0, empty = 0;
    snprintf(path, sizeof path, "%s/s/plots/%s.dat", b->dir, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    lines->count = 0;
    while (fgets(text, sizeof text, file)) {
        empty = text[0] == '\n' ? empty + 1 : 0;
        block += empty == 2;
        if (text[0] == '\n' || text[0] == '#')
            continue;
        assert_true(lines->count < MOST);
        struct line *line = &lines->list[lines->count++];
        read_numbers(text, line);
        line->block = block;
    }
    fclose(file);
}

/* Mean and sample deviation in percent, from what was put into the store. */
static void summary(struct grid_place place, double *mean, double *sd)
{
    double sum = 0, squares = 0;
    for (place.seed = 0; place.seed < SEEDS; place.seed++)
        sum += 100 * accuracy(&place);
    *mean = sum / SEEDS;
    for (place.seed = 0; place.seed < SEEDS; place.seed++)
        squares += pow(100 * accuracy(&place) - *mean, 2);
    *sd = sqrt(squares / (SEEDS - 1));
}

/* One line more: an x, mean and deviation at a place. */
static void expect(struct lines *due, int block, double x, struct grid_place place)
{
    struct line *line = &due->list[due->count++];
    *line = (struct line){.block = block, .n = 3, .x = {x}};
    summary(place, &line->x[1], &line->x[2]);
}

static void assert_lines(const char *name, const struct lines *seen, const struct lines *due)
{
    for (int i = 0; i < due->count && i < seen->count; i++) {
        const struct line *a = &seen->list[i], *d = &due->list[i];
        if (a->block != d->block || a->n != d->n)
            fail_msg("%s, line %d: %d numbers in block %d, not %d in %d", name, i, a->n, a->block,
                     d->n, d->block);
        for (int k = 0; k < d->n; k++)
            if (!(fabs(a->x[k] - d->x[k]) < 1e-6))
                fail_msg("%s, line %d, column %d: %.9g where %.9g is due", name, i, k, a->x[k],
                         d->x[k]);
    }
    assert_int_equal(seen->count, due->count);
}

/* ---- pictures ---- */

/* A picture that was drawn, whole; the caller frees it. */
static char *picture(const struct bench *b, const char *name, const char *type, size_t *size)
{
    char path[600];
    snprintf(path, sizeof path, "%s/pictures/%s.%s", b->dir, name, type);
    return (char *)file_get(path, size);
}

static int big_endian(const char *bytes)
{
    const uint8_t *b = (const uint8_t *)bytes;
    return b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}

/* Bytes of a picture of that size with axes alone. */
static size_t empty_size(const struct bench *b, const char *terminal, int width, int height)
{
    struct command c;
    char path[400];
    size_t size;
    snprintf(path, sizeof path, "%s/empty", b->dir);
    command_shell(&c, "gnuplot -e \"set terminal %s size %d,%d; set output '%s'; "
                  "plot [0:1] [0:1] NaN notitle\"", terminal, width, height, path);
    assert_int_equal(c.status, 0);
    command_free(&c);
    free(file_get(path, &size));
    return size;
}

/* As large as it says, and larger than an empty plot of that size; the SVG with it. */
static void assert_not_empty(const struct bench *b, const char *name)
{
    size_t png_size, svg_size;
    char *png = picture(b, name, "png", &png_size), *svg = picture(b, name, "svg", &svg_size);
    assert_true(png_size > 24 && memcmp(png, "\x89PNG\r\n\x1a\n", 8) == 0);
    const int width = big_endian(png + 16), height = big_endian(png + 20);
    assert_true(width >= 500 && width < 4000 && height >= 300 && height < 8000);
    assert_true(png_size > 2 * empty_size(b, "pngcairo", width, height));
    assert_true(svg_size > 2 * empty_size(b, "svg", width, height));
    free(png);
    free(svg);
}

static int count_of(const char *text, const char *fragment)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, fragment)); at++)
        count++;
    return count;
}

/* Places of the SVG where this stands as a text of its own. */
static int texts(const char *svg, const char *text)
{
    char fragment[200];
    snprintf(fragment, sizeof fragment, ">%s<", text);
    return count_of(svg, fragment);
}

static void assert_text(const char *name, const char *svg, const char *text, int count)
{
    if (texts(svg, text) != count)
        fail_msg("%s.svg has '%s' %d times, not %d", name, text, texts(svg, text), count);
}

/* What a picture has to show. */
struct expected {
    const char *name, *headline, *setting, *xlabel;
    int panels, points;        /* a panel for each arm of each row; marks in them */
    const char *const *series; /* NULL ends them */
    const char *row;           /* something a row is called, NULL: rows have no name */
};

/* Every mark is an element of its own: those of the data, and one a series in the legend. Networks
 * in the legend have numbers for marks. */
static void check_picture(const struct bench *b, const struct expected *e)
{
    size_t size;
    int in_legend = 0;
    char *svg = picture(b, e->name, "svg", &size);
    svg = realloc(svg, size + 1);
    assert_non_null(svg);
    svg[size] = '\0';
    assert_not_empty(b, e->name);
    assert_text(e->name, svg, e->headline, 1);
    assert_text(e->name, svg, e->setting, 1);
    assert_text(e->name, svg, e->xlabel, e->panels);
    assert_text(e->name, svg, "test accuracy (%)", e->panels / ARMS);
    for (int i = 0; i < ARMS; i++)
        assert_text(e->name, svg, arms[i], e->panels / ARMS);
    for (int i = 0; e->series[i]; i++) {
        assert_text(e->name, svg, e->series[i], 1);
        in_legend += !strchr("0123456789", e->series[i][0]);
    }
    if (e->row)
        assert_true(texts(svg, e->row) > 0);
    assert_text(e->name, svg, "110", 0); /* no tick stands above 100 % */
    assert_text(e->name, svg, "120", 0);
    assert_int_equal(count_of(svg, "' transform='translate("), e->points + in_legend);
    free(svg);
}

/* ---- one plot after the other ---- */

static void check_labels(const struct bench *b)
{
    static const char *const series[] = {"without attention", "SE", "cbam:r=4", "cbam:r=8", "CBAM",
                                         "cbam:place=stage", "cbam:place=head", NULL};
    static struct lines seen, due;
    struct grid_place p = {0};
    int block = 0;
    due.count = 0;
    for (p.model = 0; p.model < MODELS; p.model++)
        for (p.arm = 0; p.arm < ARMS; p.arm++)
            for (p.attention = 0; p.attention < ATTENTIONS; p.attention++, block++)
                for (p.data = 0; p.data < LABELS; p.data++)
                    expect(&due, block, labels[p.data], p);
    read_data(b, "labels", &seen);
    assert_lines("labels", &seen, &due);
    check_picture(b, &(struct expected){
        "labels", "Test accuracy against labels: mean ± standard deviation over seeds",
        "fashion-mnist:classes=5-9", "labelled images per class", MODELS * ARMS, due.count, series,
        models[1]});
}

/* A block for each panel and arm: the baseline, then the attentions that are on the curve. */
static void expect_options(struct lines *due, bool reduction)
{
    struct grid_place p = {0};
    int block = 0;
    due->count = 0;
    for (int panel = 0; panel < MODELS * LABELS; panel++)
        for (p.arm = 0; p.arm < ARMS; p.arm++, block += 2) {
            p.model = panel / LABELS;
            p.data = panel % LABELS;
            p.attention = 0;
            expect(due, block, 0, p);
            for (p.attention = 1; p.attention < ATTENTIONS; p.attention++) {
                const double r = attentions[p.attention].r;
                const int where = attentions[p.attention].where;
                if (reduction ? r > 0 : where >= 0)
                    expect(due, block + 1, reduction ? r : where, p);
            }
        }
}

static void check_options(const struct bench *b, struct expected e, bool reduction)
{
    static const char *const series[] = {"without attention (dashed)", "CBAM", NULL};
    static struct lines seen, due;
    expect_options(&due, reduction);
    read_data(b, e.name, &seen);
    assert_lines(e.name, &seen, &due);
    e.setting = "fashion-mnist:classes=5-9";
    e.series = series;
    e.panels = MODELS * LABELS * ARMS;
    e.points = due.count - e.panels; /* the baselines are lines */
    e.row = "on per-class=50";
    check_picture(b, &e);
}

/* Networks by their latency, whether no other is as good and as fast, and which each is. */
static int compare_ms(const void *a, const void *b)
{
    double x = ((const struct line *)a)->x[3], y = ((const struct line *)b)->x[3];
    return (x > y) - (x < y);
}

static void expect_networks(struct lines *due, int block, struct grid_place p)
{
    struct line *first = &due->list[due->count];
    const int count = MODELS * ATTENTIONS;
    for (p.model = 0; p.model < MODELS; p.model++)
        for (p.attention = 0; p.attention < ATTENTIONS; p.attention++) {
            struct line *line = &due->list[due->count++];
            *line = (struct line){block, 7, {p.arm, p.attention, 1, median_ms(p.model, p.attention),
                                             0, 0, p.model}};
            summary(p, &line->x[4], &line->x[5]);
        }
    qsort(first, (size_t)count, sizeof *first, compare_ms);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < i; k++) /* the faster ones: no two are equal */
            if (first[k].x[4] >= first[i].x[4])
                first[i].x[2] = 0;
}

static void check_pareto(const struct bench *b)
{
    static const char *const series[] = {
        "without attention", "SE", "cbam:r=4", "cbam:r=8", "CBAM", "cbam:place=stage",
        "cbam:place=head", "1: resnet20:width=0.25", "2: resnet20:width=0.5", NULL};
    static struct lines seen, due;
    struct grid_place p = {0};
    due.count = 0;
    for (p.data = 0; p.data < LABELS; p.data++)
        for (p.arm = 0; p.arm < ARMS; p.arm++)
            expect_networks(&due, p.data * ARMS + p.arm, p);
    read_data(b, "pareto", &seen);
    assert_lines("pareto", &seen, &due);
    check_picture(b, &(struct expected){
        "pareto", "Test accuracy against latency; the line joins what nothing beats",
        "fashion-mnist:classes=5-9", "median latency (ms)", LABELS * ARMS, due.count, series,
        "per-class=500"});
}

static void test_plots_of_a_report(void **state)
{
    struct bench *b = *state;
    make_report(b);
    check_labels(b);
    check_options(b, (struct expected){
        .name = "reduction", .xlabel = "reduction ratio r",
        .headline = "Test accuracy against the reduction ratio: mean ± standard deviation over "
                    "seeds"}, true);
    check_options(b, (struct expected){
        .name = "placement", .xlabel = "where attention sits",
        .headline = "Test accuracy by placement: mean ± standard deviation over seeds"}, false);
    check_pareto(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plots_of_a_report),
    };
    return cmocka_run_group_tests_name("plots of a report", tests, NULL, NULL);
}
