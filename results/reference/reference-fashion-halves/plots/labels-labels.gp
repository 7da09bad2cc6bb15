label_panels_count = 1
array label_panels[1]
label_panels[1] = ''
labels_low = 38.1798842
labels_high = 92.3629143
labels_x_low = 10
labels_x_high = 50
labels_ticks = '10,50'
