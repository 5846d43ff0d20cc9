import threading

from caffelite.core.kernels.jit.once import made_once


class Example:
    def __init__(self):
        self.made = 0
        self.wait = threading.Event()
        self.begun = threading.Event()

    @made_once
    def thing(self):
        """A thing."""
        self.made += 1
        number = self.made
        if number == 1:
            self.begun.set()
            self.wait.wait(20)
        return [number]


def test_made_when_first_asked_for_and_kept():
    example = Example()
    example.wait.set()
    assert example.made == 0 and Example.__dict__["thing"].__doc__ == "A thing."
    assert example.thing is example.thing
    assert example.made == 1


def test_nobody_waits_and_all_get_the_first_that_was_made():
    example, slow = Example(), []
    thread = threading.Thread(target=lambda: slow.append(example.thing))
    thread.start()
    assert example.begun.wait(20)
    assert example.thing == [2]  # while the other thread is still at it, as after a fork
    example.wait.set()
    thread.join()
    assert slow[0] is example.thing
