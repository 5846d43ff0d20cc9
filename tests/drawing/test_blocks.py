import pytest

from caffelite.drawing.blocks import repeated_blocks
from caffelite.proto.caffe_pb2 import TEST, TRAIN

INCEPTIONS = [f"inception_{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]


@pytest.mark.parametrize(
    ("model", "phases", "expected"),
    [
        ("lenet/train_val_mnist", (TRAIN, TEST), []),
        ("alexnet/deploy", (TEST,), []),
        ("resnet18/train_val", (TRAIN, TEST), [f"res{number}{letter}" for number in "2345" for letter in "ab"]),
        ("googlenet/deploy", (TEST,), INCEPTIONS),
        ("googlenet/train_val", (TRAIN,), [*INCEPTIONS[:3], "loss1", *INCEPTIONS[3:6], "loss2", *INCEPTIONS[6:]]),
        ("squeezenet_v1.1/train_val", (TRAIN, TEST), [f"fire{number}" for number in range(2, 10)]),
        (
            "mobilenet_v1/deploy",
            (TEST,),
            [f"conv{n}" for n in "2_1 2_2 3_1 3_2 4_1 4_2 5_1 5_2 5_3 5_4 5_5 5_6 6".split()],
        ),
    ],
)
def test_blocks_of_known_nets(drawings, model, phases, expected):
    drawing = drawings.model(model, phases)
    blocks = repeated_blocks(drawing)
    assert [block.name for block in blocks] == expected
    for block in blocks:
        assert all(unit.layers[0].name.startswith(block.name) for unit in drawing.units[block.start : block.stop])
