"""`caffelite version`."""

import caffelite
from caffelite.cli.command import Arguments, command
from caffelite.cli.streams import write_stdout


@command("version", "show the version", flags=())
def version(arguments: Arguments) -> None:
    """Show the version, as --version does.

    caffelite version
    """
    write_stdout(f"caffelite version {caffelite.__version__}")
