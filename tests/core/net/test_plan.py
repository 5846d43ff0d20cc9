"""Plans: which steps run and who looks on. Steps: when a layer is reshaped, how loss weights live in tops' diffs."""

import numpy as np
import pytest

import caffelite
from caffelite.core.blob import Blob
from caffelite.core.errors import LayerError, NetError, OutOfMemoryError
from caffelite.core.layer import Layer
from caffelite.core.net.plan import LayerStep, Observer, Plan, Run, final_after, with_location
from caffelite.core.prototxt.lines import Lines, Place
from caffelite.proto.caffe_pb2 import LayerParameter
from caffelite.pycaffe import Net


class Doubler(Layer):
    def __init__(self):
        super().__init__(LayerParameter(name="twice", type="Doubler"))
        self.reshapes = 0

    def reshape(self, bottom, top):
        self.reshapes += 1
        top[0].reshape_like(bottom[0])

    def forward(self, bottom, top):
        top[0].data[...] = 2 * bottom[0].data


@pytest.fixture
def step():
    step = LayerStep(Doubler(), [Blob((2, 3))], [Blob()], loss_weights=[0.5])
    step.layer.reshape(step.bottom, step.top)
    step.note_shapes()
    return step


def test_a_layer_is_reshaped_only_when_a_bottom_changes_shape(step):
    for _ in range(3):
        step.forward()
    assert step.layer.reshapes == 1
    step.bottom[0].reshape(4, 3)
    step.forward()
    step.forward()
    assert step.layer.reshapes == 2
    step.layer.reshape_every_pass = True
    step.forward()
    step.forward()
    assert step.layer.reshapes == 4


def test_the_loss_is_the_weight_times_the_sum_of_a_top(step):
    step.bottom[0].data[...] = 1
    assert step.forward() == 0.5 * 12
    assert (step.top[0].diff == 0.5).all()


def test_the_weight_comes_back_when_the_tops_storage_grew_and_what_the_user_wrote_stays(step):
    step.top[0].diff[...] = 3
    step.forward()
    assert (step.top[0].diff == 3).all()
    step.bottom[0].reshape(1, 3)
    step.forward()
    assert (step.top[0].diff == 3).all()  # the same storage
    step.bottom[0].reshape(9, 3)
    step.forward()
    assert (step.top[0].diff == 0.5).all()


def test_errors_get_the_place_of_the_layer_once(step):
    step.layer.place = Place(Lines("net.prototxt", {"layer[1]": 4, "layer[1].bottom": 6}), "layer[1]")
    error = LayerError("bottom", "odd", "use an even one")
    for _ in range(2):
        assert str(with_location(error, step.layer.layer_param, step.layer.place)) == (
            'net.prototxt:6: layer "twice" (Doubler): bottom is odd; use an even one'
        )
    other = NetError("too large")
    for _ in range(2):
        assert (
            str(with_location(other, step.layer.layer_param, step.layer.place))
            == 'net.prototxt:4: layer "twice" (Doubler): too large'
        )
    assert str(with_location(NetError("x"), step.layer.layer_param, None)) == 'layer "twice" (Doubler): x'


def test_memory_that_numpy_or_a_kernel_does_not_get_is_our_error(step, monkeypatch):
    def forward(bottom, top):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(step.layer, "forward", forward)
    with pytest.raises(OutOfMemoryError) as caught:
        step.forward()
    assert str(caught.value) == 'layer "twice" (Doubler): out of memory: Unable to allocate 9 TiB'


class Noted:
    """A step that notes what runs."""

    def __init__(self, name, ran, need_backward=True):
        self.name, self.ran, self.need_backward = name, ran, need_backward

    def forward(self):
        self.ran.append(f"+{self.name}")
        return 1.0

    def backward(self):
        self.ran.append(f"-{self.name}")


@pytest.fixture
def ran():
    return []


@pytest.fixture
def plan(ran):
    return Plan([Noted("a", ran, need_backward=False), Noted("b", ran), Noted("c", ran), Noted("d", ran)])


def passed(plan, ran, first, last):
    ran.clear()
    plan.forward(first, last)
    plan.backward(first, last)
    return " ".join(ran)


def test_a_plan_runs_its_layers_and_backward_those_that_need_it(plan, ran):
    assert plan.forward(0, 3) == 4
    assert passed(plan, ran, 0, 3) == "+a +b +c +d -d -c -b"
    assert [(run.first, run.last) for run in plan.runs] == [(0, 0), (1, 1), (2, 2), (3, 3)]


def test_a_fused_step_runs_instead_of_its_layers_in_passes_over_all_of_them(plan, ran):
    inner = Blob((1,))
    plan.replace(Run(1, 2, Noted("bc", ran), (inner,)))
    assert passed(plan, ran, 0, 3) == "+a +bc +d -d -bc"
    assert passed(plan, ran, 1, 2) == "+bc -bc"
    assert passed(plan, ran, 0, 1) == "+a +b -b"
    assert passed(plan, ran, 2, 3) == "+c +d -d -c"
    assert [(run.first, run.last) for run in plan.runs] == [(0, 0), (1, 2), (3, 3)]
    assert plan.run_of(1) is plan.run_of(2)
    inner.pinned = True
    assert passed(plan, ran, 0, 3) == "+a +b +c +d -d -c -b"


def test_observers_see_single_layers_also_those_that_do_not_run_backward(plan, ran):
    class Look(Observer):
        def before_forward(self, index):
            ran.append(f"<{index}")

        def after_backward(self, index):
            ran.append(f"{index}>")

    plan.replace(Run(1, 2, Noted("bc", ran)))
    plan.observers.append(Look())
    assert passed(plan, ran, 0, 2) == "<0 +a <1 +b <2 +c -c 2> -b 1> 0>"


def test_which_part_of_the_arena_is_final_after_each_layer():
    # three parameters of layers 1, 1 and 3, the last of them first in the arena
    assert final_after([1, 1, 3], [48, 16, 0], 64, 5) == [64, 64, 16, 16, 0]
    assert final_after([], [], 0, 2) == [0, 0]
    many = range(50_000)
    assert final_after(many, [50_000 - owner for owner in many], 50_001, 50_000)[-1] == 2  # in no time


SHARED = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" param { name: "w" }
        inner_product_param { num_output: 3 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "c" type: "InnerProduct" bottom: "b" top: "c" param { name: "w" }
        inner_product_param { num_output: 3 bias_term: false } }
layer { name: "loss" type: "Reduction" bottom: "c" top: "loss" loss_weight: 1 }
"""


def test_gradients_in_the_final_part_change_no_more(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(SHARED)
    net = Net(path, caffelite.TRAIN)
    net.forward(data=np.ones((2, 3)))
    seen = []
    net.after_backward(lambda index: seen.append((net.plan.final_after[index], net.arena.diff.copy())))
    net.backward()
    ends = [end for end, _ in seen]
    assert ends == [0, 0, net.learnable_params[0].offset, net.arena.diff.size, net.arena.diff.size]
    for end, diff in seen:
        np.testing.assert_array_equal(diff[:end], net.arena.diff[:end])
    assert net.arena.diff.any()
