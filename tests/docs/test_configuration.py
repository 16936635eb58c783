"""docs/configuration.md and the settings classes say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from broker.console.settings import ConsoleSettings
from broker.ledger.settings import LedgerSettings
from broker.router.settings import RouterSettings
from broker.signer.settings import SignerSettings
from clients.daemon.settings import UnitSettings
from clients.witness.settings import WitnessSettings
from tests.docs.pages import own_sources, page

SECTIONS: dict[str, type[BaseSettings]] = {
    "## The router: router.toml": RouterSettings,
    "## A router's signer: signer.toml": SignerSettings,
    "## The ledger: ledger.toml": LedgerSettings,
    "## A unit's daemon: unit.toml": UnitSettings,
    "## A witness: witness.toml": WitnessSettings,
    "## The console: console.toml": ConsoleSettings,
}


def _table(heading: str) -> dict[str, tuple[str, ...]]:
    text = page("docs/configuration.md").text
    section = text[text.index(heading) + len(heading) :].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    return {row[0].strip("`"): tuple(row[1:]) for row in rows[2:]}


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_setting_is_there(heading: str) -> None:
    """The table has the settings of the class, no more and no fewer."""
    assert list(_table(heading)) == list(SECTIONS[heading].model_fields)


@pytest.mark.parametrize(
    ("heading", "name"), [(heading, name) for heading, kind in SECTIONS.items() for name in kind.model_fields]
)
def test_default_and_bounds_are_those_of_the_class(heading: str, name: str) -> None:
    """The default, the range and the pattern of each setting are written as they are."""
    field = SECTIONS[heading].model_fields[name]
    default, allowed, meaning = _table(heading)[name]

    assert default == _default(field)
    assert allowed == _allowed(field)
    assert meaning


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{field.default}`"


def _allowed(field: FieldInfo) -> str:
    bounds = {}
    for entry in field.metadata:
        for name in ("ge", "le", "min_length", "max_length", "pattern"):
            value = getattr(entry, name, None)
            if value is not None:
                bounds[name] = value
    if {"ge", "le"} <= bounds.keys():
        return f"{bounds['ge']} to {bounds['le']}"
    if "pattern" in bounds:
        return ", ".join(re.findall(r"\w+", bounds["pattern"]))
    if "max_length" in bounds:
        return f"{bounds['max_length']} characters"
    return f"{bounds['min_length']} characters or more" if "min_length" in bounds else ""


def test_every_variable_of_the_environment_is_there() -> None:
    """Whatever the program reads from the environment stands in the table."""
    written = page("docs/configuration.md").text
    read = set()
    for path in own_sources():
        text = path.read_text(encoding="utf-8")
        # _CONTRADA_COMPLETE is Click's, and set by its own script.
        read |= set(re.findall(r"(?<!_)\bCONTRADA_[A-Z]+(?:_[A-Z]+)*\b", text))
        read |= set(re.findall(r"environ(?:\.get\(|\[)\s*\"([A-Z_]+)\"", text))
    prefixes = ("CONTRADA_ROUTER", "CONTRADA_UNIT", "CONTRADA_WITNESS", "CONTRADA_CONSOLE")

    missing = sorted(name for name in read if not name.startswith(prefixes) and f"`{name}`" not in written)

    assert {"CONTRADA_HOME", "CONTRADA_KAFKA", "CREDENTIALS_DIRECTORY"} <= read
    assert missing == []


def test_the_centres_settings_are_there() -> None:
    """Every key that the centre's commands read from centre.toml stands in its table."""
    from broker.centre import founding
    from broker.centre import status as centre_status
    from broker.centre.seen import watching
    from runtime.cli import home, unlocking
    from runtime.kafka.security.kafka_settings import KafkaSettings

    rows = {row[0].strip("`") for row in page("docs/configuration.md").rows("Setting", "Meaning")}
    read = set(KafkaSettings.model_fields)
    for module in (home, centre_status, watching, unlocking):
        text = Path(module.__file__).read_text(encoding="utf-8")
        read |= set(re.findall(r"settings\([^)]*\)\.get\(\"(\w+)\"\)", text)) - {"unit"}
    written = re.search(
        r"centre\b[^=\n]*= \{(.*?)\}\n", Path(founding.__file__).read_text(encoding="utf-8"), re.DOTALL
    )
    assert written is not None

    assert rows == read | set(re.findall(r"\"(\w+)\":", written[1]))
