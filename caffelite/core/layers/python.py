"""Python: a layer that the user wrote. Source: include/caffe/layers/python_layer.hpp, python/caffe/_caffe.cpp."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from caffelite import python_layer
from caffelite.as_caffe import install_unless_real
from caffelite.core import ranks
from caffelite.core.errors import CaffeliteError, LayerError
from caffelite.core.layer import Blobs, Layer, State, TopMemory, register_layer
from caffelite.core.layers.shared.built_in_python import built_in_module, is_missing
from caffelite.core.prototxt.fork_types import PYTHON_LAYERS, known_elsewhere
from caffelite.core.prototxt.suggest import did_you_mean
from caffelite.core.python2 import advice
from caffelite.core.user_code import note, problem_in
from caffelite.core.user_layers import check_shaped, checked_state
from caffelite.core.vectors import BoolVec, RawBlobVec
from caffelite.proto import caffe_pb2

log = logging.getLogger("caffelite")

NAMED = 3  # layers of a module that an error names


class MissingModuleError(LayerError, ModuleNotFoundError):
    """There is no module of the name in python_param."""


class MissingClassError(LayerError, AttributeError):
    """The module has no class of the name in python_param."""


@register_layer("Python")
class PythonLayer(Layer):
    """Let a class of the user's, derived from caffe.Layer, compute; it is made from python_param.module and .layer.

    bottom[i]: any number, of any shape.
    top[i]: any number, of the shapes that the class gives them.

    The module is looked for on sys.path, in the working directory and beside the prototxt; `import caffe` in it gives
    caffelite unless a real caffe is installed. Layers of public nets are built in (rpn.proposal_layer.ProposalLayer of
    py-faster-rcnn), for where that module is missing or cannot be imported; the log says so. The class's own object is
    what `net.layers` shows. What its methods raise comes through as it is, with a note that names the layer.

    Raises LayerError if Python layers are switched off, for a module, class or shape that is missing, and for a class
    that is no layer.
    """

    messages = ("python_param",)
    formula = "y = what forward of {python_param.module}.{python_param.layer} makes of the bottoms"
    not_read = {
        "python_param.share_in_parallel": "solvers of one net share no layers",
    }
    handles_in_place = True
    reshape_every_pass = True
    notes_errors = True

    def setup(self, bottom: Blobs, top: Blobs) -> None:
        """Make the user's object and let it set itself up."""
        param = self.layer_param.python_param
        self.built_in = built_in_module(param.module, param.layer)
        self._check_allowed()
        if self.phase == caffe_pb2.TRAIN and self.context.solver_count > 1 and not ranks.is_multiprocess():
            raise LayerError(
                "type",
                f'"{self.type}"',
                f"{self.context.solver_count} solvers train together, and Python layers need a process for each: call "
                "caffelite.set_multiprocess(True) if it is so",
            )
        for blob in (*bottom, *top, *self.blobs):
            blob.pinned = True  # user code may read any of them
        self.user_layer = self._made(self._user_class())
        python_layer.prepare(self.user_layer, param.param_str, self.phase, self.blobs, self.dtype)
        self.blobs = self.user_layer.blobs
        self.user_layer.blobs.layer_name = self.name
        self._call("setup", RawBlobVec(bottom), RawBlobVec(top))

    def _check_allowed(self) -> None:
        """Raise LayerError if no module may be loaded that a prototxt names."""
        if not self.context.python_layers and self.built_in is None:
            raise LayerError(
                "type",
                '"Python"',
                "this net was loaded without Python layers, since they run any code their module holds; leave out "
                "python_layers=False or --no-python-layers if you trust it",
            )

    def _user_class(self) -> Callable[[caffe_pb2.LayerParameter], Any]:
        """Return the class that computes; LayerError if there is none."""
        param = self.layer_param.python_param
        return self._class_of(self._module(param.module), param.layer)

    @property
    def exposed(self) -> Any:
        """The user's object."""
        return self.user_layer

    def _module(self, name: str) -> ModuleType:
        if not name:
            raise LayerError("python_param.module", "not given", "name the module, a file name without .py")
        if not self.context.python_layers and self.built_in is not None:
            return self._ours("Python layers are switched off", self.built_in)
        install_unless_real()
        places = [os.getcwd(), *([str(self.context.folder.resolve())] if self.context.folder else [])]
        sys.path.extend(place for place in dict.fromkeys(places) if place not in sys.path)
        invalidate_caches()  # the file may be newer than Python's last look at the folder
        if self.built_in is not None:
            try:
                import_module(name)
            except (ImportError, SyntaxError) as err:
                gone = is_missing(name, err)
                return self._ours("there is no such module" if gone else f"it cannot be imported: {err}", self.built_in)
        try:
            module: ModuleType = self._noted("import", lambda: import_module(name))
        except ModuleNotFoundError as err:
            if not is_missing(name, err):
                raise  # something that the module imports is missing
            searched = ", ".join(dict.fromkeys(places))
            raise MissingModuleError(
                "python_param.module",
                f'"{name}"',
                f"no such module on sys.path, in the working directory or beside the prototxt ({searched})"
                f"{did_you_mean(name, _modules_in(places))}{self._elsewhere()}",
            ) from None
        self._warn_of_another(module)
        return module

    def _elsewhere(self) -> str:
        """Return what the layer is, for those of Faster R-CNN that are not here; else ""."""
        layer = self.layer_param.python_param.layer
        return f"; {layer} is {known_elsewhere(layer)}" if layer in PYTHON_LAYERS else ""

    def _ours(self, why: str, module: ModuleType) -> ModuleType:
        """Return the built-in module; the log says why, once a net."""
        self.warn_once(f"built-in {self._described()}", f"{self._described()} is the one built into caffelite ({why})")
        return module

    def _warn_of_another(self, module: ModuleType) -> None:
        """Say so if the file beside the prototxt is not the one that was loaded: of one name there can be only one."""
        found = getattr(module, "__file__", None)
        if found and self.context.folder is not None:
            beside = self.context.folder.joinpath(*module.__name__.split(".")).with_suffix(".py")
            if os.path.exists(beside) and not os.path.samefile(beside, found):
                self.warn(f"module {module.__name__} is {Path(found)}, not {beside}")

    def _class_of(self, module: ModuleType, name: str) -> Callable[[caffe_pb2.LayerParameter], Any]:
        if not name:
            raise LayerError("python_param.layer", "not given", f"name the class in module {module.__name__}")
        if not hasattr(module, name):
            raise MissingClassError(
                "python_param.layer",
                f'"{name}"',
                f"module {module.__name__} ({getattr(module, '__file__', None)}) has no such class"
                f"{did_you_mean(name, vars(module))}",
            )
        found: Callable[[caffe_pb2.LayerParameter], Any] = getattr(module, name)
        if not callable(found) or (isinstance(found, type) and not issubclass(found, python_layer.Layer)):
            raise self._no_layer(module)
        return found

    def _made(self, layer_class: Callable[[caffe_pb2.LayerParameter], Any]) -> python_layer.Layer:
        param = caffe_pb2.LayerParameter()
        param.CopyFrom(self.layer_param)
        made: python_layer.Layer = self._noted("__init__", lambda: layer_class(param))
        if not issubclass(type(made), python_layer.Layer):  # isinstance says so of built-in layers, too
            raise self._no_layer(sys.modules[self.layer_param.python_param.module])
        return made

    def _no_layer(self, module: ModuleType) -> LayerError:
        """Return the error for what is no class derived from caffe.Layer, with those of the module that are."""
        name = self.layer_param.python_param.layer
        fix = "it must be a class derived from caffe.Layer"
        caffe_file = getattr(sys.modules.get("caffe"), "__file__", None)
        layers = [
            other for other, value in vars(module).items() if isinstance(value, type) and _is_layer(value, module)
        ]
        if caffe_file is not None and sys.modules["caffe"] is not sys.modules["caffelite"]:
            fix += f"; here `caffe` is {caffe_file}: call caffelite.install_as_caffe() before anything imports that"
        elif layers:
            fix += f", as {' and '.join(layers[:NAMED])} in module {module.__name__}"
        elif isinstance(getattr(module, name), type):
            fix += f": class {name}(caffe.Layer)"
        return LayerError("python_param.layer", f'"{name}"', fix)

    def _call(self, method: str, *arguments: Any) -> Any:
        return self._noted(method, lambda: getattr(self.user_layer, method)(*arguments))

    def _noted(self, doing: str, run: Callable[[], Any]) -> Any:
        """Run the user's code; what it raises gets a note that says in which layer (before Python 3.11: a log line).

        Raises LayerError, with the line of the module and what to change, for code that is written for Python 2.
        """
        try:
            return run()
        except CaffeliteError:
            raise  # the net says where
        except Exception as err:
            if advice(err):
                raise LayerError(*self._user_code(), problem_in(err)) from err
            note(err, self.located(f"raised in {doing} of {self._described()}"))
            raise

    def _user_code(self) -> tuple[str, str]:
        """Return the field that names the user's code, and its value."""
        return "python_param.module", f'"{self.layer_param.python_param.module}"'

    def _described(self) -> str:
        param = self.layer_param.python_param
        return f"{param.module}.{param.layer}"

    def reshape(self, bottom: Blobs, top: Blobs) -> None:
        """Let the user's object shape the tops; LayerError for one that it leaves without a shape."""
        self._call("reshape", RawBlobVec(bottom), RawBlobVec(top))
        check_shaped(top, self._described())

    def top_memory(self, top_index: int) -> TopMemory:
        """Say that the user's code may leave a top as it was in the last pass."""
        return TopMemory.KEPT

    def gradient_reads_tops(self) -> tuple[int, ...]:
        """Say that the user's code may read any top."""
        return tuple(range(len(self.layer_param.top)))

    def forward(self, bottom: Blobs, top: Blobs) -> None:
        """Let the user's object fill the tops."""
        self._call("forward", RawBlobVec(bottom), RawBlobVec(top))

    def backward(self, top: Blobs, propagate_down: list[bool], bottom: Blobs) -> None:
        """Let the user's object compute gradients."""
        self._call("backward", RawBlobVec(top), BoolVec(propagate_down), RawBlobVec(bottom))

    def get_state(self) -> State:
        """Return what the user's get_state returns, if there is one; LayerError for what no snapshot can hold."""
        if not hasattr(self.user_layer, "get_state"):
            return {}
        return checked_state(self._call("get_state"), self._described())

    def set_state(self, state: State) -> None:
        """Hand a state to the user's set_state; without one it is lost, which the log says."""
        if hasattr(self.user_layer, "set_state"):
            self._call("set_state", state)
        else:
            self.warn(f"{self._described()} has no set_state, so it starts afresh")


def _is_layer(value: type, module: ModuleType) -> bool:
    return issubclass(value, python_layer.Layer) and value.__module__ == module.__name__


def _modules_in(folders: Iterable[str]) -> Iterator[str]:
    """Yield the names of the modules in the folders, as far as these can be read."""
    for folder in folders:
        yield from (found.name for found in iter_modules([folder]))
