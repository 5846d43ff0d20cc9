"""Layer: what every layer type is made of, and the register of types. Source: include/caffe/layer.hpp."""

from __future__ import annotations

import enum
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from html import escape
from math import prod
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
from google.protobuf.message import Message

from caffelite.core import container, random
from caffelite.core.blob import Array, Blob, Shape
from caffelite.core.blob_proto import read_blob
from caffelite.core.costs import Cost, Product, Reach
from caffelite.core.errors import CaffeliteError, LayerError, UnknownNameError, UsageError, printable
from caffelite.core.figures import HEAD, figures_of
from caffelite.core.files import find_file
from caffelite.core.fillers import fill
from caffelite.core.format import message_text, shape_string
from caffelite.core.layer_fields import OwnFields, own_fields_of
from caffelite.core.prototxt.fork_types import known_elsewhere
from caffelite.core.prototxt.lines import Place, at_layer
from caffelite.core.prototxt.own_fields import USER_TYPES
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.core.prototxt.unknown_fields import READ
from caffelite.core.registry import Registry
from caffelite.core.tables import html_table
from caffelite.core.user_code import note, problem_in
from caffelite.core.user_layers import Noting, check_shaped, described, is_ours
from caffelite.core.vectors import BlobVec, StringVec
from caffelite.proto import caffe_pb2

Blobs = Sequence[Blob]
log = logging.getLogger("caffelite")
ON_BAD_RECORD = ("stop", "skip")
# What a layer keeps between passes besides its blobs; arrays, numbers and strings, so that a snapshot can hold it.
State = dict[str, Any]


@dataclass
class Context:
    """What all layers of one net share.

    `passes` counts forward passes and is set by the solver, so that random draws are a function of the iteration.
    """

    seed: int = 0
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    passes: int = 0
    solver_rank: int = 0
    solver_count: int = 1
    folder: Path | None = None  # of the prototxt; None for a net from a message
    python_layers: bool = True  # whether code of the user's may be loaded
    data_workers: int | None = None  # threads that decode and transform for each data layer; None: one a core
    on_bad_record: str = "stop"  # what data layers do with a record that cannot be read; "skip": leave it out
    budget: container.Budget | None = None  # while the net is built; it counts what its blobs will take
    untrained: bool = False  # set by the solver while it tests parameters that have seen no data
    warned: set[str] = field(default_factory=set)  # what `warn_once` warned of
    told: set[str] = field(default_factory=set)  # warnings of the file, by all nets that a solver makes of it

    def __post_init__(self) -> None:
        if self.on_bad_record not in ON_BAD_RECORD:
            raise UsageError(f'on_bad_record is "{self.on_bad_record}"; use {" or ".join(ON_BAD_RECORD)}')

    def warn_once(self, about: str, text: str) -> None:
        """Log a warning, unless the net was warned `about` this before."""
        if about not in self.warned:
            self.warned.add(about)
            log.warning("%s", text)

    def find(self, name: str) -> Path:
        """Return where a file is that the prototxt names; NoSuchFileError, which lists the places, if it is nowhere."""
        return find_file(name, self.folder)


class BlobSpec(NamedTuple):
    """A parameter blob that a layer wants: its shape and how it gets its first values."""

    shape: Shape
    filler: caffe_pb2.FillerParameter


class TopMemory(enum.Enum):
    """Whose memory the data of a top is; where an in-place layer would harm somebody, the net makes a copy."""

    OWN = "the top's own, written in each pass"
    BOTTOM = "that of bottom[0]"
    KEPT = "a parameter's, the layer's or the user's, or the top's own but not written again in each pass"
    USER = "the top's own, which the user fills"


