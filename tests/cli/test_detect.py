import sys
import types

import h5py
import numpy as np
import pytest

import caffelite as caffe

cv2 = pytest.importorskip("cv2")

PIXELS = np.random.default_rng(3).integers(0, 256, (12, 14, 3)).astype(np.uint8)  # RGB
WINDOWS = [(0, 0, 12, 14), (2, 3, 6, 8), (4, 4, 8, 9)]
MEAN = np.array([104.00698793, 116.66876762, 122.67891434])
FILES = ("--model_def=deploy.prototxt", "--pretrained_model=net.caffemodel")


@pytest.fixture
def net(folder, net_of_means):
    """A net of which the output is the sum of each channel of its input, images, and a list of windows."""
    (folder / "images").mkdir()
    assert cv2.imwrite("images/a.png", PIXELS[:, :, ::-1]) and cv2.imwrite("b.png", PIXELS[::-1, :, ::-1])
    (folder / "windows.csv").write_text(
        "filename,xmin,ymin,xmax,ymax\n"  # in another order than the coordinates of a window
        + "".join(f"images/a.png,{left},{top},{right},{bottom}\n" for top, left, bottom, right in WINDOWS)
        + "b.png,0,0,5,4\n"
    )
    return net_of_means


def of_window(window, pixels=PIXELS):
    """The output for a window, from Caffe's steps in numpy."""
    top, left, bottom, right = window
    crop = caffe.io.resize_image((pixels[top:bottom, left:right] / 255).astype(np.float32), (4, 5))
    return (crop * 255).mean((0, 1))[::-1] - MEAN


def test_a_table_of_windows(net, program, folder):
    result = program("detect", "windows.csv", "found.csv", *FILES, "--context_pad=0")
    assert result.status == 0, result.err
    assert result.texts[-2].startswith("Processed 4 windows in ") and result.texts[-1] == "Saved to found.csv"
    head, *rows = (folder / "found.csv").read_text().splitlines()
    assert head == "filename,ymin,xmin,ymax,xmax,class0,class1,class2"
    assert [row.split(",")[:5] for row in rows] == [
        ["images/a.png", "0", "0", "12", "14"],
        ["images/a.png", "2", "3", "6", "8"],
        ["images/a.png", "4", "4", "8", "9"],
        ["b.png", "0", "0", "4", "5"],
    ]
    wanted = [*map(of_window, WINDOWS), of_window((0, 0, 4, 5), PIXELS[::-1])]
    np.testing.assert_allclose([[float(v) for v in row.split(",")[5:]] for row in rows], wanted, atol=1e-3)


def test_an_hdf5_file(net, caffelite):
    assert caffelite("detect", "windows.csv", "found.h5", *FILES, "--context_pad=0").status == 0
    with h5py.File("found.h5") as file:
        assert sorted(file["df"]) == sorted(["filename", "ymin", "xmin", "ymax", "xmax", "prediction"])
        assert file["df/filename"].asstr()[...].tolist() == ["images/a.png"] * 3 + ["b.png"]
        for i, name in enumerate(("ymin", "xmin", "ymax", "xmax")):
            assert file["df"][name][:3].tolist() == [window[i] for window in WINDOWS]
        np.testing.assert_allclose(file["df/prediction"][:3], [of_window(window) for window in WINDOWS], atol=1e-3)


def test_a_list_of_images(net, caffelite, folder):
    (folder / "images.txt").write_text("images/a.png\n\nb.png\n")
    assert caffelite("detect", "images.txt", "found.csv", *FILES, "--context_pad=0").status == 0
    rows = [row.split(",") for row in (folder / "found.csv").read_text().splitlines()[1:]]
    assert [row[:5] for row in rows] == [["images/a.png", "0", "0", "12", "14"], ["b.png", "0", "0", "12", "14"]]
    np.testing.assert_allclose([float(value) for value in rows[0][5:]], of_window(WINDOWS[0]), atol=1e-3)


def test_context_scales_and_means(net, caffelite, folder):
    np.save("mean.npy", np.ones((3, 2, 2)) * 7)
    words = ("--context_pad=1", "--raw_scale=2", "--input_scale=10", "--channel_swap=0,1,2", "--mean_file=mean.npy")
    assert caffelite("detect", "windows.csv", "found.csv", *FILES, *words).status == 0
    detector = caffe.Detector(
        "deploy.prototxt",
        "net.caffemodel",
        mean=np.full(3, 7.0),
        raw_scale=2,
        input_scale=10,
        channel_swap=(0, 1, 2),
        context_pad=1,
    )
    wanted = [entry["prediction"] for entry in detector.detect_windows([("images/a.png", WINDOWS)])]
    rows = (folder / "found.csv").read_text().splitlines()[1:4]
    np.testing.assert_allclose([[float(v) for v in row.split(",")[5:]] for row in rows], wanted, rtol=1e-5)


