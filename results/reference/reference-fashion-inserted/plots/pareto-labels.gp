networks_count = 1
array networks[1]
networks[1] = 'resnet50:stem=small:width=0.125'
targets_count = 1
array targets[1]
targets[1] = 'fashion-mnist:classes=5-9:test-per-class=300:per-class=50'
pareto_x_low = 0.7738765
pareto_x_high = 0.8930135
pareto_low = 44.3754475
pareto_high = 92.4917129
