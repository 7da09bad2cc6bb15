# Differences of test accuracy, one row a comparison: the mean (filled where it was shown to be
# better or worse), its 95 % interval, every seed, and as a grey band what could not have been shown.
#   gnuplot -c plots/forest.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"
load folder."/forest-labels.gp"

left = 45 + 7.8 * forest_width
width = left + 620
height = 133 + 24 * forest_count
eval set_size(width, height)
set output target
data = folder."/forest.dat"

set lmargin at screen left / width
set rmargin at screen 1 - 20.0 / width
set tmargin at screen 1 - 80.0 / height
set bmargin at screen 52.0 / height
room = 0.05 * (forest_high - forest_low) + 0.2
set xrange [(forest_low < 0 ? forest_low : 0) - room : (forest_high > 0 ? forest_high : 0) + room]
set yrange [forest_count - 0.5 : -0.5]
set ytics () scale 0
do for [i = 1:forest_count] { set ytics add (forest[i] i - 1) }
set xlabel "difference of test accuracy (points)"
unset grid
set grid xtics back linetype 1 linecolor rgb "#DDDDDD" linewidth 1
set arrow 1 from 0, graph 0 to 0, graph 1 nohead front linewidth 1.2 linecolor rgb "#444444"
set label 1 forest_title at screen 0.5, screen 1 offset 0,-1.2 center font ",13"
set label 2 setting at screen 0.5, screen 1 offset 0,-2.7 center font ",9" textcolor rgb "#444444"
set label 3 "circle: mean, filled when better or worse; line: 95 % interval; dots: seeds; grey: could not have been shown" \
    at screen 0.5, screen 1 offset 0,-4.2 center font ",9" textcolor rgb "#444444"
set style fill solid 1 noborder

plot data index 0 using (0):1:(-$6):6:($1 - 0.38):($1 + 0.38) with boxxyerror \
         linecolor rgb "#ECECEC", \
     data index 1 using 2:($1 + 0.22) with points pointtype 7 pointsize 0.45 \
         linecolor rgb "#888888", \
     data index 0 using 4:1:($5 - $4):(0) with vectors nohead linewidth 2 linecolor rgb shade(0), \
     data index 0 using 3:($2 == 1 ? $1 : NaN) with points pointtype 7 pointsize 1.5 \
         linecolor rgb shade(1), \
     data index 0 using 3:($2 == 1 ? NaN : $1) with points pointtype 6 pointsize 1.4 linewidth 2 \
         linecolor rgb shade(0)
