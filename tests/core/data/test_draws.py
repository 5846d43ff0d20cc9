import numpy as np

from caffelite.core.data.draws import Draws, record_bits


def test_record_bits_are_those_of_splitmix64():
    # The first numbers of java.util.SplittableRandom's and Vigna's splitmix64.c for the seed 1234567
    first = [record_bits(1234567, record) for record in range(1, 4)]
    assert first == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_draws_depend_on_key_kind_record_and_order_alone():
    first = Draws(1, 2, 3)
    numbers = [first.bits() for _ in range(3)]
    again = Draws(1, 2, 3)
    assert [again.bits() for _ in range(3)] == numbers
    others = [Draws(*each).bits() for each in ((2, 2, 3), (1, 3, 3), (1, 2, 4))]
    assert len({*numbers, *others}) == 6


def test_uniform():
    numbers = np.array([Draws(1, 0, record).uniform(-3, 5) for record in range(4000)])
    counts, _ = np.histogram(numbers, 8, (-3, 5))
    assert counts.sum() == 4000
    assert np.abs(counts - 500).max() < 100
    assert Draws(1, 0, 1).uniform(2, 2) == 2


def test_log_uniform():
    numbers = np.array([Draws(1, 0, record).log_uniform(0.5, 2) for record in range(4000)])
    assert 0.5 <= numbers.min() < 0.51 and 1.97 < numbers.max() <= 2
    assert abs((numbers < 1).mean() - 0.5) < 0.03


def test_happens():
    for probability in (0, 0.25, 1):
        share = np.mean([Draws(1, 0, record).happens(probability) for record in range(4000)])
        assert share == probability or abs(share - 0.25) < 0.03
