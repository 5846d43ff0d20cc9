import subprocess
import sys
from pathlib import Path

from caffelite.core.layer import layer_type_list

ROOT = Path(__file__).resolve().parents[2]


def printed(*options):
    command = [sys.executable, ROOT / "tools/layer_table.py", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_table_has_a_row_of_four_cells_for_each_type():
    rows = [line.replace("\\|", "").strip("| ").split(" | ") for line in printed().splitlines()[2:]]
    assert {row[0] for row in rows} == set(layer_type_list())
    assert [row for row in rows if len(row) != 4 or not all(row)] == []


def test_short_form_is_the_list_of_types():
    assert printed("--short").strip().split(", ") == layer_type_list()
