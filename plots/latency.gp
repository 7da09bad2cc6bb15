# Latency of whole networks by implementation, on a logarithmic axis, with the interval of the
# median.
#   gnuplot -c plots/latency.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"

columns = latency_models_count < 2 ? 1 : 2
rows = (latency_models_count + columns - 1) / columns
width = 140 + 75 * latency_impls_count * latency_attentions_count
width = width < 460 ? 460 : width
eval set_size(width * columns, 380 * rows + head)
set output target
data = folder."/latency.dat"

set logscale y 10
set yrange [10 ** floor(log10(latency_low) - 0.15) : latency_high * 3]
set xrange [-0.6 : latency_impls_count - 0.4]
set xtics () scale 0
do for [i = 1:latency_impls_count] { set xtics add (latency_impls[i] i - 1) }
set ylabel "median (ms, logarithmic)"
set style fill solid 0.85 noborder
set key top right Left reverse horizontal samplen 1.5
bar = 0.7 / latency_attentions_count
x(impl, attention) = impl + beside(attention, latency_attentions_count, 0.7)
text(ms) = sprintf(ms < 1 ? "%.3f" : ms < 10 ? "%.2f" : ms < 100 ? "%.1f" : "%.0f", ms)

headline = latency_title
eval set_panels(columns, rows, width, 380, 85, 35, 35)
do for [m = 0:latency_models_count - 1] {
    if (m == 0) { eval set_title } else { unset label }
    set title latency_models[m + 1] offset 0,-0.4
    plot for [a = 0:latency_attentions_count - 1] data \
             using ($1 == m && $2 == a ? x($3, a) : NaN):4:(bar * 0.92) \
             with boxes linecolor rgb shade(a) title latency_attentions[a + 1], \
         for [a = 0:latency_attentions_count - 1] data \
             using ($1 == m && $2 == a ? x($3, a) : NaN):5:(0):($6 - $5) \
             with vectors nohead linewidth 1.6 linecolor rgb "#222222", \
         for [a = 0:latency_attentions_count - 1] data \
             using ($1 == m && $2 == a ? x($3, a) : NaN):($4 > $6 ? $4 : $6):(text($4)) \
             with labels center offset 0,0.7 font ",9" textcolor rgb "#222222"
    unset key
}
unset multiplot
