"""The command's start: `python -m caffelite`."""

import subprocess
import sys

EARLY = """
import runpy, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "caffelite.cli.glog":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
sys.argv = ["caffelite"]
runpy.run_module("caffelite", run_name="__main__")
"""


def test_an_interrupt_while_the_command_is_loaded_is_one_line():
    run = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (130, "", "caffelite: stopped by Ctrl-C\n")
