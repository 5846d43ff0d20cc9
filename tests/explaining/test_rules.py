"""In a browser: the page's terms add up to what BVLC Caffe computed, for every layer type that it takes apart."""

import re
from pathlib import Path

import numpy as np
import pytest

import caffelite
from caffelite.explaining.content import content_of
from caffelite.explaining.passes import Differentiated

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "layers"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.npz"))
# Types that the page does not take apart, whole or backward; it says so.
NOT_TAKEN = {"Accuracy", "ArgMax", "BatchReindex", "ContrastiveLoss", "Filter", "HingeLoss", "Im2col", "InfogainLoss"}
NOT_TAKEN |= {"LSTM", "LSTMUnit", "MultinomialLogisticLoss", "RNN", "SPP"}
NOT_BACKWARD = {"Embed", "Parameter"}
PLACES = 12

# place -> [the value of the page, the sum of the terms, how many terms are missing, a reason] of a blob
TERMS = """([name, kind, places]) => {
  const version = VERSIONS.find((one) => one.name === name);
  return places.map((place) => {
    const found = kind === "data" ? termsOfValue(version, place) : termsOfGradient(version, place);
    if (found.reason) return [null, null, 0, found.reason];
    const total = totalOf(found.parts);
    return [version.at(place, kind), total.sum, total.missing, ""];
  });
}"""


def ran(name, make_net):
    with np.load(GOLDEN / f"{name}.npz") as stored:
        case = dict(stored)
    net, origins = make_net(str(case["prototxt"]), caffelite.TEST if str(case["phase"]) == "TEST" else caffelite.TRAIN)
    for key, values in case.items():
        kind, _, number = key.rpartition("_")
        if kind == "bottom":
            net.blobs[f"x{number}" if f"x{number}" in net.blobs else f"b{number}"].data[...] = values
        elif kind == "param":
            net.params["layer"][int(number)].data[...] = values
    net.forward()
    for key, values in case.items():
        if key.startswith("top_diff_"):
            net.blobs[f"t{key[9:]}"].diff[...] = values
    net.backward()
    return net, origins, case


@pytest.mark.parametrize("name", NAMES)
def test_terms_add_up_to_caffes_numbers(name, make_net, open_page, html):
    net, origins, case = ran(name, make_net)
    kind = net.layer_dict["layer"].type
    content = content_of(net, origins, Differentiated("it", "", len(net.layers)))
    page = open_page(html(content))
    for key in (key for key in case if re.fullmatch(r"top_\d|bottom_diff_\d", key)):
        is_diff = key.startswith("bottom")
        blob, caffes = (f"b{key[12:]}", case[key]) if is_diff else (f"t{key[4:]}", case[key])
        places = np.random.default_rng(7).permutation(caffes.size)[:PLACES].tolist()
        found = page.evaluate(TERMS, [blob, "diff" if is_diff else "data", places])
        largest = float(abs(caffes).max(initial=1))
        for place, (value, total, missing, reason) in zip(places, found, strict=True):
            if kind in NOT_TAKEN or (is_diff and kind in NOT_BACKWARD):
                assert "does not take" in reason
                continue
            assert reason == ""
            assert missing == 0
            assert total == pytest.approx(float(caffes.flat[place]), rel=1e-3, abs=1e-4 * largest), (blob, place)
            assert value == pytest.approx(float(caffes.flat[place]), rel=1e-3, abs=1e-4 * largest)
