"""Both reports as a browser shows them: nothing is missing, nothing is asked for."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


def caffelite(*words, cwd):
    done = subprocess.run(
        [sys.executable, "-m", "caffelite", *words], capture_output=True, text=True, timeout=500, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A folder with the trained LeNet_small, its digits, its report and that of a training."""
    folder = tmp_path_factory.mktemp("digits")
    caffelite("example", "lenet_small_digits", ".", cwd=folder)
    model, weights = "models/lenet_small/train_val_digits.prototxt", "models/lenet_small/digits.caffemodel"
    caffelite("test", model, f"--weights={weights}", "--report=test.html", cwd=folder)
    caffelite("train", "solvers/lenet_small_digits.prototxt", "--iterations=200", "--report=run.html", cwd=folder)
    return folder


@pytest.fixture
def page(chromium):
    """Show a file: page(path, scheme) -> the page, console messages and addresses asked for."""
    contexts = []

    def show(path, scheme="light", width=1200):
        contexts.append(chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}))
        shown = contexts[-1].new_page()
        said, asked = [], []
        shown.on("console", lambda message: said.append(message.text))
        shown.on("pageerror", lambda error: said.append(str(error)))
        shown.on("request", lambda request: asked.append(request.url))
        shown.route(lambda address: not address.startswith(("file:", "data:")), lambda route: route.abort())
        shown.goto(path.as_uri())
        return shown, said, [address for address in asked if not address.startswith("data:")]

    yield show
    for context in contexts:
        context.close()


def is_complete(page):
    """Whether every picture of the page was decoded, and nothing is wider than the page."""
    pictures = page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    return pictures and page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 420])
def test_of_a_test(page, digits, scheme, width):
    path = digits / "test.html"
    shown, said, asked = page(path, scheme, width)
    assert (said, asked) == ([], [path.as_uri()])
    assert is_complete(shown)
    assert shown.locator("h2").all_inner_texts() == [
        *("Confusion", "Class by class", "Calibration", "The worst mistakes", "Probable wrong labels")
    ]
    paper = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 28)"}[scheme]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 420])
def test_of_a_training(page, digits, scheme, width):
    path = digits / "run.html"
    assert path.stat().st_size < 200_000
    shown, said, asked = page(path, scheme, width)
    assert (said, asked) == ([], [path.as_uri()])
    assert is_complete(shown)
    assert shown.locator("h2").all_inner_texts() == [
        *("Curves", "The first filters", "The net", "The files", "Where it comes from")
    ]
    for kind in ("curves", "drawing"):
        box = shown.locator(f".drawn.{kind} svg").bounding_box()
        assert box["width"] > 150 and box["height"] > 150
    shown.locator("#files summary").nth(1).click()
    assert "num_output: 20" in shown.locator("#files pre").nth(1).inner_text()
    facts = shown.locator("#origin").inner_text()
    assert "caffelite train" in facts and "seed\t1" in facts


def test_the_figures_of_scikit_learn(page, digits):
    """scikit-learn 1.9.1 gave them, of labels and predictions in test.html's matrix (sklearn.metrics, digits=4)."""
    shown, _, _ = page(digits / "test.html")
    cells = shown.locator("table.confusion tbody td").all_inner_texts()
    confusion = [[int(cells[10 * row + column]) for column in range(10)] for row in range(10)]
    assert [sum(row) for row in confusion] == [36, 36, 36, 36, 37, 36, 36, 36, 35, 36]
    assert sum(confusion[i][i] for i in range(10)) == 356
    text = shown.locator("#classes").inner_text()
    assert "mean of the classes\t0.9892\t0.9887\t0.9887\t360" in text
    assert "mean of the items\t0.9892\t0.9889\t0.9888\t360" in text
    assert shown.locator(".tile").first.inner_text() == "98.89%\naccuracy"
