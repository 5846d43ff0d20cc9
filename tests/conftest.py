import os
import signal
from pathlib import Path

import numpy as np
import pytest

from caffelite.testing import run_golden

# Several workers run tests side by side; numba reads this when the first kernel is loaded, after these imports.
os.environ.setdefault("NUMBA_NUM_THREADS", "2")

# A shell lets what it runs in the background ignore Ctrl-C, and so would the programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture(scope="session")
def golden_folder():
    return GOLDEN


@pytest.fixture
def golden():
    """Run a case of golden/layers by its name: golden("conv_basic")."""
    return lambda name, dtype=np.float32: run_golden(GOLDEN / "layers" / f"{name}.npz", dtype)
