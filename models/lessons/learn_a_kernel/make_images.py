"""Write images.h5: an image of 80x80 and what the kernel makes of it, as weights of the layers of train.prototxt."""

from pathlib import Path

import numpy as np

import caffelite
from caffelite.examples.scene import grey
from caffelite.testing.reference_convolution import convolve

HERE = Path(__file__).parent
KERNEL = np.array([[0, -1, 0], [0, 2, 0], [0, -1, 0]], float)

net = caffelite.Net(HERE / "train.prototxt", caffelite.TRAIN)
image = grey(80).astype(float)[np.newaxis, np.newaxis]
net.params["image"][0].data[...] = image
net.params["filtered"][0].data[...] = convolve(image, KERNEL[np.newaxis, np.newaxis])
net.save_hdf5(HERE / "images.h5")
