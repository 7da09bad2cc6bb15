networks_count = 1
array networks[1]
networks[1] = 'resnet20'
targets_count = 3
array targets[3]
targets[1] = 'hymenoptera-128'
targets[2] = 'intel-scenes-128'
targets[3] = 'tiny-imagenet-20'
pareto_x_low = 0.7081935
pareto_x_high = 0.757807
pareto_low = 26.4571571
pareto_high = 74.5593913
