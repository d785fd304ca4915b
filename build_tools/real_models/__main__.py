"""python -m real_models [NAME...]: makes the named models, or all of them, in build/models (run in build_tools)."""

import sys

from . import MODELS, prepare

unknown = [name for name in sys.argv[1:] if name not in MODELS]
if unknown:
    sys.exit(f"real_models: error: no model {unknown[0]!r}; there are {', '.join(MODELS)}")
prepare(sys.argv[1:])
