# Layers of networks under the machine's roofs (Williams, Waterman and Patterson 2009): operations a
# second over operations a byte, both logarithmic. A point is a layer; its size is its share of the
# time. Points over the roof of memory take their maps from a cache.
#   gnuplot -c plots/roofline.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"

data = folder."/roofline.dat"
columns = roofline_panels_count < 2 ? 1 : 2
rows = (roofline_panels_count + columns - 1) / columns
width = 640
height = 470
eval set_size(width * columns, height * rows + head)
set output target

set logscale xy 10
set xrange [0.05:500]
set xlabel "operations per byte"
set ylabel "GFLOP/s"
set key bottom right Right samplen 1.5 spacing 0.9 font ",9"
size_of(share) = 0.5 + 0.45 * sqrt(share)
kind(b) = int(block_kind[b + 1])
other_mark(k) = mark(k + k / 6) # colours repeat after six: then with other points
least(a, b) = a < b ? a : b

headline = "Layers, timed inside the network, under the machine's roofs"
if (roofline_all > roofline_panels_count) {
    headline = headline.sprintf(" (the first %d of %d)", roofline_panels_count, roofline_all)
}
eval set_panels(columns, rows, width, height, 80, 55, 35)
do for [p = 0:roofline_panels_count - 1] {
    if (p == 0) { eval set_title } else { unset label }
    set title roofline_panels[p + 1] offset 0,-0.5 font ",10"
    top = roof_gflops[p + 1]; memory = roof_memory[p + 1]; cache = roof_cache[p + 1]
    set yrange [top / 2000 : top * 3]
    plot least(top, memory * x) with lines linewidth 2 linecolor rgb "#222222" \
             title sprintf("%.0f GFLOP/s, memory %.0f GB/s", top, memory), \
         least(top, cache * x) with lines linewidth 1.2 dashtype 2 linecolor rgb "#777777" \
             title sprintf("last cache %.0f GB/s", cache), \
         for [b = first_block[p + 1]:last_block[p + 1]] data index b \
             using 1:2:(size_of($3)) with points pointsize variable \
             pointtype other_mark(kind(b)) linecolor rgb shade(kind(b)) \
             title roofline_kinds[kind(b) + 1]
}
unset multiplot
