networks_count = 1
array networks[1]
networks[1] = 'resnet20'
targets_count = 2
array targets[2]
targets[1] = 'fashion-mnist:per-class=50:test-per-class=100'
targets[2] = 'folder:tiny-imagenet-20:size=32'
pareto_x_low = 0.798338
pareto_x_high = 0.874416
pareto_low = 15.2170476
pareto_high = 83.6137465
