networks_count = 1
array networks[1]
networks[1] = 'resnet50:stem=small:width=0.125'
targets_count = 2
array targets[2]
targets[1] = 'per-class=10'
targets[2] = 'per-class=50'
pareto_x_low = 0.4448915
pareto_x_high = 0.519568
pareto_low = 38.1798842
pareto_high = 92.3629143
