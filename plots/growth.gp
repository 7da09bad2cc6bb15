# How the time of networks grows with batch, input, width or threads, and what attention costs there:
# a row of panels for each axis that varies, both axes logarithmic on the left.
#   gnuplot -c plots/growth.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"

data = folder."/growth.dat"
rows = growth_axes_count
width = 560
height = 330 + 18 * (growth_series_count + 1)
eval set_size(2 * width, height * rows + 45)
set output target
set linetype 1 linecolor rgb "#999999"

headline = growth_title
eval set_panels(2, rows, width, height, 85, 55, 18 * (growth_series_count + 1) + 15)
set key outside top left Left reverse samplen 2 spacing 0.9 font ",9"
has(axis, series, ratio) = system(sprintf("awk '$1 == %d && $2 == %d && $%d != \"NaN\"' '%s' | wc -l", axis, series, ratio ? 7 : 4, data)) + 0
pick(axis, series, value) = $1 == axis && $2 == series ? value : NaN

do for [a = 0:rows - 1] {
    if (a == 0) { eval set_title } else { unset label }
    set xlabel growth_axes[a + 1]
    set logscale x 2
    set logscale y 10
    set xrange [*:*]
    set offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05
    set yrange [*:*]
    set ylabel "median (ms, logarithmic)"
    unset title
    plot for [s = 0:growth_series_count - 1] data \
             using ($1 == a && $2 == s ? $3 : NaN):4:5:6 with yerrorlines linewidth 1.6 \
             linecolor rgb shade(s) pointtype mark(s) pointsize 0.9 title growth_series[s + 1]
    unset label
    unset logscale y
    set ylabel "time with attention / without"
    plot for [s = 0:growth_series_count - 1] data \
             using ($1 == a && $2 == s && $7 == $7 ? $3 : NaN):7:8:9 with yerrorlines linewidth 1.6 \
             linecolor rgb shade(s) pointtype mark(s) pointsize 0.9 \
             title (has(a, s, 1) > 0 ? growth_series[s + 1] : ""), \
         1 with lines linewidth 1 dashtype 2 linecolor rgb "#999999"
}
unset multiplot
