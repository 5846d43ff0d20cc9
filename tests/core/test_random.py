import numpy as np

from caffelite.core import random
from caffelite.core.layer import Context
from caffelite.testing import layer_from


def test_numbers_belong_to_their_labels():
    first = random.generator(1, "conv1", "param", 0).random(4)
    np.testing.assert_array_equal(first, random.generator(1, "conv1", "param", 0).random(4))
    for labels in ((1, "conv1", "param", 1), (1, "conv2", "param", 0), (2, "conv1", "param", 0)):
        assert (random.generator(*labels).random(4) != first).all()


def test_labels_do_not_run_together():
    assert random.key(1, "a", "bc") != random.key(1, "ab", "c")
    assert random.key(1, 12, 3) != random.key(1, 1, 23)


def test_keys_of_a_layer_change_from_pass_to_pass_and_come_back():
    layer = layer_from('type: "Dropout"')
    keys = []
    for layer.context.passes in (0, 1, 0):
        keys.append(layer.random_key())
    assert keys[0] == keys[2] != keys[1]
    assert layer.random_key("mask") != layer.random_key("place")


def test_set_random_seed_holds_for_what_comes_after(monkeypatch):
    monkeypatch.setattr(random, "_process_seed", None)
    assert random.process_seed() != random.process_seed()  # 31 bits each
    random.set_random_seed(7)
    assert random.process_seed() == random.process_seed() == 7
    assert Context().seed == 0
