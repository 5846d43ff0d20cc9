"""The state a net is built for, from file, caller and solver. Sources: src/caffe/net.cpp, src/caffe/solver.cpp."""

from collections.abc import Iterable
from typing import Any, cast

from caffelite.proto.caffe_pb2 import LayerParameter, NetParameter, NetState, Phase


def merged_state(phase: int, *states: NetState) -> NetState:
    """Return the state of a solver's net: of phase and level the last one given wins, stages are put in a row.

    For a training net: TRAIN, the net's own state, train_state; for test net i: TEST, the net's, test_state[i].
    A phase in the net's own state thus wins over the solver's, as in Caffe.
    """
    merged = NetState(phase=cast(Any, phase))  # the stubs want their class Phase, which no running program has
    for state in states:
        merged.MergeFrom(state)
    return merged


def described(state: NetState) -> str:
    """Return a net's state in words: `phase TEST, level 0, stages "a", "b"`."""
    stages = ", ".join(f'"{stage}"' for stage in state.stage if stage)  # the command line's empty list holds one ""
    return f"phase {Phase.Name(state.phase)}, level {state.level}, {f'stages {stages}' if stages else 'no stages'}"


def with_state(param: NetParameter, state: NetState) -> NetParameter:
    """Return a copy of the net with that state."""
    changed = NetParameter()
    changed.CopyFrom(param)
    changed.state.CopyFrom(state)
    return changed


def with_caller_state(param: NetParameter, phase: int, level: int = 0, stages: Iterable[str] = ()) -> NetParameter:
    """Return a copy with the state of Net(file, phase, level, stages).

    Phase and level replace those of the file, stages are added to them.
    """
    state = NetState()
    state.CopyFrom(param.state)
    state.MergeFrom(merged_state(phase))
    state.level = level
    state.stage.extend(stages)
    return with_state(param, state)


def with_phase(layer: LayerParameter, state: NetState) -> LayerParameter:
    """Return a copy of the layer's message with a phase, its own or else the net's."""
    own = LayerParameter()
    own.CopyFrom(layer)
    if not own.HasField("phase"):
        own.phase = state.phase
    return own