class Layer:
    """One step of a net: reads its bottoms, fills its tops, and sends gradients back.

    Subclasses give `setup` (once), `reshape` (shapes of the tops; may allocate), `forward` and `backward`, all called
    with lists of blobs. `reshape` runs when a bottom's shape changed, or before every pass if `reshape_every_pass`.
    `backward` overwrites the diff of each bottom whose `propagate_down` is true and adds to the diffs of `self.blobs`
    whose `param_propagate_down` is true. In place it gets the same blob twice, if it `handles_in_place`.
    """

    type: ClassVar[str] = ""
    # Messages of LayerParameter that the layer reads ("pooling_param", ...). A class has to say it itself, for itself
    # alone: what a user writes in other messages is warned of. None: not known, so nothing is.
    messages: ClassVar[tuple[str, ...] | None] = None
    # Fields of these messages that it does not read ("lrn_param.k") -> what the user should know of them. `engine`
    # counts as read, since the net says what it means.
    not_read: ClassVar[Mapping[str, str]] = {}
    # Whose layer it is, for those that Caffe 1.0 does not have: "SSD". Where one type name stands for several layers, a
    # net's log says which was taken, and by what it was told from the others: "two bottoms". Without `told_by` that is
    # the fields written in its messages.
    fork: ClassVar[str] = ""
    told_by: ClassVar[str] = ""
    exact_num_bottom_blobs: ClassVar[int | None] = None
    min_bottom_blobs: ClassVar[int | None] = None
    max_bottom_blobs: ClassVar[int | None] = None
    exact_num_top_blobs: ClassVar[int | None] = None
    min_top_blobs: ClassVar[int | None] = None
    max_top_blobs: ClassVar[int | None] = None
    equal_num_bottom_top_blobs: ClassVar[bool] = False
    auto_top_blobs: ClassVar[bool] = False  # a layer written without tops gets anonymous ones
    is_input: ClassVar[bool] = False  # its tops are the inputs of the net
    has_backward: ClassVar[bool] = True
    reshape_every_pass: ClassVar[bool] = False
    writes_files: ClassVar[bool] = False  # in its forward pass
    # Whether it takes one blob as bottom and top: it works in place, keeping what its gradient needs, or refuses. Where
    # it does not, the net hands it a copy of the bottom.
    handles_in_place: ClassVar[bool] = False
    notes_errors: ClassVar[bool] = False  # whether it says itself, of what a user's code raises, which layer it is
    gradient_reads_bottoms: ClassVar[bool] = True  # whether `backward` reads the data of bottoms
    # What the tops are, x being the bottom and y the top: a text for str.format, which finds in it {layer}, {bottom},
    # {top} and the messages that the layer reads, by name ("{relu_param.negative_slope:g}").
    formula: ClassVar[str] = ""
    # Why `columns` refuses.
    no_columns: ClassVar[str] = "it does not multiply windows of images by weights"
    place: Place | None = None  # in the user's file; the net sets it
    need_backward: bool = True  # whether a backward pass of the net runs this layer; set by the net after set-up

    def __init__(self, layer_param: caffe_pb2.LayerParameter, context: Context | None = None) -> None:
        """`layer_param` is the layer's own copy; its `blobs` become parameters before set-up."""
        self.layer_param = layer_param
        self.context = context or Context()
        self.phase = layer_param.phase
        self.blobs = BlobVec(layer_name=layer_param.name, dtype=self.dtype)
        for stored in layer_param.blobs:
            values = read_blob(stored)
            blob = self.new_blob(values.shape)
            blob.data[...] = values
            self.blobs.append(blob)
        self.param_propagate_down: list[bool] = []

    @classmethod
    def default_loss_weights(cls, layer_param: caffe_pb2.LayerParameter) -> list[float]:
        """Weights of the tops when `loss_weight` is not given, one a top; [] means none."""
        return []

    @property
    def name(self) -> str:
        """The layer's name in the prototxt."""
        return self.layer_param.name

    def __repr__(self) -> str:
        blobs = ", ".join(shape_string(blob.shape) for blob in self.blobs)
        return f'<{type(self).__name__} "{printable(self.name)}"{f": blobs {blobs}" if blobs else ""}>'

    def _repr_html_(self) -> str:
        """Return a table of the parameters, for notebooks, and the layer as it is written."""
        rows: list[tuple[str, ...]] = [("blob", "shape", *HEAD)]
        for number, blob in enumerate(self.blobs):
            rows.append((str(number), shape_string(blob.shape), *figures_of(blob.data).cells()))
        written = escape(str(message_text(self.layer_param)))
        table = html_table(rows, range(2, len(HEAD) + 2)) if self.blobs else ""
        name, kind = (escape(printable(text)) for text in (self.name, self.layer_param.type))
        return f"<b>{name}</b> ({kind})<pre>{written}</pre>{table}"

    @cached_property
    def user_param(self) -> OwnFields:
        """What the prototxt says in the layer's messages, for types whose messages no schema has.

        `self.user_param["my_param"].get("size", 3)`.
        """
        return own_fields_of(self.layer_param)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type of all blobs: float32, or float64 for gradient checks."""
        return self.context.dtype

    @property
    def exposed(self) -> Any:
        """What `net.layers` shows of this layer."""
        return self

    def warn(self, text: str) -> None:
        """Log a warning with the layer's file, line, name and type in front."""
        log.warning("%s", self.located(text))

    def warn_once(self, about: str, text: str) -> None:
        """Log a warning as `warn` does, unless a layer of the net warned `about` this before."""
        self.context.warn_once(about, self.located(text))

    def located(self, text: str) -> str:
        """Return a text with the layer's file, line, name and type in front."""
        return at_layer(self.layer_param, self.place) + text

    def new_blob(self, shape: Shape | None = None) -> Blob:
        """Return a blob of the net's number type."""
        return Blob(shape, self.dtype)

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Read the layer's fields and make its parameters; runs once, before the first reshape."""

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Give the tops their shapes and make the buffers that depend on shapes."""
        raise NotImplementedError(f"{type(self).__name__} has no reshape")

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Fill the tops' data from the bottoms' data."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Fill the diffs of the bottoms and add to the diffs of the parameters, from the tops' diffs."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def top_memory(self, top_index: int) -> TopMemory:
        """Return whose memory the data of a top is; asked for after set-up.

        A class of another package that does not say so is taken to fill it as it likes: that costs a copy where a layer
        works in place on the top, and is never wrong.
        """
        if self.is_input:
            return TopMemory.USER
        return TopMemory.OWN if is_ours(type(self)) else TopMemory.KEPT

    def gradient_reads_tops(self) -> tuple[int, ...]:
        """Return the tops whose data `backward` reads, by index; asked for after set-up.

        A class of another package that does not say so is taken to read all of them.
        """
        return () if is_ours(type(self)) else tuple(range(len(self.layer_param.top)))

    def describe(self, bottom: Blobs, top: Blobs) -> Cost:
        """Return what the layer costs for these shapes; call it after set-up."""
        own = [blob for blob in top if all(blob is not other for other in bottom)]
        return Cost(
            self.multiply_adds(bottom, top),
            sum(blob.count for blob in self.blobs),
            sum(blob.count for blob in own) * self.dtype.itemsize,
            self.state_bytes(),
        )

    def formula_with_numbers(self, bottom: Blobs, top: Blobs) -> str:
        """Return `formula` with the numbers of this layer and these shapes; call it after set-up."""
        messages = {name: getattr(self.layer_param, name) for name in self.messages or ()}
        return self.formula.format(layer=self, bottom=bottom, top=top, **messages)

    def matrix_products(self, bottom: Blobs, top: Blobs) -> list[Product]:
        """Return the products of matrices of both passes; layers that have some override this."""
        return []

    def columns(self, sample: Array) -> Array:
        """Return the im2col matrix of one image; UsageError of layers that have none."""
        raise UsageError(
            f'layer "{self.name}" ({self.type}) has no im2col matrix: {self.no_columns}; '
            "layers of type Convolution, Deconvolution and Im2col have one"
        )

    def reach(self, bottom_index: int, bottom: Blobs, top: Blobs) -> Reach | None:
        """Return which pixels of a bottom one pixel of the tops is made of; None if that is none, or not known.

        That is the pixel at the same place where bottom and top have the same spatial axes. Layers with windows, and
        those that read whole images, override this.
        """
        spatial = bottom[bottom_index].shape[2:]
        if not spatial or not top or top[0].shape[2:] != spatial:
            return None
        return Reach((1,) * len(spatial), (Fraction(1),) * len(spatial))

    def multiply_adds(self, bottom: Blobs, top: Blobs) -> int:
        """Return how many a forward pass does; layers with products of matrices or over windows override this."""
        return 0

    def state_bytes(self) -> int:
        """Return the size of what the layer keeps besides its blobs; layers that keep whole blobs override this."""
        return 0

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Whether `force_backward` may ask for the gradient of this bottom; losses refuse it for labels."""
        return True

    def get_state(self) -> State:
        """Return what the next pass depends on besides blobs, seed and pass number: positions, shuffles, ..."""
        return {}

    def set_state(self, state: State) -> None:
        """Take up a state that `get_state` returned in another process."""
        assert not state, f"{type(self).__name__} keeps no state"

    def advice_for_blobs(self, count: int) -> str:
        """Return, as "; ...", what to write where a file has `count` blobs for this layer; "" if nothing helps."""
        return ""

    def close(self) -> None:
        """Give back files and threads; the layer is not used afterwards."""

    def init_params(self, specs: list[BlobSpec]) -> None:
        """Make the parameter blobs and fill them; blobs that came with the LayerParameter are kept and checked.

        Raises LayerError if those are not as many as `specs`, or of other shapes.
        """
        if self.blobs:
            have = [blob.shape for blob in self.blobs]
            want = [spec.shape for spec in specs]
            if have != want:
                raise LayerError(
                    "blobs",
                    f"of shape {', '.join(map(shape_string, have))}",
                    f"this layer has {len(want)} of shape {', '.join(map(shape_string, want))}",
                )
        else:
            size = sum(prod(spec.shape) for spec in specs) * self.dtype.itemsize
            budget = self.context.budget or container.Budget()
            budget.require(2 * size, "making its parameters and their gradients")
            for index, spec in enumerate(specs):
                blob = self.new_blob(spec.shape)
                rng = random.generator(self.context.seed, self.name, "param", index)
                fill(blob, spec.filler, rng, _path_of(self.layer_param, spec.filler) or "filler")
                self.blobs.append(blob)
        self.param_propagate_down = [True] * len(self.blobs)

    def random_key(self, purpose: str = "") -> int:
        """Return 64 bits for this pass of this layer, as seed of a counter hash in a kernel."""
        return random.key(self.context.seed, self.name, purpose, self.context.passes)

    def canonical_axis(self, blob: Blob, axis: int, field: str) -> int:
        """Return `axis` counted from the front; LayerError naming `field` if the blob has no such axis."""
        try:
            return blob.canonical_axis(axis)
        except IndexError:
            legal = f"a blob of shape {shape_string(blob.shape)} has axes {-blob.num_axes} to {blob.num_axes - 1}"
            if not blob.num_axes:
                legal = "the bottom is a scalar and has no axes" if blob.count else "the bottom has no shape yet"
            raise LayerError(field, axis, legal) from None


