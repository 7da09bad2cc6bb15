setting = 'resnet20 on folder:size=32'
panels_count = 3
array panels[3]
panels[1] = 'hymenoptera-128'
panels[2] = 'intel-scenes-128'
panels[3] = 'tiny-imagenet-20'
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
latency_models_count = 1
array latency_models[1]
latency_models[1] = 'resnet20'
latency_attentions_count = 2
array latency_attentions[2]
latency_attentions[1] = 'without attention'
latency_attentions[2] = 'CBAM'
latency_impls_count = 1
array latency_impls[1]
latency_impls[1] = 'onednn'
latency_title = 'Latency of inference, batch 1, 32 x 32 pixels, 1 threads'
accuracy_low = 25.25
accuracy_high = 75.1633987
curves_low = 3.875
curves_high = 100
epochs_low = 16
epochs_high = 60
latency_low = 0.7081935
latency_high = 0.761092
