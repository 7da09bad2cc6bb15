# Learning curves: accuracy on the training images as trained on (dashed) and on the validation
# images (solid, with the spread from the worst to the best seed); a cell an arm, rows for each
# network.
#   gnuplot -c plots/curves.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"

width = 320 * arm_columns; width = width < 560 ? 560 : width
height = 290 * arm_rows * panels_count + head
legend_count = attentions_count; legend_text(i) = attentions[i]
legend_mark(i) = mark(i - 1); legend_colour(i) = shade(i - 1)
load "plots/legend.gp"
eval set_size(width, height + foot)
set output target
curves = folder."/curves.dat"

set yrange [10 * floor(curves_low / 10) : 100]
eval set_percent_ticks(10 * floor(curves_low / 10), 100)
set xrange [0 : epochs_high > 1 ? epochs_high : 1]
set xtics epochs_high > 40 ? 10 * ceil(epochs_high / 40.0) : epochs_high > 10 ? 5 : 1
set xlabel "epoch" offset 0,0.4
set style fill transparent solid 0.18 noborder

block(p, arm, a) = (p * arms_count + arm) * attentions_count + a

headline = "Learning curves, mean over seeds. Solid: validation, with its range. Dashed: training."
eval set_panels(arm_columns, arm_rows * panels_count, width / arm_columns, 290, 85, 45, 30)
do for [p = 0:panels_count - 1] {
    do for [arm = 0:arms_count - 1] {
        if (p + arm == 0) { eval set_titles } else { unset label }
        if (arm % arm_columns == 0) { eval set_row(panels[p + 1], "accuracy (%)") }
        set title arms[arm + 1] offset 0,-0.5
        plot for [a = 0:attentions_count - 1] curves index block(p, arm, a) using 1:6:7 \
                 with filledcurves linecolor rgb shade(a), \
             for [a = 0:attentions_count - 1] curves index block(p, arm, a) using 1:2 \
                 with lines linewidth 1.3 dashtype 2 linecolor rgb shade(a), \
             for [a = 0:attentions_count - 1] curves index block(p, arm, a) using 1:5 \
                 with linespoints linewidth 2 pointtype mark(a) pointsize 0.8 \
                 pointinterval ceil((epochs_high + 1) / 8.0) linecolor rgb shade(a)
        unset ylabel
    }
    do for [cell = arms_count:arm_rows * arm_columns - 1] { set multiplot next }
}
unset multiplot
