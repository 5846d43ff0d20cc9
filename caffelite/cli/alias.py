"""`caffelite alias`: a package caffe in the running environment."""

from __future__ import annotations

from caffelite.cli.command import Arguments, command
from caffelite.cli.flags import boolean
from caffelite.cli.streams import write_stdout

REMOVE = boolean("remove", "Take the package away again.")


@command("alias", "put a package caffe that is caffelite into this environment", flags=(REMOVE,))
def alias(arguments: Arguments) -> None:
    """Let `import caffe` give caffelite in this environment, and importlib.util.find_spec("caffe") find it.

    It is refused where there is another caffe. Scripts that are started with `python -m caffelite.as_caffe script.py`
    do not need it. For example:

      caffelite alias
      python -c "import caffe; print(caffe.__version__)"
      caffelite alias --remove
    """
    from caffelite.tools.caffe_package import add_alias, remove_alias, site_packages

    if not arguments[REMOVE]:
        write_stdout(f"Made {add_alias()}: `import caffe` gives caffelite here")
    elif removed := remove_alias():
        write_stdout(f"Removed {removed}")
    else:
        write_stdout(f"There is no package caffe in {site_packages()}")
