# Test accuracy by transfer arm, with and without attention: a point a seed, a bar at the mean,
# and a line of one standard deviation each way. One panel a network.
#   gnuplot -c plots/accuracy.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"

each = attentions_count > 4 ? 32 * attentions_count : 130 # pixels of an arm
panel_width = 160 + each * arms_count
panel_width = panels_count < 2 && panel_width < 520 ? 520 : panel_width # room for the titles
columns = panels_count < 2 || panel_width > 900 ? 1 : 2
rows = (panels_count + columns - 1) / columns
width = panel_width * columns; height = 400 * rows + head
legend_count = attentions_count; legend_text(i) = attentions[i]
legend_mark(i) = mark(i - 1); legend_colour(i) = shade(i - 1)
load "plots/legend.gp"
eval set_size(width, height + foot)
set output target

points = folder."/accuracy-points.dat"
means = folder."/accuracy-means.dat"

# One scale for all panels, so that they can be compared.
margin = 0.06 * (accuracy_high - accuracy_low) + 0.5
set yrange [accuracy_low > margin ? accuracy_low - margin : 0 : accuracy_high + margin]
eval set_percent_ticks(accuracy_low, accuracy_high)
set xrange [-0.5 : arms_count - 0.5]
set xtics () scale 0
two_lines(text) = strstrt(text, ", ") > 0 \
    ? text[1:strstrt(text, ", ")]."\n".text[strstrt(text, ", ") + 2:*] : text
do for [i = 1:arms_count] { set xtics add (two_lines(arms[i]) i - 1) }
set ylabel "test accuracy (%)"

# Points of a seed to the left of the mean and its spread.
x(arm, attention) = arm + beside(attention, attentions_count, attentions_count > 2 ? 0.9 : 0.72)
unit = attentions_count > 2 ? 2.2 / attentions_count : 1 # of two attentions
xs(arm, attention, seed) = x(arm, attention) - 0.05 * unit + beside(seed, seeds_count, 0.16 * unit)

headline = "Test accuracy after transfer: each seed, mean ± standard deviation"
eval set_panels(columns, rows, panel_width, 400, 65, 40, 35)
do for [p = 1:panels_count] {
    if (p == 1) { eval set_titles } else { unset label }
    set title panels[p] offset 0,-0.4
    plot for [a = 0:attentions_count - 1] points \
             using ($1 == p - 1 && $3 == a ? xs($2, a, $4) : NaN):5 \
             with points pointtype mark(a) pointsize 0.9 linecolor rgb shade(a), \
         for [a = 0:attentions_count - 1] means \
             using ($1 == p - 1 && $3 == a ? x($2, a) + 0.11 * unit : NaN):($5 - $6):(0):(2 * $6) \
             with vectors nohead linewidth 1.6 linecolor rgb shade(a), \
         for [a = 0:attentions_count - 1] means \
             using ($1 == p - 1 && $3 == a ? x($2, a) + 0.05 * unit : NaN):5:(0.12 * unit):(0) \
             with vectors nohead linewidth 3.5 linecolor rgb shade(a)
}
unset multiplot
