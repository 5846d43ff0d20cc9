"""1x1 convolution."""
