networks_count = 1
array networks[1]
networks[1] = 'resnet18:stem=small:width=0.125'
targets_count = 1
array targets[1]
targets[1] = 'cifar10:cifar-10-batches-bin:per-class=500:val=50:test-per-class=500'
pareto_x_low = 0.2978625
pareto_x_high = 0.381693
pareto_low = 52.2596237
pareto_high = 55.9903763
