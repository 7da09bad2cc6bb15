forest_count = 9
array forest[9]
forest[1] = 'resnet18:stem=small:width=0.125, se'
forest[2] = 'resnet18:stem=small:width=0.125, cbam-channel:cpool=max'
forest[3] = 'resnet18:stem=small:width=0.125, cbam-channel'
forest[4] = 'resnet18:stem=small:width=0.125, cbam:spool=conv1x1:k=3'
forest[5] = 'resnet18:stem=small:width=0.125, cbam:spool=conv1x1'
forest[6] = 'resnet18:stem=small:width=0.125, cbam:k=3'
forest[7] = 'resnet18:stem=small:width=0.125, cbam'
forest[8] = 'resnet18:stem=small:width=0.125, cbam-spatial-first'
forest[9] = 'resnet18:stem=small:width=0.125, cbam-parallel'
forest_low = -3
forest_high = 4.38
forest_width = 55
forest_title = 'Test accuracy with attention less without attention'
