import platform

import numba
import numpy as np

from caffelite.cli.provenance import facts


def test_versions_and_machine():
    found = dict(facts())
    assert found["Python"].startswith(f"{platform.python_version()}, numpy {np.__version__}, numba {numba.__version__}")
    assert "usable" in found["processor"]
    assert int(found["threads of a kernel"]) >= 1
