"""ImageData: images and labels that a list names. Source: src/caffe/layers/image_data_layer.cpp."""

from __future__ import annotations

import logging
from copy import copy

from caffelite.core import container, random
from caffelite.core.data.batch import ImageBatches
from caffelite.core.data.image_list import ListedImage, read_image_list
from caffelite.core.data.listed_images import ListedImages, Reading
from caffelite.core.errors import LayerError
from caffelite.core.layer import Blobs, Layer, State, register_layer
from caffelite.core.layers.shared.image_files import DATA_PARAM_NOT_READ, batches_ahead_of, read_named
from caffelite.core.layers.shared.prefetching import PrefetchingLayer
from caffelite.core.layers.shared.transforming import draws_key, transformer_of
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")


@register_layer("ImageData")
class ImageDataLayer(PrefetchingLayer):
    """Read batches of the image files that a list names, for ever; a thread reads `data_param.prefetch` batches ahead.

    top[0]: (batch_size, C, H, W); C is 3 (BGR) or, without is_color, 1; H and W are crop_size, else new_height and
        new_width, else those of the first image of each batch.
    top[1]: (batch_size) labels, or (batch_size, label_count).

    A line of the list is `path label`, divided at its last blank, with root_folder in front of the path; with a
    label_count, a field of ours, `path label ... label`. With shuffle each round has another order; rand_skip leaves
    out a random number of lines of the first round. Several solvers each read the whole list. Position, order and skip
    are kept in the layer's state, so that a resumed run goes on with the next image (Caffe starts again).

    Images are decoded and resized by OpenCV, without smoothing, and not turned by their EXIF orientation.

    Raises LayerError for a missing or empty list, and images that do not fit together; DataError, with the line, for an
    image that cannot be read, when its batch is due.
    """

    messages = ("data_param", "image_data_param", "transform_param")
    formula = (
        "y = (image - mean) * {transform_param.scale:g}, cropped and mirrored as transform_param says; "
        "{image_data_param.batch_size} images of the list {image_data_param.source} in each pass"
    )
    not_read = {
        "image_data_param.scale": "write transform_param.scale",
        "image_data_param.mean_file": "write transform_param.mean_file",
        "image_data_param.crop_size": "write transform_param.crop_size",
        "image_data_param.mirror": "write transform_param.mirror",
        "transform_param.force_color": "images are read as image_data_param.is_color says",
        "transform_param.force_gray": "write image_data_param.is_color: false",
        **DATA_PARAM_NOT_READ,
    }
    exact_num_top_blobs = 2

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the list and shape the tops by its first image; reading ahead begins with the first forward."""
        self.batches_ahead = batches_ahead_of(self)
        self._transformer = transformer_of(self)
        self._source = source = _listed_images(self)
        self.loader = ImageBatches(
            source, self._transformer, _batch_size(self), skip_bad=self.context.on_bad_record == "skip"
        )
        self.first_state = {"position": 0, **source.get_state()}
        shape = (_batch_size(self), *self.loader.image_shape())
        top[0].reshape(*shape)
        top[1].reshape(*self.loader.label_shape)
        log.info("output data size: %s", ",".join(map(str, shape)))

    def images(self) -> ListedImages:
        """Return the images by position, for reading one again while the layer's threads read ahead."""
        return copy(self._source)

    def set_state(self, state: State) -> None:
        """Go on with the image after those that were passed, with the draws of the run that passed them."""
        self._transformer.key = draws_key(self)
        super().set_state(state)


def _batch_size(layer: Layer) -> int:
    batch_size = layer.layer_param.image_data_param.batch_size
    if batch_size < 1:
        raise LayerError("image_data_param.batch_size", batch_size, "Positive batch size required; use 1 or more")
    return batch_size


def _listed_images(layer: Layer) -> ListedImages:
    """Return the source of the layer's images: its list, in its order, from the line that rand_skip draws."""
    param = layer.layer_param.image_data_param
    _batch_size(layer)
    size = _size(param)
    is_root = layer.context.solver_rank == 0
    if is_root:
        log.info("Opening file %s", param.source)
    path, (images, doubt) = read_named(
        layer,
        "image_data_param.source",
        param.source,
        "a list of lines `path label`",
        lambda path: read_image_list(path, param.label_count),
    )
    if not images:
        raise LayerError("image_data_param.source", f'"{param.source}"', "File is empty; a line is `path label`")
    if doubt:
        log.warning("%s", doubt)
    if is_root:
        log.info("A total of %d images.", len(images))
    reading = Reading(path, layer.context.folder, param.root_folder, param.is_color, size, param.label_count)
    return ListedImages(images, reading, _skip(layer, images), _shuffle_key(layer))


def _size(param: caffe_pb2.ImageDataParameter) -> tuple[int, int] | None:
    """Return height and width to resize to; None to keep the images' own."""
    height, width = param.new_height, param.new_width
    if bool(height) != bool(width):
        given, missing = ("new_height", "new_width") if height else ("new_width", "new_height")
        raise LayerError(
            f"image_data_param.{missing}",
            0,
            f"new_height and new_width must be set together: {given} is {height or width}",
        )
    if not height:
        return None
    container.require(3 * height * width, f"an image of new_height {height} x new_width {width}")
    return height, width


def _skip(layer: Layer, images: list[ListedImage]) -> int:
    """Return how many lines of the first round are left out; LayerError if it would be all."""
    rand_skip = layer.layer_param.image_data_param.rand_skip
    if not rand_skip:
        return 0
    skip = int(random.generator(layer.context.seed, layer.name, "rand_skip", *_rank(layer)).integers(rand_skip))
    log.info("Skipping first %d data points.", skip)
    if skip >= len(images):
        raise LayerError(
            "image_data_param.rand_skip",
            rand_skip,
            f"Not enough points to skip: {skip} was drawn, and the list has {len(images)} lines; use at most that",
        )
    return skip


def _shuffle_key(layer: Layer) -> int:
    """Return what the order of each round is a function of; 0 to keep the list's."""
    param = layer.layer_param.image_data_param
    if param.shuffle:
        log.info("Shuffling data")
        return random.key(layer.context.seed, layer.name, "shuffle", *_rank(layer)) or 1
    if layer.phase == caffe_pb2.TRAIN and layer.context.solver_rank > 0 and not param.rand_skip:
        log.warning("Shuffling or skipping recommended for multi-GPU: each solver reads the whole list")
    return 0


def _rank(layer: Layer) -> tuple[int, ...]:
    """Return what makes the draws of one solver differ from those of the others."""
    return (layer.context.solver_rank,) if layer.context.solver_rank else ()
