import builtins
import struct
import subprocess
import sys

import numpy as np
import pytest

from caffelite.core.data.datum import DatumReader, encoded_datum, float_datum, image_datum, label_array, raw_datum
from caffelite.core.errors import DataError, LayerError
from caffelite.proto.caffe_pb2 import Datum

cv2 = pytest.importorskip("cv2")


def read(value, **flags):
    return DatumReader("some_lmdb", **flags).read(b"00000007", value)


def encoded(image, extension=".png", label=0):
    return Datum(data=cv2.imencode(extension, image)[1].tobytes(), encoded=True, label=label).SerializeToString()


def ramp_image(height=4, width=5, channels=3):
    return np.arange(height * width * channels, dtype=np.uint8).reshape(height, width, channels)


def test_writes_the_bytes_of_caffes_tools():
    pixels = np.array([[[0x00, 0x7F], [0x80, 0xFF]]], np.uint8)
    assert raw_datum(pixels, 7).hex() == "0801100218022204007f80ff2807"


def test_writes_the_bytes_of_caffes_other_tools():
    """Cases 1, 3 and 4 of the specification: convert_imageset, raw and encoded, and extract_features."""
    assert image_datum(np.array([[0x01, 0xFF]], np.uint8), 3).hex() == "080110011802220201ff28033800"
    assert encoded_datum(b"\xff\xd8", 1).hex() == "2202ffd828013801"
    assert float_datum(np.array([[[1]], [[-0.5]]], np.float32)).hex() == "080210011801350000803f35000000bf"


def test_the_order_of_an_image_in_a_record():
    """Case 91: RGB pixels (1,2,3) (4,5,6) / (7,8,9) (10,11,12), in OpenCV's order of channels."""
    image = np.arange(1, 13, dtype=np.uint8).reshape(2, 2, 3)[:, :, ::-1]
    assert Datum.FromString(image_datum(image, 0)).data.hex(" ") == "03 06 09 0c 02 05 08 0b 01 04 07 0a"


def test_raw_data_is_channels_height_width():
    pixels, label = read(Datum(channels=2, height=1, width=3, data=bytes(range(6)), label=9).SerializeToString())
    np.testing.assert_array_equal(pixels, [[[0, 1, 2]], [[3, 4, 5]]])
    assert pixels.dtype == np.uint8
    assert label == 9


def test_float_data_counts_only_without_data():
    datum = Datum(channels=2, height=1, width=1, float_data=[-1.5, 2.25])
    assert read(datum.SerializeToString())[0].tolist() == [[[-1.5]], [[2.25]]]
    datum.data = b"\x01\x02"
    assert read(datum.SerializeToString())[0].tolist() == [[[1]], [[2]]]


def test_packed_floats_are_read_too():
    packed = bytes.fromhex("08021001180132080000803f000000bf")
    assert read(packed)[0].ravel().tolist() == [1, -0.5]


def test_bytes_behind_the_pixels_are_ignored():
    assert read(Datum(channels=1, height=1, width=2, data=b"\1\2\3").SerializeToString())[0].tolist() == [[[1, 2]]]


@pytest.mark.parametrize(
    ("datum", "message"),
    [
        (Datum(channels=1, height=2, width=2, data=b"\1\2\3"), r"\(1, 2, 2\) needs 4 values of data .*, not 3"),
        (Datum(channels=1, height=2, width=2, float_data=[1]), "needs 4 values of data or float_data, not 1"),
        (Datum(label=3), "0 channels, height 0, width 0 has no pixels"),
        (Datum(channels=-1, height=-1, width=1, data=b"\1"), "-1 channels"),
        (Datum(channels=2**31 - 1, height=2**31 - 1, width=2**31 - 1, data=b"\1"), "not 1"),
        (Datum(encoded=True), "Could not decode datum: its 0 bytes"),
        (Datum(encoded=True, data=b"no image"), "Could not decode datum: its 8 bytes"),
    ],
)
def test_refuses_a_record_without_all_its_pixels(datum, message):
    with pytest.raises(DataError, match='^some_lmdb: record "00000007": .*' + message):
        read(datum.SerializeToString())


@pytest.mark.parametrize("value", [b"\xff\xff\xff", b"\x22\x05ab"])
def test_refuses_what_is_not_a_datum(value):
    with pytest.raises(DataError, match="it is not a Datum"):
        read(value)


def test_names_odd_keys():
    with pytest.raises(DataError, match=r'record "\\xff": it is not a Datum'):
        DatumReader("some_lmdb").read(b"\xff", b"\xff")


def test_images_keep_their_channels():
    colour, gray = ramp_image(), ramp_image(channels=1)
    np.testing.assert_array_equal(read(encoded(colour, label=4))[0], colour.transpose(2, 0, 1))
    assert read(encoded(colour, label=4))[1] == 4
    np.testing.assert_array_equal(read(encoded(gray))[0], gray.transpose(2, 0, 1))
    assert read(encoded(ramp_image(channels=4)))[0].shape == (4, 4, 5)


def test_forced_colour_and_grey():
    gray, transparent = ramp_image(channels=1), ramp_image(channels=4)
    np.testing.assert_array_equal(read(encoded(gray), force_color=True)[0], np.repeat(gray, 3, 2).transpose(2, 0, 1))
    np.testing.assert_array_equal(
        read(encoded(transparent), force_color=True)[0], transparent[..., :3].transpose(2, 0, 1)
    )
    luma = ramp_image() @ [0.114, 0.587, 0.299]
    np.testing.assert_allclose(read(encoded(ramp_image()), force_gray=True)[0], luma[np.newaxis], atol=1)


