# What reduction.gp and placement.gp share: curves of attentions that differ in one option, and the
# baseline as a dashed line with its deviation as a band. Reads data, headline, xtitle, numeric.
width = 340 * arm_columns; width = width < 560 ? 560 : width
height = 290 * arm_rows * panels_count + head
legend_count = curves_count + 1
legend_text(i) = i == 1 ? "without attention (dashed)" : curves[i - 1]
legend_mark(i) = i == 1 ? 5 : mark(i - 1); legend_colour(i) = i == 1 ? "#BBBBBB" : shade(i - 1)
load "plots/legend.gp"
eval set_size(width, height + foot)
set output target

margin = 0.06 * (option_high - option_low) + 0.5
set yrange [option_low > margin ? option_low - margin : 0 : option_high + margin]
eval set_percent_ticks(option_low, option_high)
set xlabel xtitle offset 0,0.4
if (numeric) {
    set logscale x 2
    set xrange [option_x_low / 1.4 : option_x_high * 1.4]
    baseline_from = option_x_low / 1.4; baseline_to = option_x_high * 1.4
} else {
    set xrange [-0.5 : words_count - 0.5]
    set xtics () scale 0
    do for [i = 1:words_count] { set xtics add (words[i] i - 1) }
    baseline_from = -0.5; baseline_to = words_count - 0.5
}
set style fill transparent solid 0.15 noborder
apart(x, c) = numeric ? x * (1 + 0.05 * (c - (curves_count - 1) / 2.0)) \
                      : x + beside(c, curves_count, 0.3)
block(p, arm, c) = (p * arms_count + arm) * (curves_count + 1) + c

eval set_panels(arm_columns, arm_rows * panels_count, width / arm_columns, 290, 85, 45, 30)
do for [p = 0:panels_count - 1] {
    do for [arm = 0:arms_count - 1] {
        if (p + arm == 0) { eval set_titles } else { unset label }
        if (arm % arm_columns == 0) { eval set_row(panels[p + 1], "test accuracy (%)") }
        set title arms[arm + 1] offset 0,-0.5
        plot data index block(p, arm, 0) \
                 using (baseline_from):2:(baseline_from):(baseline_to):($2 - $3):($2 + $3) \
                 with boxxyerror linecolor rgb "#777777", \
             data index block(p, arm, 0) using (baseline_from):2:(baseline_to - baseline_from):(0) \
                 with vectors nohead dashtype 2 linewidth 1.5 linecolor rgb "#444444", \
             for [c = 1:curves_count] data index block(p, arm, c) \
                 using (apart($1, c - 1)):($2 - $3):(0):(2 * $3) \
                 with vectors nohead linewidth 1.3 linecolor rgb shade(c), \
             for [c = 1:curves_count] data index block(p, arm, c) using (apart($1, c - 1)):2 \
                 with linespoints linewidth 2 pointtype mark(c) linecolor rgb shade(c)
        unset ylabel
    }
    do for [cell = arms_count:arm_rows * arm_columns - 1] { set multiplot next }
}
unset multiplot
