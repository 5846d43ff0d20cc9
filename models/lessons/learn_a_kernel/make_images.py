"""Write learn_a_kernel.h5, an image of 80x80 and what the kernel makes of it, and the list that names the file."""

from pathlib import Path

import h5py
import numpy as np

from caffelite.examples.scene import grey
from caffelite.testing.reference_convolution import convolve

HERE = Path(__file__).parent
KERNEL = np.array([[0, -1, 0], [0, 2, 0], [0, -1, 0]], float)

image = grey(80).astype(float)[np.newaxis, np.newaxis]
with h5py.File(HERE / "learn_a_kernel.h5", "w") as file:
    for name, values in {"image": image, "filtered": convolve(image, KERNEL[np.newaxis, np.newaxis])}.items():
        file[name] = values.astype(np.float32)
(HERE / "learn_a_kernel.txt").write_text("learn_a_kernel.h5\n")
