"""Names of layer types that mean the same kind of layer, for those who look at the prototxt alone."""

# A Convolution whose group, where it is not written, is the channels of the bottom: the names of three forks.
DEPTHWISE = ("DepthwiseConvolution", "ConvolutionDepthwise", "DepthwiseConvolutionLayer")
CONVOLUTIONS = ("Convolution", *DEPTHWISE, "Deconvolution")
