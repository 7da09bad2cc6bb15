# Test accuracy against the latency of one image, on a logarithmic axis: a point a network, mean and
# one standard deviation, and as a line the front that no other network beats. A panel an arm.
#   gnuplot -c plots/pareto.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"
load folder."/pareto-labels.gp"

columns = arms_count < 2 ? 1 : 2
rows = (arms_count + columns - 1) / columns
eval set_size(520 * columns, 380 * rows + 45)
set output target
data = folder."/pareto.dat"

margin = 0.08 * (pareto_high - pareto_low) + 0.5
set yrange [pareto_low > margin ? pareto_low - margin : 0 : pareto_high + 2.5 * margin]
eval set_percent_ticks(pareto_low, pareto_high)
set logscale x 10
set xrange [pareto_x_low / 1.6 : pareto_x_high * 2.2]
set xlabel "median latency (ms, logarithmic)" offset 0,0.4
set ylabel "test accuracy (%)"
set key top left Left reverse horizontal samplen 1 font ",10"
set datafile missing NaN

headline = "Test accuracy against latency; the line joins what nothing beats"
eval set_panels(columns, rows, 520, 380, 65, 50, 35)
do for [arm = 0:arms_count - 1] {
    if (arm == 0) { eval set_title } else { unset label }
    set title arms[arm + 1] offset 0,-0.4
    plot data index arm using ($3 == 1 ? $4 : NaN):5 with steps linewidth 1.5 \
             linecolor rgb "#999999", \
         data index arm using 4:($5 - $6):(0):(2 * $6) \
             with vectors nohead linewidth 1.3 linecolor rgb "#777777", \
         for [a = 0:attentions_count - 1] data index arm using ($2 == a ? $4 : NaN):5 \
             with points pointtype mark(a) pointsize 1.4 linecolor rgb shade(a) \
             title attentions[a + 1], \
         data index arm using 4:5:7 with labels left offset 0.8,0.5 font ",8" \
             textcolor rgb "#333333"
    unset key
}
unset multiplot
