import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import caffelite
from caffelite.core.prototxt.parse import parse_net
from caffelite.onnx_export import export_net

CASES = Path(__file__).parent / "cases"
SMALL = 2  # kinds of indices and of what is not 0


class Case(NamedTuple):
    """A net that is exported: its text, and which judges cannot run it, with the reason."""

    name: str
    text: str
    exempt: dict[str, str]


def cases_of(path):
    for block in path.read_text().split("\n# case: ")[1:]:
        name, _, text = block.partition("\n")
        yield Case(f"{path.stem}: {name}", text, dict(re.findall(r"^# (\w+): (.*)$", text, re.MULTILINE)))


def pytest_generate_tests(metafunc):
    """Run what takes a `case` with each of them, and what takes `all_cases` once."""
    if "case" in metafunc.fixturenames:
        cases = [case for path in sorted(CASES.glob("*.prototxt")) for case in cases_of(path)]
        metafunc.parametrize("case", cases, ids=[case.name for case in cases])


@pytest.fixture(scope="session")
def all_cases():
    return [case for path in sorted(CASES.glob("*.prototxt")) for case in cases_of(path)]


class Run:
    """A net with random values in weights and inputs, and what it makes of them."""

    def __init__(self, net, seed=0):
        self.net, self.rng = net, np.random.default_rng(seed)
        for index, layer in enumerate(net.core_layers):
            if layer.layer_param.type in ("BatchNorm", "BN", "Parameter") and layer.blobs:
                self.fill_statistics(index)
        self.inputs = {name: self.values_of(name, net.blobs[name].shape) for name in net.inputs}

    @classmethod
    def of(cls, text):
        return cls(caffelite.Net(parse_net(text, "case.prototxt")[0], caffelite.TEST, seed=1))

    def fill_statistics(self, index):
        for number, blob in enumerate(self.net.core_layers[index].blobs):
            blob.data[...] = self.rng.uniform(0.5, 1.5, blob.shape) if number else self.rng.normal(size=blob.shape)

    def values_of(self, name, shape):
        """What is called so is an index, a score, a mark, sizes of images, or rows of image, x1, y1, x2, y2."""
        if name.startswith("index"):
            return self.rng.integers(0, 4, shape).astype(np.float32)
        if name == "rois":
            corners = np.sort(self.rng.uniform(0, 34, (shape[0], 2, 2)), 1).reshape(shape[0], 4)
            return np.insert(corners, 0, self.rng.integers(0, 2, shape[0]), 1).astype(np.float32)
        if name == "info":
            return np.tile(np.float32([30, 41, 1.5, 1.25, 0, 0])[: shape[1]], (shape[0], 1))
        if name == "conf":
            return self.rng.uniform(size=shape).astype(np.float32)
        if name == "cont":
            return self.rng.integers(0, SMALL, shape).astype(np.float32)
        return self.rng.normal(size=shape).astype(np.float32)

    def resize(self, **shapes):
        self.inputs.update({name: self.values_of(name, shape) for name, shape in shapes.items()})

    def export(self, folded=False):
        return export_net(self.net, folded)

    def forward(self):
        """Return copies of all blobs by name."""
        for name, values in self.inputs.items():
            self.net.blobs[name].reshape(*values.shape)
        self.net.reshape()
        for name, values in self.inputs.items():
            self.net.blobs[name].data[...] = values
        self.net.forward()
        return {name: blob.data.copy() for name, blob in self.net.blobs.items()}

    def outputs(self, model):
        """Return what the net makes for each output of a model, in order."""
        blobs = self.forward()
        names = [output.name for output in model.graph.output]
        return [blobs[name if name in blobs else re.sub("_out_*$", "", name)] for name in names]

    def feeds(self, model):
        return {value.name: self.inputs[value.name] for value in model.graph.input}


@pytest.fixture(scope="session")
def run_of():
    return Run.of


@pytest.fixture(scope="session")
def run_net():
    return Run


def check_close(names, made, wanted, tolerance=1e-4):
    for name, one, other in zip(names, made, wanted, strict=True):
        assert np.shape(one) == other.shape, f"{name}: {np.shape(one)} for {other.shape}"
        scale = max(1.0, float(np.abs(other).max())) if other.size else 1
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * scale, err_msg=name)


@pytest.fixture(scope="session")
def agrees():
    """Asserts that a model computes what its net does, by ONNX's reference evaluator; returns the outputs' names."""
    from onnx.reference import ReferenceEvaluator

    def check(run, model):
        names = [output.name for output in model.graph.output]
        made = ReferenceEvaluator(model).run(names, run.feeds(model))
        check_close(names, made, run.outputs(model))
        return names

    return check
