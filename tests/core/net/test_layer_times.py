from caffelite.core.net import layer_times
from caffelite.core.net.layer_times import LayerTimes


def test_times_add_up_layer_by_layer(monkeypatch):
    clock = iter([0, 5, 10, 40, 100, 107, 200, 201, 300, 302])
    monkeypatch.setattr(layer_times, "perf_counter_ns", lambda: next(clock))
    times = LayerTimes(2)
    for index in (0, 1, 1):
        times.before_forward(index)
        times.after_forward(index)
    times.before_backward(1)
    times.after_backward(1)
    assert (times.forward, times.backward) == ([5, 37], [0, 1])
    times.clear()
    times.before_backward(0)
    times.after_backward(0)
    assert (times.forward, times.backward) == ([0, 0], [2, 0])