def _path_of(message: Message, filler: caffe_pb2.FillerParameter) -> str:
    """Return the path of the first filler in the message that is equal to this one, "" if there is none."""
    for known, value in message.ListFields():
        if known.name.endswith("filler") and value == filler:
            return known.name
        if isinstance(value, Message) and (path := _path_of(value, filler)):
            return f"{known.name}.{path}"
    return ""


L = TypeVar("L", bound=type[Any])
Predicate = Callable[[caffe_pb2.LayerParameter], bool]


class _Kind(NamedTuple):
    when: Predicate | None
    layer_class: type[Layer]


LAYERS: Registry[list[_Kind]] = Registry("layer type")


def register_layer(type_name: str, when: Predicate | None = None) -> Callable[[L], L]:
    """Decorate the class of layers whose prototxt says `type: "<type_name>"`.

    One name may stand for several classes (forks use one name for different layers): those with `when` are taken where
    it holds for the LayerParameter, else the one without; those of other packages before ours. A class takes the place
    of one of the same name in the same module, so that a module may be loaded twice. Classes of other packages may
    derive from caffelite.Layer, as those of `type: "Python"` do. Raises UsageError if another class has the name, and
    for a name or `when` that is none.
    """
    if not isinstance(type_name, str) or not type_name:
        raise UsageError(f'register_layer takes the name of a type, as in @register_layer("MyType"), not {type_name!r}')
    if when is not None and not callable(when):
        raise UsageError(f'register_layer("{type_name}", when=...) takes a function of a LayerParameter, not {when!r}')

    def add(layer_class: L) -> L:
        if not is_ours(layer_class):
            _register_all()  # the name may be one of ours that nobody has asked for yet
        known = _core_class(layer_class)
        if type_name not in LAYERS:
            LAYERS.register(type_name)([])
        kinds = LAYERS[type_name]
        is_same = [
            _origin(kind.layer_class) == _origin(known) and (kind.when is None) == (when is None) for kind in kinds
        ]
        kinds[:] = [kind for kind, same in zip(kinds, is_same, strict=True) if not same]
        for kind in kinds:
            if kind.when is when:
                raise UsageError(_taken(type_name, kind.layer_class, known))
        known.type = type_name
        READ.setdefault(type_name, []).append((vars(known).get("messages") or (), known.not_read))
        if is_ours(known):
            kinds.append(_Kind(when, known))
        else:
            kinds.insert(0, _Kind(when, known))
            USER_TYPES.add(type_name)
        return layer_class

    return add


