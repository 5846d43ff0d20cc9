# This package stands for caffelite; `caffelite alias` or `caffelite make-caffe-root` made it.
"""caffelite under the name caffe: `import caffe` gives caffelite itself, and `caffe.io` is the module caffelite.io."""

import sys

try:
    from caffelite.as_caffe import install_as_caffe
except ImportError as err:
    if err.name != "caffelite":
        raise
    raise ImportError(f"{__file__} is caffelite, which {sys.executable} has not: pip install caffelite") from err

del sys.modules[__name__]  # caffelite takes the name
install_as_caffe()