def test_images_beside_the_list(net, caffelite, folder):
    (folder / "images" / "w.csv").write_text("filename,ymin,xmin,ymax,xmax\na.png,0,0,12,14\n")
    assert caffelite("detect", "images/w.csv", "found.csv", *FILES, "--context_pad=1", "--mean_file=").status == 0
    assert (folder / "found.csv").read_text().splitlines()[1].startswith("images/a.png,0,0,12,14,")


def test_selective_search(net, caffelite, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "selective_search_ijcv_with_python", None)
    words = ("detect", "windows.csv", "found.csv", *FILES, "--crop_mode=selective_search", "--context_pad=0")
    assert "--crop_mode=selective_search: detect_selective_search needs the module" in caffelite(*words).error
    search = types.ModuleType("selective_search_ijcv_with_python")
    search.get_windows = lambda names, cmd: [WINDOWS[:1] for _ in names]
    monkeypatch.setitem(sys.modules, "selective_search_ijcv_with_python", search)
    assert caffelite(*words).status == 0
    rows = (folder / "found.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == [str(folder / "images" / "a.png"), str(folder / "b.png")]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("windows.csv found.csv", "Need a model definition to detect with; give --model_def=FILE"),
        ("windows.csv found.csv --model_def=deploy.prototxt", "Need model weights to detect with; give --pretrained"),
        ("windows.csv found.csv --model_def=none --pretrained_model=net.caffemodel", "File not found: none (looked in"),
        ("windows.csv found.txt {}", "OUTPUT is found.txt; give a file whose name ends in .csv, .h5 or .hdf5"),
        ("net.caffemodel found.csv {}", "INPUT is net.caffemodel; give a file whose name ends in .txt or .csv"),
        ("none.csv found.csv {}", "File not found: none.csv"),
        ("nothing.csv found.csv {}", "nothing.csv: the list names no image"),
        ("nothing.txt found.csv {}", "nothing.txt: the list names no image"),
        (
            "columns.csv found.csv {}",
            "columns.csv:1: no column xmin, ymax, xmax; the first line is filename,ymin,xmin,ymax,",
        ),
        ("word.csv found.csv {}", "word.csv:3: ymin, xmin, ymax or xmax is no number"),
        ("short.csv found.csv {}", "short.csv:2: ymin, xmin, ymax or xmax is no number"),
        ("lost.csv found.csv {}", 'lost.csv: image "none.png": there is no such file (tried '),
        ("outside.csv found.csv {}", "images/a.png: window (20, 0, 25, 5) (ymin, xmin, ymax, xmax) has no pixel"),
        (
            "windows.csv found.csv {} --raw_scale=a",
            "--raw_scale=a: write numbers, with commas between them, or nothing",
        ),
        ("windows.csv found.csv {} --raw_scale=1,2", "--raw_scale=1,2 is not one number"),
        ("windows.csv found.csv {} --input_scale=nan", "--input_scale=nan: nan and infinite numbers make nothing of"),
        ("windows.csv found.csv {} --context_pad=2", "context_pad is 2; of an input of 4 x 5 it leaves no pixel"),
        ("windows.csv found.csv {} --context_pad=1 --mean_file=1,2", "Mean channels incompatible with input: 2"),
        ("windows.csv no/found.csv {} --context_pad=0", "cannot write no/found.csv: there is no folder"),
    ],
)
def test_what_is_refused(net, caffelite, folder, words, message):
    head = "filename,ymin,xmin,ymax,xmax\n"
    for name, text in (
        ("nothing.csv", head),
        ("nothing.txt", "\n"),
        ("columns.csv", "filename,ymin\n"),
        ("word.csv", head + "b.png,0,0,1,1\nb.png,0,0,1,x\n"),
        ("short.csv", head + "b.png,0,0,1\n"),
        ("lost.csv", head + "none.png,0,0,1,1\n"),
        ("outside.csv", head + "images/a.png,20,0,25,5\n"),
    ):
        (folder / name).write_text(text)
    pad = "" if "context_pad" in words else " --context_pad=1"
    result = caffelite("detect", *(words.format(" ".join(FILES)) + pad).split())
    assert result.status == 1
    assert message in result.error
    assert not (folder / "found.csv").exists()


def test_help_has_an_example(caffelite):
    assert "caffelite detect windows.csv found.csv --model_def=deploy.prototxt" in caffelite("detect", "--help").out
