forest_count = 9
array forest[9]
forest[1] = 'hymenoptera-128, scratch'
forest[2] = 'hymenoptera-128, frozen'
forest[3] = 'hymenoptera-128, finetune'
forest[4] = 'intel-scenes-128, scratch'
forest[5] = 'intel-scenes-128, frozen'
forest[6] = 'intel-scenes-128, finetune'
forest[7] = 'tiny-imagenet-20, scratch'
forest[8] = 'tiny-imagenet-20, frozen'
forest[9] = 'tiny-imagenet-20, finetune'
forest_low = -11.1111111
forest_high = 11.1111111
forest_width = 26
forest_title = 'Test accuracy with CBAM less without CBAM'
