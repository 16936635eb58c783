#!/usr/bin/env python3
"""Known vulnerabilities of what we install: `make advisories`.

Owns: the question, put by pip-audit for requirements/runtime.lock, and what counts as an answer. Rules: an
advisory that nobody has weighed ends with 7 and its name; one that was weighed stands in
requirements/advisories.txt with the reason; where no service answers, that is said and ends with 0, since a
network that is away is no vulnerability.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

if not __package__:  # run as a program: the repository's root stands for this folder on the import path
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from deploy.package.epoch import ROOT

LOCK = ROOT / "requirements" / "runtime.lock"
WEIGHED = ROOT / "requirements" / "advisories.txt"
WITHIN_S = 120
FOUND = 7


@dataclass(frozen=True, slots=True)
class Advisory:
    """One that concerns a version that we install."""

    library: str
    version: str
    name: str
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        later = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no version fixes it"
        return f"{self.library} {self.version}: {self.name}, {later}"


def weighed(text: str) -> dict[str, str]:
    """What somebody has weighed, each with the reason; a line without one counts for nothing."""
    lines = [line.split("#", 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {line[0].strip(): line[1].strip() for line in lines if len(line) == 2 and line[1].strip()}


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and the libraries of which the service knew nothing: pip-audit passes over these."""

    found: tuple[Advisory, ...]
    asked: int
    unknown: tuple[str, ...]


def understood(answer: str) -> Answer | None:
    """What pip-audit says; None where that is no answer of it."""
    try:
        listed = json.loads(answer)["dependencies"]
        found = tuple(
            Advisory(each["name"], each["version"], known["id"], tuple(known.get("fix_versions", ())))
            for each in listed
            for known in each.get("vulns", ())
        )
        return Answer(found, len(listed), tuple(each["name"] for each in listed if "vulns" not in each))
    except (ValueError, KeyError, TypeError):
        return None


def ask(service: str) -> tuple[str, str]:
    """What pip-audit says of the lock, and why not where it says nothing."""
    line = [
        sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes", "--disable-pip",
        "--format", "json", "--progress-spinner", "off", "--vulnerability-service", service, "--timeout",
        "15",
    ]  # fmt: skip
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=WITHIN_S)
    except subprocess.TimeoutExpired:
        return "", f"nothing came within {WITHIN_S} s"
    return done.stdout, next((each for each in reversed(done.stderr.splitlines()) if each.strip()), "")


def main() -> int:
    """Ask, and say what was answered."""
    parser = argparse.ArgumentParser(description="Known vulnerabilities of requirements/runtime.lock.")
    parser.add_argument("--service", choices=("pypi", "osv"), default="pypi")
    options = parser.parse_args()
    text, why = ask(options.service)
    answer = understood(text)
    if answer is None or len(answer.unknown) == answer.asked:
        reason = why if answer is None else "what answers for the package index knows nothing of any library"
        print(
            f"not asked: no advisory service answers here ({reason[:200]})."
            " Nothing is known of vulnerabilities."
        )
        return 0
    accepted = weighed(WEIGHED.read_text(encoding="utf-8"))
    new = [each for each in answer.found if each.name not in accepted]
    for each in answer.found:
        print(f"{'weighed' if each.name in accepted else 'NEW'}: {each}")
    for name in answer.unknown:
        print(f"not asked: the service knows nothing of {name}")
    asked = answer.asked - len(answer.unknown)
    print(f"{len(answer.found)} advisories for {asked} libraries, {len(new)} of them new")
    return FOUND if new else 0


if __name__ == "__main__":
    sys.exit(main())
