# Test accuracy by where attention sits: mean and one standard deviation.
#   gnuplot -c plots/placement.gp FOLDER OUTPUT png|svg
folder = ARG1; target = ARG2; type = ARG3
load "plots/style.gp"
load folder."/placement-labels.gp"
data = folder."/placement.dat"
headline = "Test accuracy by placement: mean ± standard deviation over seeds"
xtitle = "where attention sits"
numeric = 0
load "plots/option_panels.gp"
