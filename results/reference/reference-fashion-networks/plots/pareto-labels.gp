networks_count = 2
array networks[2]
networks[1] = 'vgg16_bn:stem=small:width=0.125'
networks[2] = 'densenet121:stem=small:width=0.0625'
targets_count = 1
array targets[1]
targets[1] = 'fashion-mnist:classes=5-9:per-class=50:test-per-class=300'
pareto_x_low = 0.0865435
pareto_x_high = 0.55435
pareto_low = 57.9842278
pareto_high = 92.9603877
