"""CycloneDX's own schema, asked what is wrong with a bill of materials."""

from __future__ import annotations

import importlib.util

import pytest


def faults(text: str) -> str | None:
    """What the standard's own schema says."""
    if importlib.util.find_spec("cyclonedx") is None:
        pytest.skip("cyclonedx is not in .venv: make venv-dev")
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return None if found is None else str(found)
