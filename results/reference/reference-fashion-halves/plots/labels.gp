setting = 'resnet50:stem=small:width=0.125 on fashion-mnist:classes=5-9:test-per-class=300'
panels_count = 2
array panels[2]
panels[1] = 'per-class=10'
panels[2] = 'per-class=50'
arms_count = 13
array arms[13]
arms[1] = 'scratch'
arms[2] = 'frozen-random'
arms[3] = 'frozen'
arms[4] = 'frozen+attention'
arms[5] = 'head+bn'
arms[6] = 'top:1'
arms[7] = 'top:2'
arms[8] = 'top:3'
arms[9] = 'top:4'
arms[10] = 'finetune'
arms[11] = 'finetune, backbone rate x0.1'
arms[12] = 'lp-ft'
arms[13] = 'gradual'
attentions_count = 2
array attentions[2]
attentions[1] = 'without attention'
attentions[2] = 'CBAM'
seeds_count = 8
latency_models_count = 1
array latency_models[1]
latency_models[1] = 'resnet50:stem=small:width=0.125'
latency_attentions_count = 2
array latency_attentions[2]
latency_attentions[1] = 'without attention'
latency_attentions[2] = 'CBAM'
latency_impls_count = 1
array latency_impls[1]
latency_impls[1] = 'onednn'
latency_title = 'Latency of inference, batch 1, 28 x 28 pixels, 1 threads'
accuracy_low = 34.0666667
accuracy_high = 92.4666667
curves_low = 0
curves_high = 100
epochs_low = 20
epochs_high = 60
latency_low = 0.4448915
latency_high = 0.531881