def _core_class(layer_class: type[Any]) -> type[Layer]:
    """Return the class, or for one that derives from caffelite.Layer a class that lets it compute."""
    if isinstance(layer_class, type) and issubclass(layer_class, Layer):
        return layer_class
    from caffelite.core.layers.shared.own_class import made_of

    return made_of(layer_class)


def _origin(layer_class: type[Layer]) -> tuple[str, str]:
    module = sys.modules.get(layer_class.__module__)
    return getattr(module, "__file__", None) or layer_class.__module__, layer_class.__qualname__


def _taken(type_name: str, layer_class: type[Layer], other: type[Layer]) -> str:
    has, wants = (f"{known.__qualname__} ({_origin(known)[0]})" for known in (layer_class, other))
    return (
        f'layer type "{type_name}" is registered twice: it is {has}, and {wants} cannot have the name; choose another, '
        "or say with register_layer(..., when=...) which layers it is for"
    )


def layer_class_for(layer_param: caffe_pb2.LayerParameter) -> type[Layer]:
    """Return the class for this LayerParameter; LayerError with the nearest known type if there is none."""
    _register_all()
    try:
        kinds = LAYERS[layer_param.type]
    except UnknownNameError as err:
        elsewhere = known_elsewhere(layer_param.type)
        raise LayerError("type", f'"{layer_param.type}"', f"it is {elsewhere}" if elsewhere else str(err)) from None
    for kind in kinds:
        if kind.when is not None and _is_meant(kind, layer_param):
            return kind.layer_class
    for kind in kinds:
        if kind.when is None:
            return kind.layer_class
    raise LayerError("type", f'"{layer_param.type}"', "none of the layers of this type knows the fields given")


