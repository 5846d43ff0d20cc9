"""In a browser: one clicks through pages, and finds the blobs' numbers and sums that are right."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from caffelite import examples
from caffelite.cli import main
from caffelite.explaining.content import content_of
from caffelite.explaining.passes import run_backward
from caffelite.explaining.sampling import Limits

pytestmark = pytest.mark.slow

MODEL = Path(__file__).resolve().parents[2] / "models" / "lenet_small"
EVIL = "</script><script>document.title='evil'</script><b>&amp;'\\\""
BRANCHES = """
name: "EVIL" force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 3 dim: 24 dim: 20 } } }
layer { name: "a EVIL" type: "Convolution" bottom: "x" top: "EVIL" convolution_param { num_output: 40 pad: 1
        kernel_size: 3 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "EVIL" top: "EVIL" }
layer { name: "norm" type: "LRN" bottom: "EVIL" top: "n" lrn_param { local_size: 5 alpha: 0.1 } }
layer { name: "pool" type: "Pooling" bottom: "n" top: "p" pooling_param { kernel_size: 3 stride: 2 pool: MAX } }
layer { name: "one" type: "Convolution" bottom: "p" top: "c1" convolution_param { num_output: 20 kernel_size: 1
        weight_filler { type: "gaussian" std: 1 } } }
layer { name: "two" type: "Convolution" bottom: "p" top: "c2" convolution_param { num_output: 20 kernel_size: 5 pad: 2
        group: 2 stride: 1 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "join" type: "Concat" bottom: "c1" bottom: "c2" top: "j" }
layer { name: "mean" type: "Pooling" bottom: "j" top: "m" pooling_param { pool: AVE global_pooling: true } }
layer { name: "ip" type: "InnerProduct" bottom: "m" top: "z" inner_product_param { num_output: 12
        weight_filler { type: "gaussian" std: 1 } } }
layer { name: "largest" type: "ArgMax" bottom: "z" top: "best" }
layer { name: "prob" type: "Softmax" bottom: "z" top: "prob" }
""".replace("EVIL", EVIL.replace("\\", "\\\\").replace('"', '\\"'))


@pytest.fixture(scope="module")
def lenet(tmp_path_factory):
    """The page of a digit, and the net after the same pass."""
    folder = tmp_path_factory.mktemp("lenet")
    images, _ = examples.digits()
    cv2.imwrite(str(folder / "digit.png"), (images[7, 0] * 256).astype(np.uint8))
    words = ["explain", str(MODEL / "deploy.prototxt"), str(MODEL / "digits.caffemodel"), "--scale", "0.00390625"]
    assert main([*words, "--image", str(folder / "digit.png"), "--html", str(folder / "lenet.html")]) == 0
    return folder / "lenet.html"


class Reader:
    """What a page shows at the moment, and what its data say of that."""

    def __init__(self, page, content, floats):
        self.page, self.content, self.floats = page, content, floats

    def check(self):
        """The number is that of the blob, and the sum is right; return whether the page has all of its terms."""
        passed, number, index = re.search(r"#(forward|backward)/(\d+)/([\d,]*)$", self.page.url).groups()
        version = self.content["versions"][int(number)]
        kind = "data" if passed == "forward" else "diff"
        place = tuple(int(i) for i in index.split(",")) if index else ()
        value = self.value(version, kind, place)
        shown = self.page.locator("#number").inner_text()
        if value is None:
            assert shown == "left out"
            return False
        assert np.float32(shown) == value
        text = self.page.locator("#value").inner_text()
        agreement = self.page.locator("#agreement")
        if agreement.count():
            assert agreement.get_attribute("class") == "right", f"{self.page.url}: {text}"
            return True
        assert re.search("Nothing adds|No gradient comes|does not take|not in this page", text), text
        return "Nothing adds" in text

    def value(self, version, kind, place):
        shape = [version["items"], *version["shape"][1:]] if version["shape"] else []
        if version["rectangle"]:
            top, left, height, width = version["rectangle"]
            shape[2:] = height, width
            place = (*place[:2], place[2] - top, place[3] - left)
        if any(not 0 <= i < size for i, size in zip(place, shape, strict=True)):
            return None
        return self.floats(self.content, version[kind], int(np.prod(shape, dtype=int))).reshape(shape)[place]

    def click_somewhere(self, random):
        """Click into the map, a tile, a matrix or a list, on another layer, or to the other pass."""
        choices = ["#map"] * 4 + [".tile"] * 4 + ["#overview button"] * 3
        choices += [".matrix button", ".terms button", ".switch button", ".planes button", "#layer button"]
        found = self.page.locator(str(random.choice(choices)))
        if not found.count():
            return
        target = found.nth(int(random.integers(found.count())))
        if target.is_disabled():
            return
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        inside = {"x": box["width"] * random.uniform(0.1, 0.9), "y": box["height"] * random.uniform(0.1, 0.9)}
        target.click(position=inside)


@pytest.fixture
def reader(data_of, floats):
    return lambda page, html: Reader(page, data_of(html), floats)


def test_a_hundred_clicks(lenet, open_page, reader):
    page = open_page(lenet)
    found = reader(page, lenet.read_text(encoding="utf-8"))
    random = np.random.default_rng(5)
    complete, seen = 0, set()
    page.locator("#overview button").nth(1).click()
    for _ in range(100):
        found.click_somewhere(random)
        complete += found.check()
        seen.add(page.url)
    assert len(seen) > 50
    assert complete > 85  # the others have no gradient: the pass back begins below the softmax


def test_all_terms_of_every_kind_of_layer(lenet, open_page):
    """200 values and gradients of each blob of LeNet add up."""
    page = open_page(lenet)
    wrong = page.evaluate("""() => {
      const wrong = [];
      for (const version of VERSIONS)
        for (let i = 0; i < 200; i++) {
          const place = Math.floor((i / 200) * version.count);
          for (const [kind, find] of [["data", termsOfValue], ["diff", termsOfGradient]]) {
            if (kind === "diff" && !version.hasGradient) continue;
            const found = find(version, place);
            if (found.reason || !agrees(totalOf(found.parts), version.at(place, kind)))
              wrong.push(`${version.text(place)} ${kind} ${found.reason || totalOf(found.parts).sum}`);
          }
        }
      return wrong;
    }""")
    assert wrong == []


def test_keys_and_the_back_button(lenet, open_page):
    page = open_page(lenet)
    page.goto(f"{page.url.partition('#')[0]}#forward/1/0,3,10,12")
    page.locator("#map").focus()
    for key in ("ArrowRight", "ArrowDown", "PageDown"):
        page.keyboard.press(key)
    assert page.locator("h3").inner_text().startswith("conv1[0, 4, 11, 13] = ")
    page.go_back()
    assert page.locator("h3").inner_text().startswith("conv1[0, 3, 11, 13] = ")
    page.locator("#backward").focus()
    page.keyboard.press("Enter")
    assert page.locator("h3").inner_text().startswith("d ip2[9] / d conv1[0, 3, 11, 13] = ")
    page.locator("#skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "value"


def test_an_address_that_is_none(lenet, open_page):
    page = open_page(lenet)
    for wrong in ("#forward/99/1", "#forward/1/0,3,99,0", "#sideways", "#forward/1/0"):
        page.goto(f"{page.url.partition('#')[0]}{wrong}")
        assert page.locator("h3").inner_text().startswith("conv1[0, ")


def test_light_and_dark(lenet, open_page):
    for scheme, light in (("light", True), ("dark", False)):
        page = open_page(lenet, color_scheme=scheme)
        back = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", back)[:3])) > 600) == light


@pytest.fixture(scope="module")
def branches(make_net):
    net, origins = make_net(BRANCHES)
    net.blobs["x"].data[...] = np.random.default_rng(0).standard_normal((1, 3, 24, 20))
    net.forward()
    return net, origins, run_backward(net, origins)


@pytest.mark.parametrize("limits", [Limits(), Limits(values=9000, weights=3000)], ids=["whole", "sampled"])
def test_a_net_with_branches_and_evil_names(branches, limits, open_page, html, reader):
    text = html(content_of(*branches, limits), EVIL)
    page = open_page(text)
    found = reader(page, text)
    assert page.title() == EVIL
    assert page.locator("h1").inner_text() == EVIL
    assert page.locator("b:has-text('amp')").count() == 0
    assert page.locator("#notes").is_visible() == (limits != Limits())
    random = np.random.default_rng(1)
    page.locator("#overview button").nth(1).click()
    complete = 0
    for _ in range(60):
        found.click_somewhere(random)
        complete += found.check()
    assert complete > (40 if limits == Limits() else 15)
