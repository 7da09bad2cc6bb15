forest_count = 12
array forest[12]
forest[1] = 'resnet50:stem=small:width=0.125, frozen, cbam'
forest[2] = 'resnet50:stem=small:width=0.125, frozen, cbam-article'
forest[3] = 'resnet50:stem=small:width=0.125, frozen, cbam:scale=2'
forest[4] = 'resnet50:stem=small:width=0.125, frozen, cbam:alpha'
forest[5] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam'
forest[6] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam-article'
forest[7] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam:scale=2'
forest[8] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam:alpha'
forest[9] = 'resnet50:stem=small:width=0.125, finetune, cbam'
forest[10] = 'resnet50:stem=small:width=0.125, finetune, cbam-article'
forest[11] = 'resnet50:stem=small:width=0.125, finetune, cbam:scale=2'
forest[12] = 'resnet50:stem=small:width=0.125, finetune, cbam:alpha'
forest_low = -42.4666667
forest_high = 7.66666667
forest_width = 63
forest_title = 'Test accuracy with attention less without attention'
