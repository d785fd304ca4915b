import os
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
# A test compiles what it says it compiles, and leaves nothing in the user's folder.
os.environ["ACCORDION_CACHE_DIR"] = ""


def pytest_addoption(parser):
    parser.addoption("--build", type=Path, default=REPOSITORY / "build" / "release", help="build folder to test")


def pytest_configure(config):
    sys.path.insert(0, str(config.getoption("--build").resolve() / "python"))


@pytest.fixture(scope="session")
def build(request):
    return request.config.getoption("--build").resolve()