def _is_meant(kind: _Kind, layer_param: caffe_pb2.LayerParameter) -> bool:
    """Whether a function that came with a class says that this LayerParameter means it; LayerError if it raises."""
    assert kind.when is not None
    try:
        return bool(kind.when(layer_param))
    except Exception as err:
        name = described(kind.layer_class)
        raise LayerError(
            "type", f'"{layer_param.type}"', f"the `when` with which {name} is registered fails: {problem_in(err)}"
        ) from err


def unread_own_fields(layer: Layer) -> list[tuple[str, str]]:
    """Return path and advice for each field in `user_param` that a layer which looked there did not read."""
    fields = layer.__dict__.get("user_param")
    return [] if fields is None else list(fields.unread())


def check_own_fields(layer_class: type[Layer], layer_param: caffe_pb2.LayerParameter) -> None:
    """Raise LayerError for fields that the schema lacks in a layer of a class of this package, which reads none."""
    if layer_param.own_fields and is_ours(layer_class):
        name = layer_param.own_fields.partition(" ")[0].rstrip(":")
        known = [known.name for known in layer_param.DESCRIPTOR.fields if known.name != "own_fields"]
        raise LayerError(
            name, "an unknown field", f"{layer_class.__name__} has no use for it{did_you_mean(name, known)}"
        )


