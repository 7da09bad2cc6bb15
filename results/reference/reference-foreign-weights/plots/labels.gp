setting = 'resnet20'
panels_count = 2
array panels[2]
panels[1] = 'fashion-mnist:per-class=50:test-per-class=100'
panels[2] = 'folder:tiny-imagenet-20:size=32'
arms_count = 3
array arms[3]
arms[1] = 'frozen'
arms[2] = 'frozen+attention'
arms[3] = 'finetune'
attentions_count = 5
array attentions[5]
attentions[1] = 'without attention'
attentions[2] = 'CBAM'
attentions[3] = 'cbam-article'
attentions[4] = 'cbam:scale=2'
attentions[5] = 'cbam:alpha'
seeds_count = 8
latency_models_count = 1
array latency_models[1]
latency_models[1] = 'resnet20'
latency_attentions_count = 5
array latency_attentions[5]
latency_attentions[1] = 'without attention'
latency_attentions[2] = 'CBAM'
latency_attentions[3] = 'cbam-article'
latency_attentions[4] = 'cbam:scale=2'
latency_attentions[5] = 'cbam:alpha'
latency_impls_count = 1
array latency_impls[1]
latency_impls[1] = 'onednn'
latency_title = 'Latency of inference, batch 1, 32 x 32 pixels, 1 threads'
accuracy_low = 12.8
accuracy_high = 83.7
curves_low = 1
curves_high = 100
epochs_low = 12
epochs_high = 60
latency_low = 0.798338
latency_high = 0.881521
