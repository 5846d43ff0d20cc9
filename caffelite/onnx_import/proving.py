"""The net beside the model: whether both answer the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from caffelite.core.blob import Array, Blob
from caffelite.core.format import shape_string
from caffelite.core.net.net import Net
from caffelite.onnx_import.errors import OnnxError, first_line

Feed = dict[str, Array]
Run = Callable[[Feed], list[Any]]  # from inputs to outputs

ENOUGH = 2  # kinds of input that the answers are the same for
TOLERANCE = 1e-4  # of the largest value of an output, or of 1
COARSER = {TensorProto.FLOAT16: 1e-2, TensorProto.BFLOAT16: 5e-2}  # where the model itself rounds more
FEW = 1e-3  # of the places of an ArgMax: between almost equal values rounding decides


class Unproved(OnnxError):
    """Nobody can run the model."""


def prove(net: Net, model: Any, blobs: dict[str, str]) -> tuple[float, str]:
    """Run net and model on the same random inputs, of two kinds; return how far they are apart, and who ran the model.

    model: the ModelProto as it was read. blobs: tensor -> blob, of all inputs and outputs. Raises OnnxError where they
    differ by more than 1e-4 of an output's largest value (or of 1), and Unproved where nobody can run the model.
    """
    held = {name: blob for index in range(len(net.core_layers)) for name, blob in net.tops(index)}
    weights = {entry.name for entry in model.graph.initializer}
    inputs = [entry for entry in model.graph.input if entry.name not in weights]
    feeds = _feeds({entry.name: _typed(entry, held[blobs[entry.name]].shape) for entry in inputs})
    wanted = list(dict.fromkeys(entry.name for entry in model.graph.output))
    run, judge = _judge(model, wanted, feeds[0])
    furthest, problems = [], []
    for feed in feeds:
        for name, values in feed.items():
            held[blobs[name]].data[...] = values
        net.forward_pass()
        ours = {name: held[blobs[name]].data for name in wanted}
        difference, problem = _furthest(ours, run(feed), judge, _tolerance(model))
        if not problem:
            furthest.append(difference)
        elif not _makes_nan(net, held):
            raise OnnxError(problem)
        else:  # of Log, Sqrt or a division: what layers make of what is no number proves nothing
            problems.append(problem)
        if len(furthest) == ENOUGH:
            break
    if not furthest:
        raise OnnxError(problems[0])
    return max(furthest), judge


def _furthest(ours: Mapping[str, Array], theirs: Sequence[Any], judge: str, tolerance: float) -> tuple[float, str]:
    """Return how far the outputs are apart, and what is to be said where that is too far, else ""."""
    furthest = 0.0
    for (name, values), answer in zip(ours.items(), theirs, strict=True):
        difference = _distance(name, values, np.asarray(answer))
        if not difference <= tolerance:
            return difference, (
                f'output "{name}" of shape {shape_string(np.shape(answer))} differs by {difference:.3g} '
                f"from what {judge} computes of the same random input; nothing was written{_doubt(judge)}"
            )
        furthest = max(furthest, difference)
    return furthest, ""


def _makes_nan(net: Net, held: Mapping[str, Blob]) -> bool:
    """Return whether a layer makes a value that is no number, looking after each one, since plans reuse memory."""
    for index in range(len(net.plan.layer_steps)):
        net.forward_from_to(index, index)
        if any(np.isnan(blob.data).any() for blob in held.values()):
            return True
    return False


def _typed(entry: Any, shape: tuple[int, ...]) -> Array:
    return np.empty(shape, helper.tensor_dtype_to_np_dtype(entry.type.tensor_type.elem_type))


def _feeds(inputs: Feed) -> list[Feed]:
    """Return values for the inputs, three times: normal ones, whole numbers of 0 or more, and numbers around 1.

    Of the second many are equal, as an ArgMax may find them, and none is negative, of which Log and Sqrt make nothing;
    of the third none is 0, either.
    """
    random = np.random.default_rng(0)
    feeds = []
    for change in (np.positive, lambda values: np.abs(np.rint(2 * values)), lambda values: np.exp(values / 4)):
        values = {name: change(random.standard_normal(inputs[name].shape)) for name in sorted(inputs)}
        feeds.append({name: np.asarray(of, inputs[name].dtype) for name, of in values.items()})  # numbers, too
    return feeds


def _tolerance(model: Any) -> float:
    kinds = {entry.type.tensor_type.elem_type for entry in (*model.graph.input, *model.graph.output)}
    kinds |= {entry.data_type for entry in model.graph.initializer}
    return max(COARSER.get(kind, TOLERANCE) for kind in kinds)


def _judge(model: Any, wanted: list[str], feed: Feed) -> tuple[Run, str]:
    """Return who runs the model, and its name: onnxruntime where that does, else ONNX's reference evaluator."""
    stumbles = []
    for judge, maker in (("onnxruntime", _onnxruntime), ("ONNX's reference evaluator", _reference)):
        try:
            run = maker(model, wanted)
            run(feed)
            return run, judge
        except ImportError:
            stumbles.append(f"{judge} is not installed (pip install {judge})")
        except Exception as err:  # whatever it stumbles at: number types, versions, its Python code
            stumbles.append(f"{judge} cannot run the model ({type(err).__name__}: {first_line(err)})")
    raise Unproved(f"{', and '.join(stumbles)}, so nothing proves the answers")


def _onnxruntime(model: Any, wanted: list[str]) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what it refuses, the other one is asked for
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda feed: list(session.run(wanted, feed))


def _reference(model: Any, wanted: list[str]) -> Run:
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)

    def run(feed: Feed) -> list[Any]:
        with np.errstate(all="ignore"):
            return list(evaluator.run(wanted, feed))

    return run


def _doubt(judge: str) -> str:
    """Return what else a difference may mean: the reference evaluator is wrong about LRN of other than C images."""
    return "" if judge == "onnxruntime" else " (pip install onnxruntime to have it asked instead)"


def _distance(name: str, ours: Array, theirs: Array) -> float:
    """Return the largest difference, as a share of the largest finite value where that is above 1.

    Where the model itself has no number, or both have none that is finite, nothing can be compared. Of whole numbers
    one in a thousand may be another. Raises OnnxError for different shapes.
    """
    if ours.shape != theirs.shape:
        raise OnnxError(
            f'output "{name}" has the shape {shape_string(theirs.shape)} where the model runs, and '
            f"{shape_string(ours.shape)} by the rules of ONNX; nothing was written"
        )
    places, theirs = theirs.dtype.kind in "iub", theirs.astype(np.float64)
    equal = (ours == theirs) | np.isnan(theirs) | ~(np.isfinite(ours) | np.isfinite(theirs))
    if equal.all() or places and np.mean(~equal) <= FEW:
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(equal, 0, np.abs(ours - theirs))
    largest = np.abs(theirs, where=np.isfinite(theirs), out=np.zeros_like(theirs)).max(initial=1)
    return float(apart.max() / largest)
