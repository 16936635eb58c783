"""A token for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.softhsm import SoftToken, soft_token


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoftToken]:
    """A token with a PIN."""
    with soft_token(tmp_path / "hsm", monkeypatch) as made:
        yield made
