setting = 'resnet18:stem=small:width=0.125 on cifar10:cifar-10-batches-bin:per-class=500:val=50:test-per-class=500'
panels_count = 1
array panels[1]
panels[1] = 'resnet18:stem=small:width=0.125'
arms_count = 1
array arms[1]
arms[1] = 'scratch'
attentions_count = 10
array attentions[10]
attentions[1] = 'without attention'
attentions[2] = 'SE'
attentions[3] = 'cbam-channel:cpool=max'
attentions[4] = 'cbam-channel'
attentions[5] = 'cbam:spool=conv1x1:k=3'
attentions[6] = 'cbam:spool=conv1x1'
attentions[7] = 'cbam:k=3'
attentions[8] = 'CBAM'
attentions[9] = 'cbam-spatial-first'
attentions[10] = 'cbam-parallel'
seeds_count = 8
latency_models_count = 1
array latency_models[1]
latency_models[1] = 'resnet18:stem=small:width=0.125'
latency_attentions_count = 10
array latency_attentions[10]
latency_attentions[1] = 'without attention'
latency_attentions[2] = 'SE'
latency_attentions[3] = 'cbam-channel:cpool=max'
latency_attentions[4] = 'cbam-channel'
latency_attentions[5] = 'cbam:spool=conv1x1:k=3'
latency_attentions[6] = 'cbam:spool=conv1x1'
latency_attentions[7] = 'cbam:k=3'
latency_attentions[8] = 'CBAM'
latency_attentions[9] = 'cbam-spatial-first'
latency_attentions[10] = 'cbam-parallel'
latency_impls_count = 1
array latency_impls[1]
latency_impls[1] = 'onednn'
latency_title = 'Latency of inference, batch 1, 32 x 32 pixels, 1 threads'
accuracy_low = 51.54
accuracy_high = 57.02
curves_low = 14.1111111
curves_high = 61.8
epochs_low = 12
epochs_high = 12
latency_low = 0.2978625
latency_high = 0.387807
