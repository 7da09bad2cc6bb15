forest_count = 18
array forest[18]
forest[1] = 'resnet50:stem=small:width=0.125, scratch, cbam'
forest[2] = 'resnet50:stem=small:width=0.125, scratch, cbam-article'
forest[3] = 'resnet50:stem=small:width=0.125, scratch, cbam:scale=2'
forest[4] = 'resnet50:stem=small:width=0.125, scratch, cbam:alpha'
forest[5] = 'resnet50:stem=small:width=0.125, scratch, cbam:bn=off'
forest[6] = 'resnet50:stem=small:width=0.125, scratch, control'
forest[7] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam'
forest[8] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam-article'
forest[9] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam:scale=2'
forest[10] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam:alpha'
forest[11] = 'resnet50:stem=small:width=0.125, frozen+attention, cbam:bn=off'
forest[12] = 'resnet50:stem=small:width=0.125, frozen+attention, control'
forest[13] = 'resnet50:stem=small:width=0.125, finetune, cbam'
forest[14] = 'resnet50:stem=small:width=0.125, finetune, cbam-article'
forest[15] = 'resnet50:stem=small:width=0.125, finetune, cbam:scale=2'
forest[16] = 'resnet50:stem=small:width=0.125, finetune, cbam:alpha'
forest[17] = 'resnet50:stem=small:width=0.125, finetune, cbam:bn=off'
forest[18] = 'resnet50:stem=small:width=0.125, finetune, control'
forest_low = -6.93333333
forest_high = 11.8666667
forest_width = 63
forest_title = 'Test accuracy with attention less without attention'
