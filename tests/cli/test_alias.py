import os
import subprocess
import sysconfig
import venv
from pathlib import Path

import pytest

import caffelite


@pytest.fixture
def python(tmp_path):
    """Run the Python of a new environment that has caffelite: python("-c", code, PATH="a:b") -> CompletedProcess."""
    place = tmp_path / "environment"
    venv.create(place, symlinks=True)
    site = sysconfig.get_path("purelib", vars={"base": str(place), "platbase": str(place)}, scheme="posix_prefix")
    paths = [Path(caffelite.__file__).parent.parent, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    (Path(site) / "caffelite.pth").write_text("".join(f"{path}\n" for path in paths))

    def run(*words, path=""):
        environment = {**os.environ, "PYTHONPATH": str(path)}
        return subprocess.run(
            [place / "bin" / "python", *words], capture_output=True, text=True, env=environment, cwd=tmp_path
        )

    run.site = Path(site)
    return run


ALIAS = ("-m", "caffelite", "alias")
LOOK = ("-c", "from importlib.util import find_spec; print(find_spec('caffe') is not None)")


def test_an_environment_gets_a_caffe_and_loses_it(python):
    assert python(*LOOK).stdout == "False\n"
    for _ in range(2):
        done = python(*ALIAS)
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"Made {python.site}/caffe: `import caffe` gives caffelite here\n"
    assert python(*LOOK).stdout == "True\n"
    done = python("-c", "import caffe; print(caffe.CaffeliteError.__module__)")
    assert done.stdout == "caffelite.core.errors\n", done.stderr
    assert python(*ALIAS, "--remove").stdout == f"Removed {python.site}/caffe\n"
    assert python(*LOOK).stdout == "False\n"
    done = python(*ALIAS, "--remove")
    assert (done.returncode, done.stdout) == (0, f"There is no package caffe in {python.site}\n")


def test_a_real_caffe_elsewhere_is_not_hidden(python, tmp_path):
    (tmp_path / "real" / "caffe").mkdir(parents=True)
    real = tmp_path / "real" / "caffe" / "__init__.py"
    real.touch()
    done = python(*ALIAS, path=tmp_path / "real")
    assert done.returncode == 1
    assert done.stderr == (
        f"caffelite: error: there is another caffe at {real}, and nothing was changed; uninstall it first\n"
    )
    assert not (python.site / "caffe").exists()


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_an_environment_that_cannot_be_written(python):
    python.site.chmod(0o555)
    done = python(*ALIAS)
    python.site.chmod(0o755)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
