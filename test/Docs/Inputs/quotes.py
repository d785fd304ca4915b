"""Checks that each C++ block of a page stands word for word in one of the sources: quotes.py PAGE SOURCE..."""

import re
import sys
from pathlib import Path

page, *sources = sys.argv[1:]
texts = [Path(source).read_text() for source in sources]
blocks = re.findall(r"```cpp\n(.*?)```", Path(page).read_text(), re.DOTALL)
missing = [block for block in blocks if not any(block in text for text in texts)]
for block in missing:
    print(f"{page}: not in any of the sources any more:\n{block}")
print(f"{len(blocks) - len(missing)} of {len(blocks)} quotes found")
sys.exit(bool(missing))
