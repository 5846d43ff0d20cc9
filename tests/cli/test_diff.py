import numpy as np
import pytest

from caffelite import TEST, Net

NET = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 3 kernel_size: 3 } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: MAX kernel_size: 2 } }
"""


@pytest.fixture
def nets(folder):
    cv2 = pytest.importorskip("cv2")
    (folder / "a.prototxt").write_text(NET)
    (folder / "b.prototxt").write_text(NET.replace("MAX", "AVE"))
    for number, name in enumerate("ab"):
        net = Net("a.prototxt", TEST)
        net.params["c"][0].data[...] = 1
        net.params["c"][0].data[0, 0, 0, 0] += number
        net.save(f"{name}.caffemodel")
    cv2.imwrite("i.png", np.arange(16, dtype=np.uint8).reshape(4, 4))


def test_the_same(program, nets):
    words = ("--weights", "a.caffemodel", "a.caffemodel", "--image", "i.png")
    result = program("diff", "a.prototxt", "a.prototxt", *words)
    assert (result.status, result.err) == (0, "")
    assert result.out == "nets: the same\nweights: the same\nactivations: the same\n"


def test_what_differs(caffelite, nets):
    words = ("--weights", "a.caffemodel,b.caffemodel", "--image", "i.png")
    result = caffelite("diff", "a.prototxt", "b.prototxt", *words)
    assert (result.status, result.err) == (1, "")
    assert result.out.splitlines() == [
        "nets:",
        '  layer "p" (Pooling): pooling_param.pool is MAX in a.prototxt:3, AVE in b.prototxt:3',
        "weights:",
        "  c blobs[0] (3 x 1 x 3 x 3): 1 value differs, by at most 1, all together by 0.192 of their size; "
        "std 0 | 0.189",
        "activations:",
        '  "c" (1 x 3 x 2 x 2) is the first blob that differs, 1 before it are equal: 3 values differ, by at most 5, '
        "all together by 0.0267 of their size; std 18.6 | 19.3",
    ]


def test_caffemodels_alone_and_tolerance(caffelite, nets):
    assert caffelite("diff", "a.caffemodel", "b.caffemodel").status == 1
    result = caffelite("diff", "a.caffemodel", "b.caffemodel", "--tolerance", "0.5")
    assert (result.status, result.out) == (0, "weights: the same\n")


def test_weights_without_a_file_are_random_and_equal(caffelite, nets):
    result = caffelite("diff", "a.prototxt", "b.prototxt", "--image", "i.png")
    assert '"p" (1 x 3 x 1 x 1) is the first blob that differs, 2 before it are equal' in result.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.prototxt", "nowhere.prototxt"), "nowhere.prototxt: no such file"),
        (("a.prototxt", "b.prototxt", "--weights", "a.caffemodel"), "--weights names 1 files; name two"),
        (("a.prototxt", "b.prototxt", "--tolerance", "x"), '--tolerance is "x"'),
        (("a.prototxt", "b.prototxt", "--weights", "a.caffemodel,i.png"), "i.png"),
        (("a.prototxt", "b.prototxt", "--image", "nowhere.png"), "nowhere.png"),
    ],
)
def test_trouble(caffelite, nets, words, message):
    result = caffelite("diff", *words)
    assert result.status == 2
    assert message in result.error
