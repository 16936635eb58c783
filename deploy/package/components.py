"""What is inside: each library with its version, its licence and its hash, read from the wheels themselves.

Owns: the reading of a wheel's METADATA. The copyright file and the bill of materials are both written from
this.
"""

from __future__ import annotations

import email
import hashlib
import re
import zipfile
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_FAMILIES = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What older wheels say in a classifier, as SPDX writes it."""

_SPDX = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")


@dataclass(frozen=True, slots=True)
class Component:
    """One library."""

    name: str
    version: str
    licence: str
    sha256: str
    wheel: str
    summary: str
    needs: tuple[str, ...]
    """The names that it asks for here."""

    @property
    def purl(self) -> str:
        """Its name for whoever compares lists (purl-spec, type pypi)."""
        return f"pkg:pypi/{self.name}@{self.version}"


def components(folder: Path) -> tuple[Component, ...]:
    """Every wheel of a folder, by name."""
    return tuple(sorted((component(path) for path in folder.glob("*.whl")), key=lambda each: each.name))


def component(wheel: Path) -> Component:
    """One wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (each for each in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", each))
        about = email.message_from_bytes(archive.read(name))
    return Component(
        name=canonicalize_name(about["Name"]),
        version=about["Version"],
        licence=_licence(about),
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel=wheel.name,
        summary=about.get("Summary", ""),
        needs=tuple(sorted(_needs(about))),
    )


def _licence(about: Message) -> str:
    said = about.get("License-Expression") or about.get("License") or ""
    if _SPDX.fullmatch(said):
        return str(said)
    for classifier in about.get_all("Classifier", []):
        family = classifier.rpartition(" :: ")[2]
        if classifier.startswith("License ::") and family in _FAMILIES:
            return _FAMILIES[family]
    return "NOASSERTION"


def _needs(about: Message) -> set[str]:
    asked = [Requirement(line) for line in about.get_all("Requires-Dist", [])]
    return {
        canonicalize_name(each.name)
        for each in asked
        if each.marker is None or each.marker.evaluate({"extra": ""})
    }
