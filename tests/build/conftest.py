"""What tests of pages share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser, which must be there in CI."""
    from tinyops.twin.chromium import open_browser

    if shutil.which("chromium") is None and os.environ.get("CI") != "true":
        pytest.skip("chromium is not on PATH: run `make setup`")
    with open_browser("test") as (browser, _):
        yield browser
