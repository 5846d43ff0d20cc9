import numpy as np
import pytest

from caffelite.core.events import Events, Output
from caffelite.core.solver.display import Display, outputs_of


@pytest.fixture
def display():
    return Display(Events())


def test_the_loss_is_averaged_over_a_window(display):
    display.restart(3)
    assert [display.smooth(loss) for loss in (3, 5, 7, 9, 11)] == pytest.approx([3, 4, 5, 7, 9])
    display.restart(1)
    assert [display.smooth(loss) for loss in (3, 5)] == [3, 5]


def test_speed_is_measured_between_displayed_iterations(monkeypatch):
    clock = iter([10.0, 11.0, 13.0])
    monkeypatch.setattr("caffelite.core.solver.display.time.perf_counter", lambda: next(clock))
    events = Events()
    seen = []
    events.add(seen.append)
    display = Display(events)
    display.restart(1)
    outputs = (Output("loss", 1.0, 1),)
    display.show(0, 1.0, outputs, 5)
    display.show(5, 1.0, outputs, 5)
    assert [event.outputs for event in seen] == [outputs, outputs]
    assert [(event.iter, event.seconds, event.speed) for event in seen] == [(0, 1.0, 0.0), (5, 2.0, 2.5)]


def test_every_element_of_an_output_is_shown():
    values = [("loss", 0.5, np.array([2.0])), ("y", 0, np.array([1.0, 3.0]))]
    assert outputs_of(values) == (Output("loss", 2, 0.5), Output("y", 1, 0), Output("y", 3, 0))
