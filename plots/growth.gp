# How the time of networks grows with batch, input, width or threads, and what attention costs there:
# a row of panels for each axis that varies. Time is logarithmic, and so is what it grows with.
#   gnuplot -c plots/growth.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"

data = folder."/growth.dat"
rows = growth_axes_count
key_height = 17 * growth_series_count
width = 560
height = 330 + key_height
columns = growth_ratios_count > 0 ? 2 : 1
eval set_size(columns * width, height * rows + head)
set output target

headline = growth_title
eval set_panels(columns, rows, width, height, 85, 55, key_height + 12)
set datafile missing "NaN"
set logscale x 2
set autoscale xfix
set offsets graph 0.05, graph 0.05, graph 0.08, graph 0.08

do for [a = 0:rows - 1] {
    if (a == 0) { eval set_title } else { unset label }
    set xlabel growth_axes[a + 1]
    set logscale y 2
    set ylabel "median (ms, logarithmic)"
    set key at graph 0, graph 1.03 bottom left Left reverse samplen 2.5 spacing 0.95 font ",9"
    plot for [s = 0:growth_series_count - 1] data index (a * growth_series_count + s) \
             using 1:2:3:4:xtic(1) with yerrorlines linewidth 1.6 linecolor rgb shade(s) \
             pointtype mark(s) pointsize 0.9 title growth_series[s + 1]
    unset label
    unset logscale y
    unset key
    set ylabel "time with attention / without"
    if (columns > 1) {
        plot 1 with lines linewidth 1 dashtype 2 linecolor rgb "#999999", \
             for [k = 1:growth_ratios_count] s = growth_ratios[k] \
             data index (a * growth_series_count + s) using 1:5:6:7:xtic(1) with yerrorlines \
             linewidth 1.6 linecolor rgb shade(s) pointtype mark(s) pointsize 0.9
    }
}
unset multiplot
