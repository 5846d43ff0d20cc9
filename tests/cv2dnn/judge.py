"""Run by a Python that has OpenCV 4.14: what its reader of Caffe nets says of the nets in a folder.

`python judge.py FOLDER`: for each NAME.prototxt with NAME.caffemodel and NAME.inputs.npz it writes NAME.outputs.npz,
the outputs of all layers, and NAME.json, what the net says of itself, or the error.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np


def shapes_of(found):
    return [[list(map(int, shape)) for shape in shapes] for shapes in found]


def read(prototxt, inputs):
    net = cv2.dnn.readNetFromCaffe(str(prototxt), str(prototxt.with_suffix(".caffemodel")))
    for name, value in inputs.items():
        net.setInput(value, name)
    return net


def judge(prototxt):
    with np.load(prototxt.with_suffix(".inputs.npz")) as file:
        inputs = {name: file[name] for name in file.files}
    shapes = [value.shape for value in inputs.values()]
    net = read(prototxt, inputs)
    ends = net.getUnconnectedOutLayersNames()
    outputs = dict(zip(ends, net.forward(ends), strict=True))
    outputs[""] = net.forward()
    names = net.getLayerNames()
    # What is on the way is asked of a net without fusion: what a fused one says when it is asked again is wrong.
    plain = read(prototxt, inputs)
    plain.enableFusion(False)
    some = names[:: max(1, len(names) // 12)]
    outputs.update(zip(some, plain.forward(some), strict=True))
    np.savez(prototxt.with_suffix(".outputs.npz"), **{f"out_{name}": value for name, value in outputs.items()})
    ids, ins, outs = net.getLayersShapes(shapes)
    return {
        "names": names,
        "types": [net.getLayer(name).type for name in names],
        "ends": ends,
        "unconnected": net.getUnconnectedOutLayers().tolist(),
        "ids": ids.tolist(),
        "ins": shapes_of(ins),
        "outs": shapes_of(outs),
        "flops": [net.getFLOPS(i, shapes) for i in range(1, len(names) + 1)],
        "memory": [net.getMemoryConsumption(i, shapes) for i in range(1, len(names) + 1)],
        "blobs": [[list(blob.shape) for blob in net.getLayer(name).blobs] for name in names],
    }


for path in sorted(Path(sys.argv[1]).rglob("*.prototxt")):
    try:
        said = judge(path)
    except cv2.error as err:
        said = {"error": str(err)}
    path.with_suffix(".json").write_text(json.dumps(said))
print(cv2.__version__)
