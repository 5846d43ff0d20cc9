"""Convolution: geometry, choice of the method, and the methods, a folder each."""
