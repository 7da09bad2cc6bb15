forest_count = 6
array forest[6]
forest[1] = 'vgg16_bn:stem=small:width=0.125, scratch'
forest[2] = 'vgg16_bn:stem=small:width=0.125, frozen'
forest[3] = 'vgg16_bn:stem=small:width=0.125, finetune'
forest[4] = 'densenet121:stem=small:width=0.0625, scratch'
forest[5] = 'densenet121:stem=small:width=0.0625, frozen'
forest[6] = 'densenet121:stem=small:width=0.0625, finetune'
forest_low = -14.9333333
forest_high = 6.26666667
forest_width = 45
forest_title = 'Test accuracy with CBAM less without CBAM'
