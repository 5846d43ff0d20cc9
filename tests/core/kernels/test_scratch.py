import threading

from caffelite.core.kernels.scratch import scratch


def test_a_slot_is_used_again_and_grows():
    first = scratch("test", 2, 32)
    assert first.shape == (2, 32) and first.ctypes.data % 64 == 0
    assert scratch("test", 3, 16).ctypes.data == first.ctypes.data
    larger = scratch("test", 4, 48)
    assert larger.shape == (4, 48) and larger.ctypes.data % 64 == 0
    assert scratch("test", 1, 16).ctypes.data == larger.ctypes.data


def test_slots_and_threads_share_nothing():
    found = [scratch("test", 1, 16), scratch("test other", 1, 16)]
    thread = threading.Thread(target=lambda: found.append(scratch("test", 1, 16)))
    thread.start()
    thread.join()
    assert len({array.ctypes.data for array in found}) == 3
