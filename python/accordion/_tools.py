"""The commands `ac-compile` and `ac-run` of an installed package."""

import os
import sys
from pathlib import Path


def _start(tool: str):
    program = Path(__file__).parent / "bin" / tool
    os.execv(program, [str(program), *sys.argv[1:]])


def ac_compile():
    _start("ac-compile")


def ac_run():
    _start("ac-run")
