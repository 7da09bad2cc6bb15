setting = 'resnet50:stem=small:width=0.125 on fashion-mnist:classes=5-9:test-per-class=300:per-class=50'
panels_count = 1
array panels[1]
panels[1] = 'resnet50:stem=small:width=0.125'
arms_count = 3
array arms[3]
arms[1] = 'scratch'
arms[2] = 'frozen+attention'
arms[3] = 'finetune'
attentions_count = 7
array attentions[7]
attentions[1] = 'without attention'
attentions[2] = 'CBAM'
attentions[3] = 'cbam-article'
attentions[4] = 'cbam:scale=2'
attentions[5] = 'cbam:alpha'
attentions[6] = 'cbam:bn=off'
attentions[7] = 'control'
seeds_count = 8
latency_models_count = 1
array latency_models[1]
latency_models[1] = 'resnet50:stem=small:width=0.125'
latency_attentions_count = 7
array latency_attentions[7]
latency_attentions[1] = 'without attention'
latency_attentions[2] = 'CBAM'
latency_attentions[3] = 'cbam-article'
latency_attentions[4] = 'cbam:scale=2'
latency_attentions[5] = 'cbam:alpha'
latency_attentions[6] = 'cbam:bn=off'
latency_attentions[7] = 'control'
latency_impls_count = 1
array latency_impls[1]
latency_impls[1] = 'onednn'
latency_title = 'Latency of inference, batch 1, 28 x 28 pixels, 1 threads'
accuracy_low = 75.2
accuracy_high = 92.8
curves_low = 8
curves_high = 100
epochs_low = 20
epochs_high = 20
latency_low = 0.8026735
latency_high = 1.133166
