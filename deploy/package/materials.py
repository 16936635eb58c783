"""The bill of materials: what the program consists of, as CycloneDX 1.6 says it.

Owns: the document (cyclonedx.org, ECMA-424). Rules: nothing in it depends on when it was written or by whom,
so two of one commit are the same; each hash is that of the wheel that the lock file names. A test validates
it by the standard's own schema.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from deploy.package.components import Component

SCHEMA: Final = "http://cyclonedx.org/schema/bom-1.6.schema.json"
_SPACE: Final = uuid.UUID("5a2f2f0e-8c0a-4f43-9a0f-6f3c1b7f0c11")
"""Of the serial numbers: the same materials have the same one."""


def materials(own: Component, libraries: tuple[Component, ...], *, moment: str) -> str:
    """The document of a release; `own` is its wheel, `moment` when its commit was made."""
    here = {each.name for each in libraries}
    # A table of ids, not names: what depends on what.
    ids = {each.name: each.purl for each in (own, *libraries)}
    body: dict[str, Any] = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": moment,
            "component": {"type": "application", **_described(own)},
        },
        "components": [{"type": "library", **_described(each)} for each in libraries],
        "dependencies": [
            {"ref": each.purl, "dependsOn": [ids[name] for name in each.needs if name in here]}
            for each in (own, *libraries)
        ],
    }
    named = uuid.uuid5(_SPACE, json.dumps(body, sort_keys=True))
    return json.dumps({"serialNumber": f"urn:uuid:{named}", **body}, indent=2, sort_keys=True) + "\n"


def _described(one: Component) -> dict[str, Any]:
    found: dict[str, Any] = {
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
        "description": one.summary,
        "hashes": [{"alg": "SHA-256", "content": one.sha256}],
        "licenses": [_licence(one.licence)],
    }
    return found


def _licence(said: str) -> dict[str, Any]:
    """An SPDX expression where the wheel says one; its own words elsewhere."""
    return {"license": {"name": "not stated"}} if said == "NOASSERTION" else {"expression": said}
