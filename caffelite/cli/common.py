"""The flags that every command takes."""

from typing import Any

from caffelite.cli import glog
from caffelite.cli.command_line import FLAGFILE, FROMENV, TRYFROMENV, UNDEFOK
from caffelite.cli.flags import Flag, boolean

HELP = boolean("help", "Show what can be written here.")
HELPSHORT = boolean("helpshort", "The same as --help.")
H = boolean("h", "The same as --help.")
VERSION = boolean("version", "Show the version.")
FLAGS: tuple[Flag[Any], ...] = (HELP, HELPSHORT, H, VERSION, FLAGFILE, UNDEFOK, FROMENV, TRYFROMENV, *glog.FLAGS)
