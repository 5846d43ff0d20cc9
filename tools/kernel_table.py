"""Find out which kernels layers and update rules run, for core/net/kernel_table.json, which this prints.

    python tools/kernel_table.py > new.json && mv new.json caffelite/core/net/kernel_table.json

The nets of models/, those of tests/golden/layers and one of forks' layers are run layer by layer, and a small net is
trained by each update rule. Every kernel is compiled anew meanwhile, which takes some minutes. To be run again when
kernels or layers were added, or are chosen otherwise: the table need not be exact, see caffelite/core/net/forecast.py.
"""

import json
import os
import re
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf import text_format
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

import caffelite.core.solver.rules  # noqa: F401  (registers them)
from caffelite.core.blob import Array
from caffelite.core.data import included
from caffelite.core.kernels.jit import numba_compat
from caffelite.core.kernels.jit.compile import ParallelKernel
from caffelite.core.kernels.jit.progress import watch
from caffelite.core.kernels.jit.threads import thread_count
from caffelite.core.layer import Context, Layer, layer_type_list, setup_layer
from caffelite.core.layers.shared.prefetching import PrefetchingLayer
from caffelite.core.net import build
from caffelite.core.net.forecast import fields_of_layer, fields_of_solver, rule_kind
from caffelite.core.net.net import Net
from caffelite.core.net.wiring.draft import Draft
from caffelite.core.net.wiring.state import with_caller_state
from caffelite.core.net.without_data import without_data, without_fillers
from caffelite.core.prototxt.upgrade import load_net
from caffelite.core.solver.solver import SOLVERS, get_solver
from caffelite.proto.caffe_pb2 import TRAIN, NetParameter, SolverParameter
from caffelite.reports.png import png

Cases = dict[str, dict[frozenset[str], tuple[list[int], list[int]]]]
ROOT = Path(__file__).resolve().parent.parent
IMAGES = 2  # in a batch of the large nets
SEED = 1

WINDOWS = "# 0\nimage.png\n3\n40\n50\n2\n1 0.9 10 12 29 30\n0 0.1 0 0 49 39\n"
DATA_LAYERS = """
layer { name: "dummy" type: "DummyData" top: "d" dummy_data_param { shape { dim: 4 dim: 3 } } }
layer { name: "out" type: "HDF5Output" bottom: "d" bottom: "d" hdf5_output_param { file_name: "out.h5" } }
layer { name: "parameter" type: "Parameter" top: "p" parameter_param { shape { dim: 4 } } }
layer { name: "images" type: "ImageData" top: "i" top: "j" transform_param { crop_size: 8 mirror: true scale: 0.1 }
        image_data_param { source: "list.txt" batch_size: 2 } }
layer { name: "windows" type: "WindowData" top: "w" top: "v" transform_param { crop_size: 8 }
        window_data_param { source: "windows.txt" batch_size: 2 } }
"""
# Layers of forks, of which there are no golden cases.
FORK_LAYERS = Path(__file__).with_name("kernel_table_forks.prototxt")  # each type that Caffe 1.0 lacks
TRAINED = """
layer { name: "data" type: "DummyData" top: "x" dummy_data_param { shape { dim: 4 dim: 3 } } }
layer { name: "more" type: "DummyData" top: "z" dummy_data_param { shape { dim: 4 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
        inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "z" top: "loss" }
"""


