"""The command `caffelite`, also as `python -m caffelite`: its parts are loaded here, so that Ctrl-C may come early."""

import sys

INTERRUPTED = 130  # what shells show for a program ended by Ctrl-C


def main() -> int:
    """Load the command, run it, and return its exit status; Ctrl-C while it is loaded is one line, no traceback."""
    try:
        from caffelite import cli
    except KeyboardInterrupt:
        sys.stderr.write("caffelite: stopped by Ctrl-C\n")
        return INTERRUPTED
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
