# A legend in a strip of its own at the foot of the picture, where it covers no data: as many
# columns as fit, a row 18 pixels. Its entries are labels of the first panel; the others `unset label`.
# Loaded before the size is set. Reads: width and height of the picture without it, legend_count,
# legend_text(i), legend_mark(i) (-1: none), legend_colour(i), i from 1 on. Gives: foot, the height
# of the strip, which the panels of style.gp leave free.
legend_width = 0
do for [i = 1:legend_count] {
    legend_length = strlen(legend_text(i))
    legend_width = legend_length > legend_width ? legend_length : legend_width
}
legend_column = 7.0 * legend_width + 40
legend_columns = floor((width - 20) / legend_column)
legend_columns = legend_columns < 1 ? 1 : legend_columns
legend_columns = legend_columns > legend_count ? legend_count : legend_columns
foot = 18 * ceil(1.0 * legend_count / legend_columns) + 18
legend_left = 0.5 * (width - legend_columns * legend_column) + 15
legend_x(i) = (legend_left + (i - 1) % legend_columns * legend_column) / width
legend_y(i) = (foot - 16.0 - 18 * ((i - 1) / legend_columns)) / (height + foot)
do for [i = 1:legend_count] {
    legend_x_offset = legend_mark(i) < 0 ? 1.6 : 1.2; legend_y_offset = legend_mark(i) < 0 ? 0 : -0.2
    set label 100 + i legend_text(i) at screen legend_x(i), screen legend_y(i) \
        left offset legend_x_offset,legend_y_offset font ",10"
    if (legend_mark(i) >= 0) {
        set label 100 + i point pointtype legend_mark(i) pointsize 1.1 \
            linecolor rgb legend_colour(i)
    }
}
