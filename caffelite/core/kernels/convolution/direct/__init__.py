"""Direct convolution in register tiles, without im2col."""
