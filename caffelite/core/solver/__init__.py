"""The solver: Caffe's training loop, its files, events and update rules."""
