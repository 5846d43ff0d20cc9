import json
import os
import re

import cv2
import numpy as np
import pytest

from caffelite.core.data.datum import encoded_datum, image_datum
from caffelite.core.data.leveldb_writer import write_leveldb
from caffelite.core.data.lmdb_writer import write_lmdb


def write(folder, name, *extra, count=5):
    images = np.random.default_rng(0).integers(0, 256, (count, 6, 8, 3), np.uint8)
    records = [(b"%03d" % number, image_datum(image, number % 2)) for number, image in enumerate(images)]
    write_lmdb(folder / name, [*records, *extra])


@pytest.fixture
def good(folder):
    write(folder, "good_lmdb")


@pytest.fixture
def bad(folder):
    png = cv2.imencode(".png", np.zeros((6, 8, 3), np.uint8))[1].tobytes()
    write(folder, "bad_lmdb", (b"500", encoded_datum(png[:50], 1)), (b"501", b"\xff"))


def test_check_as_a_program(bad, good, program):
    result = program("db", "check", "bad_lmdb")
    assert result.status == 1
    assert 'bad_lmdb: record "500": Could not decode datum: ' in result.out
    assert 'bad_lmdb: record "501": it is not a Datum\n2 of 7 records cannot be used.\n' in result.out
    assert result.err == ""
    result = program("db", "check", "good_lmdb")
    assert result.status == 0
    assert result.out.endswith("records of each label\n  0: 3  1: 2\nAll 5 records are good.\n")


def test_json(bad, caffelite):
    result = caffelite("db", "check", "bad_lmdb", "--json")
    found = json.loads(result.out)
    assert result.status == 1 and [problem["key"] for problem in found["problems"]] == ["500", "501"]
    assert found["shapes"] == [{"form": "uint8", "shape": [3, 6, 8], "records": 5, "first": "000"}]
    found = json.loads(caffelite("db", "list", "bad_lmdb", "--json", "--from=-3", "--count=2").out)
    assert [record["key"] for record in found] == ["004", "500"] and found[0]["labels"] == [0]
    assert caffelite("db", "info", "bad_lmdb").status == 0


def test_show(bad, folder, caffelite):
    result = caffelite("db", "show", "bad_lmdb")
    assert result.out == "bad_lmdb.png\n" and cv2.imread("bad_lmdb.png").shape[1] > 300
    assert "bad_lmdb: 501 is left out: it is not a Datum" in result.err
    result = caffelite("db", "show", "bad_lmdb", "--from=5")
    assert "none of the records can be shown; see caffelite db check bad_lmdb" in result.error


def test_augmented(good, folder, caffelite):
    (folder / "net.prototxt").write_text(
        'layer { name: "d" type: "Data" top: "d" data_param { source: "good_lmdb" batch_size: 7 backend: LMDB } '
        "transform_param { crop_size: 5 mirror: true } }"
    )
    result = caffelite("db", "show", "good_lmdb", "--augmented", "--model=net.prototxt", "-o", "a.svg")
    assert (result.status, result.out, result.err) == (0, "a.svg\n", "")
    assert "records 0 to 6, another seed in each run" in (folder / "a.svg").read_text()  # two of them of the next round


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["chek", "good_lmdb"], 'db has no action "chek"; did you mean "check"?'),
        (["check"], "db is missing PATH"),
        (["list", "nowhere"], "there is no database nowhere"),
        (["list", "good_lmdb", "--from=5"], "--from is 5, and the last of 5 records is number 4"),
        (["list", "good_lmdb", "--count=0"], "--count is 0; use 1 or more"),
        (["show", "good_lmdb", "-o", "a.jpg"], "a.jpg: a picture's name ends in"),
        (["show", "good_lmdb", "--augmented"], "give --solver=FILE or --model=FILE"),
        (["show", "good_lmdb", "--model=net.prototxt"], "are for --augmented"),
    ],
)
def test_what_is_refused(good, caffelite, words, message):
    result = caffelite("db", *words)
    assert result.status == 1 and message in result.error


def test_check_goes_on_past_a_damaged_block_of_leveldb(folder, caffelite):
    images = np.random.default_rng(0).integers(0, 256, (900, 10, 10, 3), np.uint8)
    write_leveldb(folder / "db", [(b"%03d" % number, image_datum(image, 1)) for number, image in enumerate(images)])
    (table,) = (folder / "db").glob("*.ldb")
    with table.open("r+b") as file:
        file.seek(100_000)
        byte = file.read(1)
        file.seek(100_000)
        file.write(bytes([byte[0] ^ 255]))
    result = caffelite("db", "check", "db")
    assert result.status == 1 and "Traceback" not in result.err
    damage, told = result.out.splitlines()[-2:]
    found = re.fullmatch(
        r'db: records after "(\d+)": Corruption: block checksum mismatch; '
        r'the next one that can be read is "(\d+)"',
        damage,
    )
    kept = 900 - (int(found[2]) - int(found[1]) - 1)
    assert 650 < kept < 750
    assert told == f"{kept} records can be read; how many more there were is not known."
    assert "others were lost by damage; caffelite db check names them" in caffelite("db", "info", "db").out
    listed = caffelite("db", "list", "db", "--from=-1").out.splitlines()
    assert listed[-1].split()[:2] == [str(kept - 1), "899"]
    assert caffelite("db", "show", "db", f"--from={kept - 1}").status == 0
    assert sorted(name for name in os.listdir(folder) if "db" in name) == ["db", "db.png"]
