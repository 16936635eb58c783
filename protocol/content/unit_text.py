"""A unit of the directory, as people and programs read it.

Apart from code_forms.py, which the command line starts with: this imports the keys, and so cryptography.
"""

from __future__ import annotations

from typing import Any

from protocol.content.code_forms import show_code
from protocol.parties import Unit


def unit_in_words(unit: Unit) -> dict[str, Any]:
    """A unit as the directory describes it, with the text of each code."""
    return {
        "unit": unit.unit,
        "kind": show_code(unit.kind),
        "name": unit.name,
        "clearance": show_code(unit.clearance),
        "basis": show_code(unit.basis),
        "purposes": [show_code(purpose) for purpose in sorted(unit.purposes)],
        "national_unit": unit.national_unit,
        "waives_copy": unit.waives_copy,
        "min_suite": int(unit.min_suite),
        "suspended": unit.suspended,
    }
