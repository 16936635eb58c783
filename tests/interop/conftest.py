"""What the tests of this folder share: one log, written once, that each other program judges."""

from __future__ import annotations

import pytest

from tests.interop.exhibit import Exhibit, exhibit


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Exhibit:
    """The log and all claims about it."""
    return exhibit(tmp_path_factory.mktemp("exhibit"))
