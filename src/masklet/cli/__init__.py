"""The `masklet` command: one file a subcommand.

Results go to files and stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 wrong
usage, 130 interrupted by Ctrl-C or SIGTERM; an error is one line (MASKLET_DEBUG=1 adds the traceback).
"""

from masklet.cli.program import main

__all__ = ["main"]
