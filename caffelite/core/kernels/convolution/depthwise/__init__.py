"""Depthwise convolution: one filter a channel."""
