#!/usr/bin/env python3
"""Checks the files it is given: no trailing blanks, a final newline, no tabs in C++, under 512 KB, no merge
conflict, no mark of what must not be submitted. Prints one line a fault; exit status 1 if there is any."""

import os
import re
import sys

MARK = "DO NOT " + "SUBMIT"


def faults(path):
    if os.path.getsize(path) > 512 * 1024:
        yield 0, "over 512 KB"
        return
    try:
        text = open(path, encoding="utf8").read()
    except UnicodeDecodeError:
        return
    if text and not text.endswith("\n"):
        yield text.count("\n") + 1, "no newline at the end"
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"[ \t\r]$", line):
            yield number, "trailing blanks"
        if "\t" in line and path.endswith((".cpp", ".h", ".td", ".py")):
            yield number, "a tab"
        if MARK in line:
            yield number, MARK
        if re.match(r"(<{7} |>{7} )", line):
            yield number, "a merge conflict"


found = [f"{path}:{number}: {what}" for path in sys.argv[1:] if os.path.isfile(path) for number, what in faults(path)]
print("\n".join(found), end="\n" if found else "")
sys.exit(bool(found))
