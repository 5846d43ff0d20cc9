import os
import subprocess
import sys

from numba import get_num_threads


def test_facts_are_logged(caffelite):
    result = caffelite("device_query")
    assert (result.status, result.out) == (0, "")
    facts = dict(text.split(":", 1) for text in result.texts if ":" in text)
    assert {"Name", "Cores", "Vector instructions", "Vector width", "Threads of a kernel"} <= facts.keys()
    assert f"{os.cpu_count()} threads" in facts["Cores"]
    assert int(facts["Threads of a kernel"]) == get_num_threads()
    assert facts["Threading layer"].strip() in ("tbb", "omp", "workqueue")
    assert result.texts[1].index(facts["Name"].strip()) == 31  # the column of Caffe's values


def test_the_vector_width_is_that_of_compiled_code():
    command = [sys.executable, "-m", "caffelite", "device_query"]
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert "128 bits (4 float32)" in done.stderr


def test_a_gpu_is_warned_of_once(caffelite):
    result = caffelite("device_query", "-gpu", "0,1")
    assert result.status == 0
    assert len([line for line in result.err.splitlines() if line.startswith("W")]) == 1
