import random
import threading
import time

import pytest

from caffelite.core.data.pipeline import End, Pipeline


class Squares:
    """Fills buffers of ten numbers with squares, each by a piece of its own; the numbers in `bad` cannot be squared."""

    def __init__(self, bad=(), skip=False):
        self.next, self.bad, self.skip, self.left_out, self.restarts = 0, set(bad), skip, set(), 0

    def load(self, buffer):
        return Filling(self, buffer)


class Filling:
    def __init__(self, squares, buffer):
        self.squares, self.buffer, self.first, self.found = squares, buffer, squares.next, set()

    def pieces(self):
        for place in range(10):
            while self.squares.next in self.squares.left_out:
                self.squares.next += 1
            yield self.piece(place, self.squares.next)
            self.squares.next += 1

    def piece(self, place, number):
        def square():
            time.sleep(random.random() / 1000)
            if number in self.squares.bad:
                if not self.squares.skip:
                    raise ValueError(number)
                self.found.add(number)
            self.buffer[place] = number**2

        return square

    def finish(self):
        return not self.found

    def restart(self):
        self.squares.restarts += 1
        self.squares.left_out |= self.found
        self.squares.next = self.first


def taken(pipeline, count):
    """Return so many buffers, copied, as one list."""
    numbers = []
    for _ in range(count):
        buffer = pipeline.full.get(timeout=30)
        if isinstance(buffer, End):
            raise buffer.error
        numbers += buffer
        pipeline.free.put(buffer)
    return numbers


@pytest.fixture
def start():
    pipelines = []

    def start(squares, workers=4, ahead=3):
        pipelines.append(Pipeline(squares.load, [[None] * 10 for _ in range(ahead)], workers))
        return pipelines[-1]

    yield start
    for pipeline in pipelines:
        pipeline.stop()
        for thread in pipeline.threads:
            thread.join(10)
            assert not thread.is_alive()


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_buffers_come_in_order_however_many_work(start, workers):
    pipeline = start(Squares(), workers)
    assert taken(pipeline, 8) == [number**2 for number in range(80)]
    assert len(pipeline.threads) == 1 + workers


def test_threads_are_started_for_pieces_only(start):
    class Nothing:
        def load(self, buffer):
            buffer[:] = [0] * 10

    pipeline = start(Nothing())
    assert taken(pipeline, 3) == [0] * 30
    assert len(pipeline.threads) == 1


def test_the_error_of_the_first_piece_comes_when_its_buffer_is_due(start):
    pipeline = start(Squares(bad={27, 23, 29, 41}))
    assert taken(pipeline, 2) == [number**2 for number in range(20)]
    with pytest.raises(ValueError, match="^23$"):
        taken(pipeline, 1)


def test_an_error_of_reading_comes_behind_those_of_the_pieces_before_it(start):
    class Short(Squares):
        def load(self, buffer):
            filling = super().load(buffer)
            pieces = filling.pieces

            def and_then():
                for piece in pieces():
                    if self.next == 15:
                        raise OSError("the disk is gone")
                    yield piece

            filling.pieces = and_then
            return filling

    pipeline = start(Short())
    assert taken(pipeline, 1) == [number**2 for number in range(10)]
    with pytest.raises(OSError, match="the disk is gone"):
        taken(pipeline, 1)
    pipeline = start(Short(bad={13}))
    with pytest.raises(ValueError, match="13"):
        taken(pipeline, 2)


@pytest.mark.parametrize("workers", [1, 5])
@pytest.mark.parametrize("ahead", [1, 4])
def test_what_is_left_out_moves_up_what_follows(start, workers, ahead):
    bad = {3, 4, 19, 20, 21, 39, 57}
    squares = Squares(bad, skip=True)
    good = [number**2 for number in range(100) if number not in bad]
    assert taken(start(squares, workers, ahead), 8) == good[:80]
    assert squares.restarts


def test_stops_in_the_middle_of_leaving_out(start):
    squares = Squares(range(500), skip=True)
    pipeline = start(squares)
    while not squares.restarts:
        time.sleep(0.001)
    pipeline.stop()
    assert isinstance(pipeline.full.get(timeout=10), End)
    for thread in pipeline.threads:
        thread.join(10)
    assert threading.active_count() < 20