def test_16_bits():
    deep = (ramp_image().astype(np.uint16) << 8) + 77
    np.testing.assert_array_equal(read(encoded(deep), force_color=True)[0], ramp_image().transpose(2, 0, 1))
    with pytest.raises(DataError, match="Image data type must be unsigned byte, not uint16"):
        read(encoded(deep))


def exif_rotated(jpeg):
    """Put an EXIF block that says "turn by 90 degrees" behind the start of a JPEG."""
    entry = bytes.fromhex("011200030000000100060000")
    exif = b"Exif\0\0" + b"MM\0*" + bytes.fromhex("000000080001") + entry + bytes(4)
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]


@pytest.mark.parametrize("flags", [{}, {"force_color": True}, {"force_gray": True}])
def test_exif_orientation_is_ignored(flags):
    jpeg = exif_rotated(cv2.imencode(".jpg", ramp_image())[1].tobytes())
    assert cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (5, 4, 3)  # turned: the block works
    assert read(Datum(data=jpeg, encoded=True).SerializeToString(), **flags)[0].shape[1:] == (4, 5)


def test_both_force_flags_are_refused_for_encoded_images_only():
    raw = raw_datum(np.ones((1, 1, 1), np.uint8), 0)
    assert read(raw, force_color=True, force_gray=True)[0].shape == (1, 1, 1)
    with pytest.raises(LayerError, match=r"force_gray is true; cannot set both force_color and force_gray"):
        read(encoded(ramp_image()), force_color=True, force_gray=True)


def test_force_flags_on_raw_records_are_an_error_in_the_log_once(caplog):
    reader = DatumReader("some_lmdb", force_gray=True)
    for _ in range(3):
        assert reader.read(b"0", raw_datum(np.ones((3, 1, 1), np.uint8), 0))[0].shape == (3, 1, 1)
    assert [record.message for record in caplog.records] == ["force_color and force_gray only for encoded datum"]


def test_says_what_to_install_for_encoded_images(monkeypatch):
    importing = builtins.__import__

    def without_cv2(name, *rest):
        if name == "cv2":
            raise ImportError(name)
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_cv2)
    with pytest.raises(DataError, match=r"pip install 'caffelite\[image\]'"):
        read(encoded(ramp_image()))


@pytest.mark.parametrize(
    ("number", "name"), [(np.float64, "float64"), (np.float32, "float32"), (np.float16, "uint16 or float16")]
)
def test_float_arrays_stored_as_bytes_are_refused(number, name):
    data = np.array([0.5, 0.25, 1.0], number).tobytes()
    datum = Datum(channels=3, height=1, width=1, data=data)
    with pytest.raises(DataError, match=rf'record "7": .* needs 3 values .* look like {name}: .* float_data'):
        DatumReader("db").read(b"7", datum.SerializeToString())


# In a process of its own: decoding it would take 5 GB and 20 seconds.
BOMB = """
import sys
import numpy as np
from caffelite.core.data.datum import DatumReader
from caffelite.core.errors import DataError
from caffelite.proto.caffe_pb2 import Datum

reader = DatumReader("db")
for path in sys.argv[1:]:
    value = Datum(data=open(path, "rb").read(), encoded=True).SerializeToString()
    try:
        print("read", reader.read(b"0", value)[0].shape)
    except DataError as err:
        print(err)
# not ru_maxrss, which a process takes over from the one that started it
print(int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) // 1024)
"""


def test_images_that_claim_gigabytes(tmp_path):
    jpeg = bytearray(cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes())
    struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, 30000, 30000)
    png = bytearray(cv2.imencode(".png", ramp_image())[1].tobytes())
    chunk = png[:33] + struct.pack(">I", 2**32 - 1) + png[37:]
    claims = {
        "jpeg": jpeg,
        "png": chunk,
        "ppm": b"P6\n30000 30000\n255\n" + bytes(100),  # not known here: OpenCV's own limit
    }
    for name, data in claims.items():
        (tmp_path / name).write_bytes(data)
    run = subprocess.run(
        [sys.executable, "-c", BOMB, *(tmp_path / name for name in claims)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    )
    first, second, third, megabytes = run.stdout.splitlines()
    assert len(jpeg) == 631
    assert first == (
        'db: record "0": Could not decode datum: its header claims 30000 x 30000 pixels; up to 268435456 are decoded'
    )
    assert "chunk 'IDAT' of its PNG claims 4294967295 bytes, and " in second
    assert "no image that OpenCV knows" in third
    assert int(megabytes) < 500


def test_several_labels_are_kept_behind_what_caffe_reads():
    """`label` is the first as an integer; field 10000 (tag 82 f1 04) holds all of them as packed float32."""
    made = image_datum(np.array([[1, 255]], np.uint8), (1.0, 0.0, -1.0))
    assert made.hex() == "080110011802220201ff2801380082f1040c" + struct.pack("<3f", 1, 0, -1).hex()
    assert read(made)[1] == (1, 0, -1)
    assert Datum.FromString(encoded_datum(b"x", (2.75, 3.0))).label == 2
    assert Datum.FromString(encoded_datum(b"x", (-1e20,))).label == -(2**31)


def test_labels_of_a_batch():
    assert label_array([3, -1], [b"a", b"b"], 0).tolist() == [3, -1]
    assert label_array([(3.0, 1.5)], [b"a"], (0.0, 0.0)).tolist() == [[3, 1.5]]
    with pytest.raises(DataError, match='record "b" has a single label, and the first of its batch has 2 labels'):
        label_array([(3.0, 1.5), 1], [b"a", b"b"], (3.0, 1.5))
    with pytest.raises(DataError, match='record "a" has 1 labels, and the first of its batch has a single label'):
        label_array([(3.0,)], [b"a"], 1)
