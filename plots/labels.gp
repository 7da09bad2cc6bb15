# Test accuracy against labelled images per class, mean and one standard deviation over seeds; a
# column an arm, rows for each network.
#   gnuplot -c plots/labels.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"
load folder."/labels-labels.gp"

width = 320 * arm_columns; width = width < 560 ? 560 : width
height = 290 * arm_rows * label_panels_count + head
legend_count = attentions_count; legend_text(i) = attentions[i]
legend_mark(i) = mark(i - 1); legend_colour(i) = shade(i - 1)
load "plots/legend.gp"
eval set_size(width, height + foot)
set output target
data = folder."/labels.dat"

margin = 0.06 * (labels_high - labels_low) + 0.5
set yrange [labels_low > margin ? labels_low - margin : 0 : labels_high + margin]
eval set_percent_ticks(labels_low, labels_high)
set logscale x 10
set xrange [labels_x_low / 1.5 : labels_x_high * 1.5]
eval "set xtics (".labels_ticks.")"
set xlabel "labelled images per class" offset 0,0.4
apart(a) = 1 + 0.06 * (a - (attentions_count - 1) / 2.0)
block(p, arm, a) = (p * arms_count + arm) * attentions_count + a

headline = "Test accuracy against labels: mean ± standard deviation over seeds"
eval set_panels(arm_columns, arm_rows * label_panels_count, width / arm_columns, 290, 85, 45, 30)
do for [p = 0:label_panels_count - 1] {
    do for [arm = 0:arms_count - 1] {
        if (p + arm == 0) { eval set_titles } else { unset label }
        if (arm % arm_columns == 0) { eval set_row(label_panels[p + 1], "test accuracy (%)") }
        set title arms[arm + 1] offset 0,-0.5
        plot for [a = 0:attentions_count - 1] data index block(p, arm, a) \
                 using ($1 * apart(a)):($2 - $3):(0):(2 * $3) \
                 with vectors nohead linewidth 1.3 linecolor rgb shade(a), \
             for [a = 0:attentions_count - 1] data index block(p, arm, a) \
                 using ($1 * apart(a)):2 with linespoints linewidth 2 pointtype mark(a) \
                 linecolor rgb shade(a)
        unset ylabel
    }
    do for [cell = arms_count:arm_rows * arm_columns - 1] { set multiplot next }
}
unset multiplot
