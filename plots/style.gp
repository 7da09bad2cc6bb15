# What all plots share. Reads: folder of the data, type of the output (png or svg).
# Colours are those of Okabe and Ito (2008), told apart with any colour vision and in print; point
# types differ too, so that a grey copy can still be read.
load folder."/labels.gp"

array colour[6] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
array point[6] = [7, 9, 5, 11, 13, 15]
shade(i) = colour[1 + (i % 6)]
mark(i) = point[1 + ((i + i / 6) % 6)] # after six series the colours come again with other marks

# Offset of series i of n around a position, so that they stand side by side.
beside(i, n, width) = n > 1 ? (i - (n - 1) / 2.0) * width / n : 0

# The command that opens the output with a size in pixels; `canvas` is its width from then on.
open_output = 'set terminal '.(type eq "svg" \
    ? 'svg noenhanced size %d,%d dynamic font "DejaVu Sans,Helvetica,sans-serif,13"' \
    : 'pngcairo noenhanced size %d,%d font "DejaVu Sans,11"').' background "#FFFFFF"'
set_size(w, h) = (canvas = w, sprintf(open_output, w, h))

# ",SIZE" for a font in which so many characters take no more than so many pixels: at most `most`
# points, and no less than 6.
font_for(characters, pixels, most) = sprintf(",%.1f", 0.74 * most * characters <= pixels ? most \
    : 0.74 * 6 * characters >= pixels ? 6 : pixels / (0.74 * characters))

# The command that lays out panels of equal size, all lengths in pixels: room on the left of each
# for its axis, below for its labels, above for its title; `head` at the top for the title of all, and
# `foot` at the bottom for a legend (legend.gp).
foot = 0; head = 58
set_panels(columns, rows, w, h, left, below, above) = sprintf( \
    "set multiplot layout %d,%d margins %.4f,%.4f,%.4f,%.4f spacing %.4f,%.4f", rows, columns, \
    1.0 * left / (columns * w), 1 - 15.0 / (columns * w), \
    (1.0 * below + foot) / (rows * h + head + foot), 1 - (1.0 * head + above) / (rows * h + head + foot), \
    (left + 15.0) / (columns * w), (below + 1.0 * above) / (rows * h + head + foot))
set_title = 'set label 1 headline at screen 0.5, screen 1 offset 0,-1.2 center ' \
    .'font font_for(strlen(headline), canvas - 16, 13)'

# The same with a second line: what all panels have in common (`setting` of labels.gp).
set_titles = set_title.'; set label 2 setting at screen 0.5, screen 1 offset 0,-2.7 center ' \
    .'font font_for(strlen(setting), canvas - 16, 9) textcolor rgb "#444444"'

# The command that names the vertical axis of a row of panels, and above it the row: a network and
# what it was trained on are put on two lines where they are long.
on_at(name) = strlen(name) > 28 ? strstrt(name, " on ") : 0
broken(name) = on_at(name) > 0 ? name[1:on_at(name) - 1]."\n".name[on_at(name) + 1:*] : name
longest(name) = on_at(name) < strlen(name) / 2 ? strlen(name) - on_at(name) : on_at(name) - 1
set_row(name, axis) = (row_text = broken(name).(strlen(name) > 0 ? "\n" : "").axis, \
    row_font = font_for(longest(name), 260, 9), 'set ylabel row_text font row_font')

# Arms as a grid of cells, at most six beside each other, in as many rows as they need.
if (exists("arms_count")) {
    arm_rows = ceil(arms_count / 6.0)
    arm_columns = ceil(1.0 * arms_count / (arm_rows > 0 ? arm_rows : 1))
}

# Ticks of an axis of percent: never above 100, however far the axis goes. The step fits the range.
# Three places always: what stands left of them is put by their number.
percent_step(range) = range > 60 ? 20 : range > 25 ? 10 : range > 12 ? 5 : range > 5 ? 2 : 1
set_percent_ticks(low, high) = sprintf("set ytics 0,%d,100; set format y '%%3g'", \
    percent_step(high - low))

set encoding utf8
set border 3 linecolor rgb "#444444"
set tics nomirror textcolor rgb "#222222"
set format "%g" # the default begins with a blank, which puts numbers beside their ticks
set grid ytics back linetype 1 linecolor rgb "#DDDDDD" linewidth 1
set key noautotitle
