import zlib

import pytest

from caffelite.core.errors import WeightsError
from caffelite.core.weights.checksum import crc32_of


@pytest.mark.parametrize("size", [0, 1, (1 << 18) + 7])
def test_the_sum_is_that_of_all_bytes(tmp_path, size):
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "a").write_bytes(data[:size])
    assert crc32_of(tmp_path / "a") == zlib.crc32(data[:size])


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(WeightsError, match="a: cannot be read"):
        crc32_of(tmp_path / "a")


def test_devices_and_pipes_are_not_read():
    with pytest.raises(WeightsError, match=r"/dev/null: cannot be read \(it is a device, pipe or socket\)"):
        crc32_of("/dev/null")
