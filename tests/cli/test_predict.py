import numpy as np
import pytest

import caffelite as caffe

cv2 = pytest.importorskip("cv2")

FILES = ("--model_def=deploy.prototxt", "--pretrained_model=net.caffemodel")
SMALL = (*FILES, "--images_dim=6,8")
MEAN = np.array([104.00698793, 116.66876762, 122.67891434])  # the one that Caffe has, BGR
COLOURS = {"a": (255, 0, 0), "b": (0, 51, 102), "c": (20, 30, 40)}  # RGB
NOISE = np.random.default_rng(5).integers(0, 256, (12, 16, 3)).astype(np.uint8)


@pytest.fixture
def net(folder, net_of_means):
    """A net of which the output is the mean of each channel of its input, (2, 3, 4, 5), and a folder of images."""
    (folder / "images").mkdir()
    for name, colour in COLOURS.items():
        assert cv2.imwrite(f"images/{name}.png", np.full((7, 9, 3), colour[::-1], np.uint8))
    assert cv2.imwrite("noise.png", NOISE[:, :, ::-1])
    return net_of_means


def of_colour(colour, mean=MEAN):
    return np.array(colour[::-1]) - mean


def test_a_folder_of_images_by_name(net, program):
    result = program("predict", "images", "scores.npy", *SMALL, "--ext=png")
    assert result.status == 0, result.err
    told = [text for text in result.texts if text.startswith(("Loading", "Classifying", "Done in", "Saving"))]
    assert told[:2] + told[3:] == ["Loading folder: images", "Classifying 3 inputs.", "Saving results into scores.npy"]
    np.testing.assert_allclose(np.load("scores.npy"), [of_colour(c) for c in COLOURS.values()], atol=1e-3)


def test_one_image_ten_crops_or_the_centre(net, caffelite):
    assert caffelite("predict", "noise.png", "ten", *SMALL, "--images_dim=12,16", "--mean_file=").status == 0
    assert (
        caffelite("predict", "noise.png", "one", *SMALL, "--images_dim=12,16", "--mean_file=", "--center_only").status
        == 0
    )
    image = NOISE[:, :, ::-1].astype(np.float64)
    corners = [(0, 0), (0, 11), (8, 0), (8, 11), (4, 5)]
    crops = [image[top : top + 4, left : left + 5].mean((0, 1)) for top, left in corners]  # mirrored is the same mean
    np.testing.assert_allclose(np.load("ten.npy"), [np.mean(crops, 0)], rtol=1e-5)
    np.testing.assert_allclose(np.load("one.npy"), [crops[-1]], rtol=1e-5)


def test_a_file_of_arrays_and_what_scales_them(net, caffelite):
    images = np.stack([np.full((7, 9, 3), np.array(c) / 255) for c in COLOURS.values()])
    np.save("images.npy", images)
    words = ("--raw_scale=510", "--input_scale=.5", "--channel_swap=0,1,2", "--mean_file=1,2,3")
    result = caffelite("predict", "images.npy", "out.npy", *SMALL, *words)
    assert "Loading file: images.npy" in result.texts
    np.testing.assert_allclose(np.load("out.npy"), (510 * images[:, 0, 0] - (1, 2, 3)) / 2, rtol=1e-5)


def test_whole_numbers_are_told_of(net, caffelite):
    np.save("images.npy", np.stack([np.full((7, 9, 3), c, np.uint8) for c in COLOURS.values()]))
    result = caffelite("predict", "images.npy", "out.npy", *SMALL)
    assert any(text.startswith("images.npy holds uint8, and images are values from 0 to 1") for text in result.texts)
    result = caffelite("predict", "images.npy", "out.npy", *SMALL, "--raw_scale=1")
    assert not any("holds uint8" in text for text in result.texts)
    np.testing.assert_allclose(np.load("out.npy"), [of_colour(c) for c in COLOURS.values()], atol=1e-3)


def test_a_mean_image_is_taken_as_it_is(net, caffelite):
    np.save("mean.npy", np.arange(60, dtype=np.float64).reshape(3, 4, 5))
    assert caffelite("predict", "images", "out.npy", *SMALL, "--ext=.png", "--mean_file=mean.npy").status == 0
    wanted = [of_colour(c, np.arange(60).reshape(3, 20).mean(1)) for c in COLOURS.values()]
    np.testing.assert_allclose(np.load("out.npy"), wanted, atol=1e-3)


def test_a_grey_net(net, caffelite, folder):
    text = (folder / "deploy.prototxt").read_text().replace("dim: 3", "dim: 1", 1)
    (folder / "deploy.prototxt").write_text(text)
    caffe.Net("deploy.prototxt", caffe.TEST).save("net.caffemodel")
    result = caffelite("predict", "images", "out.npy", *SMALL, "--ext=png", "--mean_file=", "--channel_swap=")
    assert result.status == 0, result.err
    assert np.load("out.npy").shape == (3, 3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("images out.npy", "Need a model definition to predict with; give --model_def=FILE"),
        ("images out.npy {}", "images has no file whose name ends in .jpg; say with --ext what its images are"),
        ("none.jpg out.npy {}", "File not found: none.jpg (looked in "),
        ("none.npy out.npy {}", "File not found: none.npy (looked in "),
        ("bad.npy out.npy {}", "bad.npy: this is no .npy file of numbers ("),
        ("flat.npy out.npy {}", "flat.npy holds float64 of the shape (3, 4); images are numbers (N, H, W, K)"),
        ("net.caffemodel out.npy {}", "net.caffemodel: "),
        ("noise.png no/out.npy {}", "cannot write no/out.npy: there is no folder no"),
        ("noise.png out.npy {} --images_dim=2,2", "image_dims is 2 x 2; of that no crop of 4 x 5 can be cut"),
        ("noise.png out.npy {} --images_dim=2", "image_dims is [2]; give (height, width)"),
        ("noise.png out.npy {} --images_dim=a,b", "--images_dim=a,b: write numbers, with commas between them"),
        ("noise.png out.npy {} --mean_file=1,2", "Mean channels incompatible with input: 2"),
    ],
)
def test_what_is_refused(net, caffelite, folder, words, message):
    (folder / "bad.npy").write_text("no numbers")
    np.save("flat.npy", np.zeros((3, 4)))
    result = caffelite("predict", *words.format(" ".join(FILES)).split())
    assert result.status == 1
    assert message in result.error
    assert not (folder / "out.npy").exists()


def test_help_has_an_example(caffelite):
    assert "caffelite predict images/ scores.npy --model_def=deploy.prototxt" in caffelite("predict", "--help").out
