setting = 'fashion-mnist:classes=5-9:per-class=50:test-per-class=300'
panels_count = 2
array panels[2]
panels[1] = 'vgg16_bn:stem=small:width=0.125'
panels[2] = 'densenet121:stem=small:width=0.0625'
arms_count = 3
array arms[3]
arms[1] = 'scratch'
arms[2] = 'frozen'
arms[3] = 'finetune'
attentions_count = 2
array attentions[2]
attentions[1] = 'without attention'
attentions[2] = 'CBAM'
seeds_count = 8
latency_models_count = 2
array latency_models[2]
latency_models[1] = 'vgg16_bn:stem=small:width=0.125'
latency_models[2] = 'densenet121:stem=small:width=0.0625'
latency_attentions_count = 2
array latency_attentions[2]
latency_attentions[1] = 'without attention'
latency_attentions[2] = 'CBAM'
latency_impls_count = 1
array latency_impls[1]
latency_impls[1] = 'onednn'
latency_title = 'Latency of inference, batch 1, 28 x 28 pixels, 1 threads'
accuracy_low = 56.0666667
accuracy_high = 93.5333333
curves_low = 8
curves_high = 100
epochs_low = 20
epochs_high = 60
latency_low = 0.0865435
latency_high = 0.569247
