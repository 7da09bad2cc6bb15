# Test accuracy against the reduction ratio of the channel gate: mean and one standard deviation.
#   gnuplot -c plots/reduction.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"
load folder."/reduction-labels.gp"
data = folder."/reduction.dat"
headline = "Test accuracy against the reduction ratio: mean ± standard deviation over seeds"
xtitle = "reduction ratio r"
numeric = 1
load "plots/option_panels.gp"
