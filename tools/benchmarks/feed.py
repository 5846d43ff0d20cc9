"""Turn any net's prototxt into one that two libraries can be timed on: fed by Input layers, with a loss at the end."""

from pathlib import Path

from caffelite.core.prototxt.upgrade import load_net
from caffelite.proto.caffe_pb2 import TEST, LayerParameter, NetParameter

DATA_TYPES = {"Data", "ImageData", "HDF5Data", "MemoryData", "WindowData", "DummyData", "Input"}
Sample = tuple[int, int, int]


def training_net(path: Path, batch: int, sample: Sample | None = None) -> NetParameter:
    """Return the net of `path` for training, its data layers replaced by Input layers with `batch` samples.

    `sample` is (channels, height, width); by default that of the file's own Input layer, of deploy.prototxt beside it,
    or 3 x crop_size x crop_size. A deploy net's last Softmax becomes a SoftmaxWithLoss, and BatchNorm takes statistics
    of the batch, as in training. Raises SystemExit if the size of a sample is not to be found.
    """
    net = load_net(path)[0]
    sample = sample or sample_shape(net, path)
    kept = [layer for layer in net.layer if _in_training(layer) and layer.type not in DATA_TYPES]
    del net.layer[:]
    for layer in kept:
        if layer.type == "BatchNorm":
            layer.batch_norm_param.ClearField("use_global_stats")
        if layer.type == "Softmax" and layer is kept[-1]:
            layer.type = "SoftmaxWithLoss"
            layer.bottom.append("label")
    net.layer.append(_input("data", (batch, *sample)))
    net.layer.append(_input("label", (batch,)))
    net.layer.extend(kept)
    return net


def without_dropout(net: NetParameter) -> NetParameter:
    """Return a copy whose Dropout layers pass values on unchanged, so that two libraries compute the same loss."""
    copy = NetParameter()
    copy.CopyFrom(net)
    for layer in copy.layer:
        if layer.type == "Dropout":
            layer.type = "Power"  # by default (0 + 1 * x) ^ 1
    return copy


def sample_shape(net: NetParameter, path: Path) -> Sample:
    """Return (channels, height, width) of one sample of the net."""
    deploy = path.with_name("deploy.prototxt")
    for source in (net, load_net(deploy)[0] if deploy.exists() else NetParameter()):
        for layer in source.layer:
            if layer.type == "Input":
                channels, height, width = layer.input_param.shape[0].dim[1:4]
                return channels, height, width
    crops = {layer.transform_param.crop_size for layer in net.layer} - {0}
    if len(crops) != 1:
        raise SystemExit(f"{path}: how large is a sample? Give --sample CHANNELS,HEIGHT,WIDTH")
    crop = crops.pop()
    return 3, crop, crop


def _in_training(layer: LayerParameter) -> bool:
    return layer.type != "Accuracy" and not any(rule.HasField("phase") and rule.phase == TEST for rule in layer.include)


def _input(name: str, shape: tuple[int, ...]) -> LayerParameter:
    layer = LayerParameter(name=name, type="Input", top=[name])
    layer.input_param.shape.add(dim=shape)
    return layer
