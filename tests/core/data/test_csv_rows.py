import numpy as np
import pytest

from caffelite.core.data.csv_rows import read_csv
from caffelite.core.errors import DataError


@pytest.fixture
def table(tmp_path):
    """Read a table from text."""

    def read(text, label=""):
        path = tmp_path / "a.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_csv(path, label)

    return read


def test_names_and_classes(table):
    found = table('wide,"long, too",kind\n1,2.5,b\n\n-3e2, .5 ,a\n7,8,b\n')
    np.testing.assert_array_equal(found.data, np.array([[1, 2.5], [-300, 0.5], [7, 8]], np.float32))
    assert found.labels.tolist() == [1, 0, 1]
    assert (found.features, found.classes) == (("wide", "long, too"), ("a", "b"))
    assert found.data.dtype == found.labels.dtype == np.float32


def test_numbers_alone(table):
    found = table("1,2,3\n4,5,6.5")
    assert found.data.tolist() == [[1, 2], [4, 5]]
    assert found.labels.tolist() == [3, 6.5]
    assert (found.features, found.classes) == (("1", "2"), ())


@pytest.mark.parametrize("text", ["\ufeffy;x\r\n1;2\r\n3;4\r\n", "y\tx\n1\t2\n3\t4\n", "y, x\n1, 2\n3, 4\n"])
@pytest.mark.parametrize("label", ["y", "1"])
def test_other_forms_and_a_chosen_label(table, text, label):
    found = table(text, label)
    assert (found.data.tolist(), found.labels.tolist(), found.features) == ([[2], [4]], [1, 3], ("x",))


@pytest.mark.parametrize(
    ("text", "label", "message"),
    [
        ("", "", r"a\.csv: it has no lines"),
        ("a,b\n", "", r"a\.csv: it has a line of names and no rows"),
        ("1\n2\n", "", r"a\.csv: it has 1 column; at least one feature and the label"),
        ("a,b\n1,2\n\n3,4,5\n", "", r"a\.csv:4: it has 3 columns where line 1 has 2"),
        ("a,b\n1,2\nx,4\n", "", r'a\.csv:3: column "a" is "x", not a number'),
        ("a,b\n,2\n", "", r'a\.csv:2: column "a" is "", not a number'),
        ("a,b\nnan,2\n", "", r'a\.csv:2: column "a" is "nan"; a finite number'),
        ("a,b\n1e39,2\n", "", r'a\.csv:2: column "a" is "1e39"; a finite number of 32 bits'),
        ("a,b\n1,x\n2,\n", "", r"a\.csv:3: the label is missing"),
        ("a,b\n1,inf\n", "", r'a\.csv:2: the label is "inf"; a finite'),
        ("size,kind\n1,2\n", "knid", r'there is no column "knid"; did you mean "kind"\?'),
        ("a,b\n1,2\n", "3", r'there is no column "3"; there are a'),
        (b"a,b\n\xff,2\n", "", "it is no text in UTF-8"),
        ('a,b\n"1,2\n', "", r"a\.csv:\d: "),
    ],
)
def test_refuses(table, text, label, message):
    with pytest.raises(DataError, match=message):
        table(text, label)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: No such file"):
        read_csv(tmp_path / "none.csv")
