"""Who copies, on layers described by hand: blob numbers, whose memory the tops are, what gradients read."""

import time

import pytest

from caffelite.core.layer import TopMemory
from caffelite.core.net.wiring.in_place import LayerMemory, in_place_copies

OWN, BOTTOM, KEPT, USER = TopMemory.OWN, TopMemory.BOTTOM, TopMemory.KEPT, TopMemory.USER


def layer(bottoms, tops, memory=OWN, reads_bottoms=(), reads_tops=()):
    memories = memory if isinstance(memory, tuple) else (memory,) * len(tops)
    return LayerMemory(tuple(bottoms), tuple(tops), memories, tuple(reads_bottoms), tuple(reads_tops))


def copies(*layers):
    found = in_place_copies(layers)
    own = [(index, top) for index, tops in enumerate(found.own) for top in tops]
    kept = [(index, top) for index, tops in enumerate(found.kept) for top in tops]
    return own, kept


INPUT = layer([], [0], USER)


def test_a_chain_of_in_place_layers_copies_nothing():
    assert copies(INPUT, layer([0], [1], reads_bottoms=[0]), layer([1], [1]), layer([1], [1])) == ([], [])


def test_in_place_work_on_an_input_is_the_users_affair():
    assert copies(INPUT, layer([0], [0])) == ([], [])


def test_an_input_is_not_overwritten_through_a_view():
    assert copies(INPUT, layer([0], [1], BOTTOM), layer([1], [1])) == ([(1, 0)], [])


def test_the_view_next_to_the_in_place_layer_copies():
    views = layer([0], [1], BOTTOM), layer([1], [2], BOTTOM)
    assert copies(INPUT, *views, layer([2], [2])) == ([(2, 0)], [])


def test_a_view_of_what_nobody_else_needs_is_overwritten():
    assert copies(INPUT, layer([0], [1]), layer([1], [2], BOTTOM), layer([2], [2])) == ([], [])


@pytest.mark.parametrize("reader_first", [False, True])
def test_another_reader_of_the_memory_is_protected_if_it_or_its_gradient_comes_later(reader_first):
    made, split = layer([0], [1]), layer([1], [2, 3], BOTTOM)
    view, in_place = layer([2], [4], BOTTOM), layer([4], [4])
    if not reader_first:
        assert copies(INPUT, made, split, view, in_place, layer([3], [5])) == ([(3, 0)], [])
        return
    assert copies(INPUT, made, split, layer([3], [5]), view, in_place) == ([], [])
    reader = layer([3], [5], reads_bottoms=[0])
    assert copies(INPUT, made, split, reader, view, in_place) == ([(4, 0)], [])


def test_memory_that_is_not_filled_again_is_never_written_over():
    assert copies(layer([], [0], KEPT), layer([0], [0])) == ([(0, 0)], [])
    assert copies(layer([], [0], KEPT), layer([0], [1], BOTTOM), layer([1], [1])) == ([(1, 0)], [])


def test_a_top_that_its_layers_gradient_reads_is_kept():
    assert copies(INPUT, layer([0], [1], reads_tops=[0]), layer([1], [1])) == ([], [(1, 0)])
    assert copies(INPUT, layer([0], [1], reads_tops=[0]), layer([1], [2])) == ([], [])


def test_of_several_in_place_layers_each_keeps_what_it_reads():
    chain = [layer([1], [1], reads_tops=[0])] * 3
    assert copies(INPUT, layer([0], [1]), *chain) == ([], [(2, 0), (3, 0)])


def test_a_top_that_is_overwritten_through_a_view_is_protected_by_the_view():
    sigmoid = layer([0], [1], reads_tops=[0])
    assert copies(INPUT, sigmoid, layer([1], [2], BOTTOM), layer([2], [2])) == ([(2, 0)], [])


def test_a_copy_for_the_view_and_one_for_the_layer_behind_it():
    flatten, sigmoid = layer([0], [1], BOTTOM), layer([1], [1], reads_tops=[0])
    assert copies(INPUT, flatten, sigmoid, layer([1], [1])) == ([(1, 0)], [(2, 0)])


def test_in_place_on_the_second_bottom():
    # top 1 is bottom 1; bottom 0 is read by the gradient and stays
    assert copies(INPUT, layer([], [1], KEPT), layer([0, 1], [2, 1], reads_bottoms=[0])) == ([(1, 0)], [])


def test_an_output_is_not_written_over_through_another_view():
    made, split = layer([0], [1]), layer([1], [2, 3], BOTTOM)
    output, view, in_place = layer([2], [4], BOTTOM), layer([3], [5], BOTTOM), layer([5], [5])
    assert copies(INPUT, made, split, output, view, in_place) == ([(4, 0)], [])


@pytest.mark.parametrize("reads_bottoms", [(), (0, 1)])
def test_another_bottom_of_the_in_place_layer_is_not_written_over_through_a_view(reads_bottoms):
    made, split = layer([0], [1]), layer([1], [2, 3], BOTTOM)
    assert copies(INPUT, made, split, layer([2, 3], [2], reads_bottoms=reads_bottoms)) == ([(2, 0)], [])


@pytest.mark.parametrize("view", [False, True])
def test_the_work_grows_with_the_layers_and_not_with_their_square(view):
    start = time.perf_counter()
    first = layer([0], [1], BOTTOM if view else OWN)
    assert copies(layer([], [0]), first, *[layer([1], [1], reads_tops=[0])] * 10_000) == (
        [],
        [(index, 0) for index in range(2, 10_001)],  # of all but the last
    )
    assert time.perf_counter() - start < 20  # 0.2 s; it was minutes
