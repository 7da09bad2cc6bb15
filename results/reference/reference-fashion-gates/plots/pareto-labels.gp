networks_count = 1
array networks[1]
networks[1] = 'resnet50:stem=small:width=0.125'
targets_count = 1
array targets[1]
targets[1] = 'fashion-mnist:classes=5-9:test-per-class=300:per-class=50'
pareto_x_low = 0.8026735
pareto_x_high = 1.1039975
pareto_low = 76.610907
pareto_high = 92.3412918
