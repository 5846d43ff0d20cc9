import dataclasses

import pytest

from caffelite.core import events


def test_listeners_are_called_in_order_until_removed():
    dispatcher = events.Events()
    seen = []

    def first(event):
        seen.append(("first", event))

    dispatcher.add(first)
    dispatcher.add(lambda event: seen.append(("second", event)))
    event = events.OptimizationDone(7)
    dispatcher.send(event)
    assert seen == [("first", event), ("second", event)]
    dispatcher.remove(first)
    dispatcher.send(event)
    assert len(seen) == 3
    with pytest.raises(ValueError):
        dispatcher.remove(first)


def test_events_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        events.OptimizationDone(7).iter = 8
