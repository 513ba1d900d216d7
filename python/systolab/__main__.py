"""The `systolab` command, also as `python -m systolab`."""

import signal
import sys

from ._native import run


def main():
    """Runs the command line and returns its exit code."""
    # Nothing of ours looks at Python's flag before the work is done.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return run(["systolab", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
