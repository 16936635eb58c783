"""What is installed is what was meant, and all of it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in a freshly built wheel."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = target.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


@pytest.mark.slow
def test_the_wheel_holds_the_five_packages_and_nothing_else(wheel: list[str]) -> None:
    """Nobody's site-packages gets our tests, or a folder that happened to lie there."""
    top = {name.split("/")[0] for name in wheel}
    assert {name for name in top if not name.endswith(".dist-info")} == {
        "broker",
        "clients",
        "keys",
        "protocol",
        "runtime",
    }


@pytest.mark.slow
def test_the_wheel_holds_what_is_not_python(wheel: list[str]) -> None:
    """The daemon's schema and the type markers travel with the code."""
    expected = {
        "clients/daemon/store/schema.sql",
        *(
            f"broker/console/pages/{name}"
            for name in ("templates/base.html", "static/htmx.min.js", "static/htmx.LICENSE")
        ),
        *(f"{p}/py.typed" for p in ("broker", "clients", "keys", "protocol", "runtime")),
    }
    assert expected <= set(wheel)
