# Test accuracy against the latency of one image, on a logarithmic axis where it is long: a mark an
# attention, mean and one standard deviation, and as a grey line the front that no other network
# beats. Where there are several networks, a dotted line joins what one of them is with each
# attention, and begins at its number. A cell an arm, rows for each target.
#   gnuplot -c plots/pareto.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"
load folder."/pareto-labels.gp"

# The legend has the attentions, then the networks with their numbers.
width = 380 * arm_columns; height = 320 * arm_rows * targets_count + head
width = width < 560 ? 560 : width
numbered = networks_count > 1 # one network is named under the title
legend_count = attentions_count + (numbered ? networks_count : 0)
legend_text(i) = i <= attentions_count ? attentions[i] \
                                       : sprintf("%d: ", i - attentions_count) \
                                         .networks[i - attentions_count]
legend_mark(i) = i <= attentions_count ? mark(i - 1) : -1
legend_colour(i) = shade(i - 1)
load "plots/legend.gp"
eval set_size(width, height + foot)
set output target
data = folder."/pareto.dat"

margin = 0.08 * (pareto_high - pareto_low) + 0.5
set yrange [pareto_low > margin ? pareto_low - margin : 0 : pareto_high + margin]
eval set_percent_ticks(pareto_low, pareto_high)
power_of(x) = 10.0 ** floor(log10(x))
nice_digit(x) = x < 1.5 ? 1 : x < 3.5 ? 2 : x < 7.5 ? 5 : 10
nice_step(x) = nice_digit(x / power_of(x)) * power_of(x)
if (pareto_x_high > 5 * pareto_x_low) {
    set logscale x 10
    set xrange [pareto_x_low / 1.6 : pareto_x_high * 1.6]
    set xtics ()
    do for [power = floor(log10(pareto_x_low)) - 1 : ceil(log10(pareto_x_high))] {
        do for [digit in "1 2 5"] { set xtics add (digit * 10.0 ** power) }
    }
    set xlabel "median latency (ms, logarithmic)" offset 0,0.4
} else {
    room = 0.15 * (pareto_x_high - pareto_x_low) + 0.02 * pareto_x_high
    set xrange [pareto_x_low - room : pareto_x_high + room]
    set xtics nice_step((pareto_x_high - pareto_x_low + 2 * room) / 4)
    set xlabel "median latency (ms)" offset 0,0.4
}
set datafile missing NaN

# The number of a network at the first point of it, the fastest: `seen` has those that were drawn.
network_tag(n) = sprintf("<%d>", n)
number_once(n) = !numbered || strstrt(seen, network_tag(n)) > 0 ? "" \
    : (seen = seen.network_tag(n), sprintf("%d", n + 1))

headline = "Test accuracy against latency; the line joins what nothing beats"
eval set_panels(arm_columns, arm_rows * targets_count, width / arm_columns, 320, 85, 50, 30)
do for [t = 0:targets_count - 1] {
    do for [arm = 0:arms_count - 1] {
        if (t + arm == 0) { eval set_titles } else { unset label }
        if (arm % arm_columns == 0) { eval set_row(targets_count > 1 ? targets[t + 1] : "", "test accuracy (%)") }
        set title arms[arm + 1] offset 0,-0.5
        block = t * arms_count + arm
        seen = ""
        plot data index block using ($3 == 1 ? $4 : NaN):5 with steps linewidth 2 \
                 linecolor rgb "#BBBBBB", \
             for [n = 0:numbered * networks_count - 1] data index block \
                 using ($7 == n ? $4 : NaN):5 with lines dashtype 3 linecolor rgb "#777777", \
             data index block using 4:($5 - $6):(0):(2 * $6) \
                 with vectors nohead linewidth 1.3 linecolor rgb "#777777", \
             for [a = 0:attentions_count - 1] data index block using ($2 == a ? $4 : NaN):5 \
                 with points pointtype mark(a) pointsize 1.4 linecolor rgb shade(a), \
             data index block using 4:5:(number_once($7)) with labels right offset -0.7,0.5 \
                 font ",9" textcolor rgb "#222222"
        unset ylabel
    }
    do for [cell = arms_count:arm_rows * arm_columns - 1] { set multiplot next }
}
unset multiplot
