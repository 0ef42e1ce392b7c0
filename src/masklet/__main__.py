"""`python -m masklet …` is `masklet …`; also where the installed command begins."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C is one line even while the program is still being loaded."""
    try:
        from masklet.cli import main as run
    except KeyboardInterrupt:
        print("masklet: interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
