"""Accordion: compiles ONNX models to native code and runs them.

    import accordion
    session = accordion.compile("model.onnx", threads=2)
    outputs = session.run(None, {"x": array})

`compile` makes a shared object and loads it; `load` opens one that `ac-compile` made. Importing this package loads
neither numpy, nor onnx, nor the compiler.
"""

from accordion._ac import Error
from accordion._session import Budget, Session, Site, Value, load

__all__ = ["Budget", "Error", "Session", "Site", "Value", "compile", "load"]
__version__ = "0.1.0"


def compile(model, threads=None, **options):  # noqa: A001  (the name says what it does)
    """Compiles `model` and returns a `Session`; see `accordion._compile.compile`."""
    from accordion._compile import compile as implementation

    return implementation(model, threads, **options)
