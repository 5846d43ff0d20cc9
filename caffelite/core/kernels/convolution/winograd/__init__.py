"""Winograd's convolution for 3x3 kernels."""