class Recorder:
    """Notes which kernels are called by Python, which kernels those call, and how long each was compiled."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], int] = {}
        self.names: list[str] = []
        self.seconds: dict[int, float] = defaultdict(float)
        self.calls: dict[int, dict[int, None]] = defaultdict(dict)
        self.called: dict[int, None] = {}  # by Python's main thread, since `recording` began
        self.called_ahead: dict[int, None] = {}  # by others: layers read ahead of what they are asked for
        self._stack: list[tuple[int, float]] = []

    def install(self) -> None:
        """Look on wherever a kernel is called or compiled in this process."""
        compile_ = Dispatcher.compile

        def compile_noted(dispatcher: Any, signature: Any) -> Any:
            if dispatcher not in numba_compat._ours:
                return compile_(dispatcher, signature)
            with global_compiler_lock:  # layers that read ahead compile in threads of their own
                return compile_one(dispatcher, signature)

        def compile_one(dispatcher: Any, signature: Any) -> Any:
            row = self._row(dispatcher, signature)
            if self._stack:
                self.calls[self._stack[-1][0]][row] = None
            began = time.thread_time()
            self._stack.append((row, 0.0))
            try:
                return compile_(dispatcher, signature)
            finally:
                _, inner = self._stack.pop()
                took = time.thread_time() - began
                self.seconds[row] += took - inner
                if self._stack:
                    outer, others = self._stack[-1]
                    self._stack[-1] = (outer, others + took)

        Dispatcher.compile = compile_noted  # type: ignore[method-assign,assignment]
        call, launch = numba_compat.Kernel.__call__, ParallelKernel.__call__

        def call_noted(kernel: Any, *args: Any) -> Any:
            self._note(kernel.outer, args)
            return call(kernel, *args)

        def launch_noted(pair: Any, *args: Any) -> None:
            if thread_count() > 1:
                self._note(pair.launcher, (thread_count(), args))
            launch(pair, *args)

        numba_compat.Kernel.__call__ = call_noted  # type: ignore[method-assign,assignment]
        ParallelKernel.__call__ = launch_noted  # type: ignore[method-assign,assignment]

    def _note(self, dispatcher: Any, args: tuple[Any, ...]) -> None:
        is_main = threading.current_thread() is threading.main_thread()
        called = self.called if is_main else self.called_ahead
        called[self._row(dispatcher, tuple(dispatcher.typeof_pyval(arg) for arg in args))] = None

    def _row(self, dispatcher: Any, signature: Any) -> int:
        name = numba_compat.name_of(dispatcher.py_func)
        row = self.rows.setdefault((name, str(tuple(signature))), len(self.rows))
        if row == len(self.names):
            self.names.append(name)
        return row

    @contextmanager
    def recording(self) -> Iterator[list[int]]:
        """Give a list that holds, after the block, the kernels that Python called in it."""
        self.called = {}
        rows: list[int] = []
        yield rows
        rows += self.called


def main() -> None:
    """Print the table."""
    recorder = Recorder()
    recorder.install()
    watch.forecast = None  # which would read the table
    cases: Cases = {name: {} for name in layer_type_list()}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name in sorted(SOLVERS):
            cases[rule_kind(name)] = {}
            for fields in ("", "clip_gradients: 1"):
                try_rule(name, fields, recorder, cases)
        for name, draft, inputs in drafts():
            try_layers(draft, inputs, recorder, cases)
            print(f"{name}: {len(recorder.names)} kernels so far", file=sys.stderr)
        os.chdir(ROOT)
    print(written(recorder, cases))


def drafts() -> Iterator[tuple[str, Draft, list[Array]]]:
    """Give the nets that are tried out, by a name, and what to fill their inputs with, where that matters."""
    write_images()
    for name, text in (("data layers", DATA_LAYERS), ("layers of forks", FORK_LAYERS.read_text())):
        yield name, Draft.of(text_format.Parse(text, NetParameter())), []
    for path in sorted((ROOT / "models").glob("*/train_val*.prototxt")):
        draft = Draft.of(*load_net(path)[:2])
        for layer in draft.layers:
            included.make_if_included(layer.data_param.source or layer.hdf5_data_param.source)
        draft = draft.with_param(with_caller_state(draft.param, TRAIN))
        draft = without_fillers(without_data(draft, {}, Path.cwd()).draft)
        for layer in draft.layers:
            for shape in layer.input_param.shape:
                shape.dim[0] = IMAGES
        yield str(path.relative_to(ROOT)), draft, []
    for path in sorted((ROOT / "tests/golden/layers").glob("*.npz")):
        with np.load(path) as case:
            draft = Draft.of(text_format.Parse(str(case["prototxt"]), NetParameter()))
            count = sum(re.fullmatch(r"bottom_\d+", key) is not None for key in case.files)
            yield path.name, draft, [case[f"bottom_{index}"] for index in range(count)]


def write_images() -> None:
    """Write an image, a list and a file of windows for the data layers into the working directory."""
    Path("image.png").write_bytes(png(np.random.default_rng(SEED).integers(0, 256, (40, 50, 3), np.uint8)))
    Path("list.txt").write_text("image.png 0\n")
    Path("windows.txt").write_text(WINDOWS)


def try_layers(draft: Draft, inputs: list[Array], recorder: Recorder, cases: Cases) -> None:
    """Set up a net for training, run each layer forward and backward, and note what layers of the same fields ran.

    Nets that come later only add to what layers of other fields run. What threads run that read ahead counts for all
    layers of the net that read.
    """
    ran: dict[str, list[int]] = {}

    def setup_noted(layer: Layer, bottom: Any, top: Any) -> None:
        with recorder.recording() as rows:
            setup_layer(layer, bottom, top)
        ran[layer.name] = rows

    recorder.called_ahead = {}
    build.setup_layer = setup_noted  # type: ignore[attr-defined]
    draft = draft.with_param(with_caller_state(draft.param, TRAIN))
    net = Net.from_draft(draft, Context(seed=SEED, folder=Path.cwd()))
    tops = dict(top for index in range(len(net.core_layers)) for top in net.tops(index))
    for name, values in zip(net.inputs, inputs, strict=False):
        tops[name].data[...] = values
    for step in net.plan.layer_steps:
        with recorder.recording() as rows:
            step.forward()
        ran[step.layer.name] += rows
    readers = [layer for layer in net.core_layers if isinstance(layer, PrefetchingLayer)]
    net.close()  # and with it the threads
    for layer in readers:
        ran[layer.name] += recorder.called_ahead
    found: Cases = {kind: {} for kind in cases}
    for step in reversed(net.plan.layer_steps):
        backward: list[int] = []
        if step.need_backward:
            with recorder.recording() as backward:
                step.backward()
        layer_param = step.layer.layer_param
        before = found[layer_param.type].setdefault(fields_of_layer(layer_param), ([], []))
        for known, rows in zip(before, (ran[step.layer.name], backward), strict=True):
            known += dict.fromkeys(row for row in rows if row not in known)
    for kind, by_fields in found.items():
        cases[kind] = {**by_fields, **cases[kind]}


def try_rule(name: str, fields: str, recorder: Recorder, cases: Cases) -> None:
    """Note what an update by a rule runs."""
    net = text_format.Parse(TRAINED, NetParameter())
    text = f'type: "{name}" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_after_train: false {fields}'
    param = text_format.Parse(text, SolverParameter(train_net_param=net))
    solver = get_solver(param)
    solver.net.forward_pass()
    solver.net.backward_pass()
    with recorder.recording() as rows:
        solver.apply_update()
    cases[rule_kind(name)][fields_of_solver(param)] = (rows, [])
    solver.close()


def written(recorder: Recorder, cases: Cases) -> str:
    """Return the table as JSON, a line a kernel and a line a case; cases that differ in nothing that is run are one."""
    kernels = [
        json.dumps([name, round(1000 * recorder.seconds[row]), list(recorder.calls[row])])
        for row, name in enumerate(recorder.names)
    ]
    kinds = []
    for kind, by_fields in sorted(cases.items()):
        lines = [
            json.dumps([sorted(fields), sorted(forward), sorted(backward)])
            for fields, (forward, backward) in sorted(by_fields.items(), key=lambda item: sorted(item[0]))
        ]
        kinds.append(f"{json.dumps(kind)}: [" + ",".join(f"\n{line}" for line in lines) + "]")
    return '{"kernels": [\n' + ",\n".join(kernels) + '\n],\n"cases": {\n' + ",\n".join(kinds) + "\n}}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as kernels:
        os.environ["NUMBA_CACHE_DIR"] = kernels  # all are to be compiled
        main()
