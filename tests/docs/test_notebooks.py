"""docs/notebooks: they run, without a network, in a folder of their own, and show their pictures."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from caffelite.io import load_image

NOTEBOOKS = Path(__file__).resolve().parents[2] / "docs" / "notebooks"
PICTURES = {"find_a_face": 5, "learn_lenet": 8, "net_surgery": 4}


def test_all_notebooks_are_run():
    assert {path.stem for path in NOTEBOOKS.glob("*.py")} == set(PICTURES)


@pytest.mark.slow
@pytest.mark.parametrize("name", PICTURES)
# what Jupyter's packages warn of among themselves
@pytest.mark.filterwarnings("default")
def test_runs_and_shows_its_pictures(name, tmp_path, monkeypatch):
    jupytext = pytest.importorskip("jupytext", reason="pip install 'caffelite[notebooks]'")
    nbclient = pytest.importorskip("nbclient", reason="pip install 'caffelite[notebooks]'")
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOKS.parents[1]))
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nobody answers
    shutil.copy(NOTEBOOKS / "astronaut.jpg", tmp_path)
    notebook = jupytext.read(NOTEBOOKS / f"{name}.py")
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in data for data in shown) == PICTURES[name]


def test_the_photograph_is_one():
    image = load_image(NOTEBOOKS / "astronaut.jpg")
    assert image.shape == (512, 512, 3)
    assert np.ptp(image) > 0.9
