"""`accordion COMMAND` and `python -m accordion COMMAND`."""

from __future__ import annotations

import sys

USAGE = """\
usage: accordion COMMAND ...

  report    run a model over a data set and write one HTML page about what it computed and what it left out

`accordion COMMAND --help` says more. Models are compiled by `ac-compile` and run by `ac-run`."""


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] == "report":
        from accordion._report import main as report

        return report(arguments[1:])
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    print(USAGE if not arguments else f"accordion: error: no command `{arguments[0]}`, there is `report`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
