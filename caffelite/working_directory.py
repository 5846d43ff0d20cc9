"""Take the working directory off sys.path where `python -m caffelite` put it: it may be a stranger's folder of models.

Python puts it first, so that a yaml.py there would be imported in place of the package that numba looks for. This
module is imported before any other; the program `caffelite` never has that entry. A layer of type Python still finds
its module there, if such layers are allowed; see core/layers/python.py.

What Python itself imports to find this package is beyond reach: a folder `caffelite` there, and before Python 3.11
modules of the library that have the name of one in the folder, such as pkgutil.
"""

import sys


def module_of_command_line(argv: list[str], orig_argv: list[str]) -> str | None:
    """Return the module that Python was told to run by -m and is looking for now; None if there is none.

    `argv` and `orig_argv` are those of sys. While Python looks for the module, the first word of `argv` is "-m".
    """
    if argv[:1] != ["-m"] or len(orig_argv) <= len(argv):
        return None
    word = orig_argv[-len(argv)]  # the one before the module's own arguments: "caffelite" or as "-umcaffelite"
    return word.partition("m")[2] if word.startswith("-") else word


def leave_out(path: list[str], package: str, module: str | None) -> None:
    """Remove the working directory, the first of `path`, if `module` is ours; but not where `package` itself is."""
    if module is not None and module.partition(".")[0] == "caffelite" and package != f"{path[0]}/caffelite":
        del path[0]


if not sys.flags.isolated and not getattr(sys.flags, "safe_path", False):  # else Python has left it out, too
    leave_out(sys.path, __file__.rpartition("/")[0], module_of_command_line(sys.argv, sys.orig_argv))
