"""A net without its data: layers that would read what is not there become Input layers of the same shapes.

So a net can be built, drawn and checked before its database has been made. Only the shapes are right: the values are 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from caffelite.core.blob import Shape
from caffelite.core.data import included
from caffelite.core.data.hdf5_files import known_row_shapes, missing_hdf5_file
from caffelite.core.data.image_list import first_path
from caffelite.core.data.listed_images import Reading, found_image
from caffelite.core.data.mean import read_mean
from caffelite.core.errors import DataError, LayerError, UnknownNameError, WeightsError
from caffelite.core.files import NoSuchFileError, find_file
from caffelite.core.net.plan import with_location
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.filter import included as is_included
from caffelite.core.prototxt.suggest import any_of, did_you_mean
from caffelite.proto.caffe_pb2 import ImageDataParameter, LayerParameter, NetParameter

# Types that read files, and the message that names these.
READERS = {
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "WindowData": "window_data_param",
}
GREY, COLOUR = 1, 3  # channels
WEIGHT_FILLERS = ("weight_filler", "bias_filler", "filler")


class Replacement(NamedTuple):
    """A layer that became an Input layer: its number in the draft, its type before, the shapes of its tops, and why.

    `reason` is such as `data_param.source "train_lmdb" is not there`; `assumed` says what nothing in the file tells
    about the shapes and was taken for granted, "" for nothing.
    """

    layer_index: int
    type: str
    shapes: dict[str, Shape]
    reason: str
    assumed: str = ""


class WithoutData(NamedTuple):
    """The draft, its layers in the same places as before, and what was replaced."""

    draft: Draft
    replacements: list[Replacement]


def without_data(
    draft: Draft, shapes: Mapping[str, Sequence[int]] | None = None, folder: Path | None = None
) -> WithoutData:
    """Return the net with Input layers in place of the data layers whose source or mean file is not there.

    `shapes`, blob -> shape, wins over what is deduced: a layer without bottoms, of any type, one of whose tops is named
    there is replaced, too, and so an Input layer can be given another batch size. Layers that the state of the net
    leaves out stay as they are. `folder` is the net's own, where files are looked for after the working directory. The
    databases of `caffelite dataset` need not be there for their shapes to be known.

    Raises LayerError, with file, line and what to give, for a top whose shape cannot be told, and UnknownNameError for
    a name in `shapes` that no such layer makes.
    """
    given = {name: tuple(shape) for name, shape in (shapes or {}).items()}
    layers = list(draft.layers)
    makers = [i for i, layer in enumerate(layers) if not layer.bottom and is_included(layer, draft.param.state)]
    _refuse_unknown(given, [top for index in makers for top in layers[index].top])
    replacements = []
    for index in makers:
        layer = layers[index]
        try:
            replacement = _replacement(index, layer, given, folder)
        except LayerError as err:
            raise with_location(err, layer, draft.places[index]) from None
        if replacement is not None:
            layers[index] = _input_layer(layer, replacement.shapes)
            replacements.append(replacement)
    return WithoutData(draft.with_layers(layers, draft.places), replacements)


def without_fillers(draft: Draft) -> Draft:
    """Return the net without the fillers of its weights: for its shapes alone, without the time that drawing takes."""
    layers = []
    for layer in draft.layers:
        changed = LayerParameter()
        changed.CopyFrom(layer)
        for _, message in changed.ListFields():
            for name in getattr(message, "DESCRIPTOR", NetParameter.DESCRIPTOR).fields_by_name:
                if name in WEIGHT_FILLERS:
                    message.ClearField(name)
        layers.append(changed)
    return draft.with_layers(layers, draft.places)


def _refuse_unknown(given: Mapping[str, Shape], tops: Sequence[str]) -> None:
    for name in given:
        if name not in tops:
            known = did_you_mean(name, tops) or (f"; there are {any_of(tops)}" if tops else "")
            raise UnknownNameError(f'a shape is given for "{name}", but no layer without bottoms makes that{known}')


def _replacement(
    index: int, layer: LayerParameter, given: Mapping[str, Shape], folder: Path | None
) -> Replacement | None:
    """Return what takes the place of a layer; None if it stays."""
    chosen = {top: given[top] for top in layer.top if top in given}
    absent = _absent(layer, folder) if layer.type in READERS else ""
    if not chosen and not absent:
        return None
    known, assumed = chosen, ""
    if len(chosen) < len(layer.top):
        deduced, assumed = _deduced(layer, chosen, folder) if layer.type in READERS else (_written(layer), "")
        known = {**deduced, **chosen}
    for top in layer.top:
        if top not in known:
            raise _untold(layer, top, "64,10")
    return Replacement(index, layer.type, {top: known[top] for top in layer.top}, absent or "shapes are given", assumed)


def _input_layer(layer: LayerParameter, shapes: Mapping[str, Shape]) -> LayerParameter:
    """Return an Input layer with the name, tops and rules of `layer`."""
    made = LayerParameter(name=layer.name, type="Input", top=layer.top, include=layer.include, exclude=layer.exclude)
    for top in layer.top:
        made.input_param.shape.add(dim=shapes[top])
    return made


def _written(layer: LayerParameter) -> dict[str, Shape]:
    """Return the shapes that an Input layer has written in it."""
    shapes = [tuple(shape.dim) for shape in layer.input_param.shape]
    return dict(zip(layer.top, shapes * len(layer.top) if len(shapes) == 1 else shapes, strict=False))


def _absent(layer: LayerParameter, folder: Path | None) -> str:
    """Return which of the files that the layer names is not there; "" if all are."""
    message = READERS[layer.type]
    files = {f"{message}.source": getattr(layer, message).source}
    if layer.transform_param.HasField("mean_file"):
        files["transform_param.mean_file"] = layer.transform_param.mean_file
    for field, name in files.items():
        if not _found(name, folder):
            return f'{field} "{name}" is not there'
    if layer.type == "HDF5Data":
        return _absent_of_list(layer.hdf5_data_param.source, folder)
    if layer.type == "ImageData":
        return _absent_image(layer.image_data_param, folder)
    return ""


def _absent_of_list(source: str, folder: Path | None) -> str:
    """Return which of the HDF5 files that the list names is not there; "" if all are, or the layer refuses the list."""
    try:
        name = missing_hdf5_file(source, folder)
    except DataError:
        return ""
    return f'"{name}", which hdf5_data_param.source "{source}" lists, is not there' if name else ""


def _absent_image(param: ImageDataParameter, folder: Path | None) -> str:
    """Return that the first image of a list is not there; "" if it is, or the list cannot be read."""
    place = _found(param.source, folder)
    if place is None:
        return ""
    try:
        path = first_path(place, param.label_count)
        if path:
            found_image(Reading(place, folder, param.root_folder), path)
    except NoSuchFileError:
        return f'the first image of image_data_param.source "{param.source}", "{param.root_folder}{path}", is not there'
    except (OSError, DataError):
        return ""  # the layer says what is wrong
    return ""


def _found(name: str, folder: Path | None) -> Path | None:
    try:
        return find_file(name, folder)
    except NoSuchFileError:
        return None


def _deduced(layer: LayerParameter, chosen: Mapping[str, Shape], folder: Path | None) -> tuple[dict[str, Shape], str]:
    """Return shapes of tops, of images and of one label an image, and what had to be assumed.

    An HDF5 file that is not there may hold anything; another one of the same list tells.
    """
    message = READERS[layer.type]
    batch_size = getattr(layer, message).batch_size
    if batch_size < 1:
        raise LayerError(f"{message}.batch_size", batch_size, "use 1 or more")
    if layer.type == "HDF5Data":
        return _of_rows(layer, folder), ""
    labels = (layer.image_data_param.label_count,) if layer.image_data_param.label_count else ()
    shapes: dict[str, Shape] = {top: (batch_size, *labels) for top in layer.top[1:2]}
    assumed = ""
    for top in layer.top[:1]:
        if top not in chosen:
            image_shape, assumed = _image_shape(layer, getattr(layer, message), folder)
            shapes[top] = (batch_size, *image_shape)
    return shapes, assumed


def _of_rows(layer: LayerParameter, folder: Path | None) -> dict[str, Shape]:
    """Return the shapes of the tops that can be told; the first is cropped as transform_param says."""
    param = layer.hdf5_data_param
    try:
        rows = known_row_shapes(param.source, folder, list(layer.top))
    except DataError as err:
        raise LayerError("hdf5_data_param.source", f'"{param.source}"', str(err)) from None
    shapes = {top: (param.batch_size, *shape) for top, shape in rows.items()}
    first, crop_size = layer.top[0], layer.transform_param.crop_size
    if crop_size and first in shapes:
        shapes[first] = (*shapes[first][:2], crop_size, crop_size)
    return shapes


def _image_shape(layer: LayerParameter, param: Any, folder: Path | None) -> tuple[Shape, str]:
    """Return (C, H, W) of the layer's images, cropped, and what had to be assumed."""
    transform = layer.transform_param
    channels, height, width = _stored_shape(layer, param.source, folder)
    if transform.force_color or layer.type == "WindowData":
        channels = COLOUR
    elif transform.force_gray:
        channels = GREY
    elif layer.type == "ImageData":
        channels = COLOUR if param.is_color else GREY
    elif not channels and len(transform.mean_value) > 1:  # a single one is for all channels
        channels = len(transform.mean_value)
    if layer.type == "ImageData" and param.new_height and param.new_width:
        height, width = param.new_height, param.new_width
    crop_size = transform.crop_size or (param.crop_size if layer.type == "WindowData" else 0)
    if crop_size:
        height = width = crop_size
    if not height:
        raise _untold(layer, layer.top[0], f"{param.batch_size},{channels or COLOUR},224,224")
    assumed = "" if channels else f"{COLOUR} channels are assumed, as of colour images"
    return (channels or COLOUR, height, width), assumed


def _stored_shape(layer: LayerParameter, source: str, folder: Path | None) -> Shape:
    """Return the (C, H, W) of the images as they are stored: of a data set known by its name, else of the mean file.

    Zeros if nothing tells.
    """
    records = included.records_of(source)
    if records is not None:
        return records.shape
    mean_file = layer.transform_param.mean_file
    place = _found(mean_file, folder) if mean_file else None
    if place is None:
        return (0, 0, 0)
    try:
        shape = read_mean(place).shape
    except (WeightsError, OSError) as err:
        raise LayerError("transform_param.mean_file", f'"{mean_file}"', f"it cannot be read: {err}") from None
    return ((0, 0, 0) + shape)[-3:]


def _untold(layer: LayerParameter, top: str, example: str) -> LayerError:
    """Return the error for a top whose shape nothing tells."""
    fix = f"nothing tells its shape without the data; give it, such as {top}={example} (--shape on the command line)"
    return LayerError("top", f'"{top}"', fix)