def layer_type_list() -> StringVec:
    """Names of all layer types, in ASCII order."""
    _register_all()
    return StringVec(LAYERS)


def _register_all() -> None:
    """Register every layer type; the layers' modules load numba, so this happens when first needed."""
    import caffelite.core.layers  # noqa: F401
    from caffelite.core.layer_files import load_packages

    load_packages()


def make_layer(
    layer_param: caffe_pb2.LayerParameter, context: Context | None = None, place: Place | None = None
) -> Layer:
    """Return a new layer of the type that `layer_param` names, not yet set up; `place` is that in the user's file.

    What a class of another package raises gets a note that names the layer. Raises LayerError for one whose __init__
    does not call that of Layer.
    """
    try:
        layer_class = layer_class_for(layer_param)
        layer = layer_class(layer_param, context)
    except (CaffeliteError, MemoryError):
        raise
    except Exception as err:
        note(err, f"{at_layer(layer_param, place)}raised while the layer was made")
        raise
    if not hasattr(layer, "param_propagate_down"):
        raise LayerError(
            "type",
            f'"{layer_param.type}"',
            f"{described(layer_class)} has an __init__ that does not call super().__init__(layer_param, context)",
        )
    layer.place = place
    return layer


_COUNT_CHECKS: tuple[tuple[str, str, Callable[[int, int], bool]], ...] = (
    ("exact_num", "", lambda have, want: have == want),
    ("min", "at least ", lambda have, want: have >= want),
    ("max", "at most ", lambda have, want: have <= want),
)


def check_blob_counts(layer: Layer, num_bottom: int, num_top: int) -> None:
    """Raise LayerError if the layer type does not take this many bottoms or make this many tops."""
    for side, have, verb, noun in (("bottom", num_bottom, "takes", "input"), ("top", num_top, "produces", "output")):
        for prefix, words, holds in _COUNT_CHECKS:
            want = getattr(layer, f"{prefix}_{side}_blobs")
            if want is not None and not holds(have, want):
                raise LayerError(
                    side, f"given {have} times", f"{layer.type} Layer {verb} {words}{want} {side} blob(s) as {noun}."
                )
    if layer.equal_num_bottom_top_blobs and num_bottom != num_top:
        raise LayerError(
            "top",
            f"given {num_top} times",
            f"{layer.type} Layer produces one top blob as output for each of the {num_bottom} bottom blobs input.",
        )


def setup_layer(layer: Layer, bottom: Blobs, top: Blobs) -> None:
    """Check the blob counts, then set the layer up and shape its tops.

    Raises LayerError for a top that a class of another package leaves without a shape.
    """
    check_blob_counts(layer, len(bottom), len(top))
    with Noting(layer, "setup"):
        layer.setup(bottom, top)
    if not layer.param_propagate_down:
        layer.param_propagate_down = [True] * len(layer.blobs)
    with Noting(layer, "reshape"):
        layer.reshape(bottom, top)
    if not layer.is_input and not is_ours(type(layer)):
        check_shaped(top, described(type(layer)))
