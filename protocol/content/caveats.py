"""Caveats on a body: what its reader and its writer should know, though nothing is refused for it.

Owns which there are, and their words. A caveat is made anew from the content wherever it is shown, at the
writer's and at each addressee's: nobody states it, and nothing of it is sent. So a program that has learnt
more says more, of old messages too.

There are caveats on: a zone that was not checked, or whose check digits do not fit; numbers that look like
placeholders or have wrong check digits where nobody is refused for it (documents, containers, accounts,
telephones); text of which nothing is seen.

Rules: a caveat says what was compared, and never that something is false. Its words hold places and check
digits, and no other content. What is read is the JSON of a body that was found valid: a draft's or a model's.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import islice
from typing import Any, Final

from protocol.content import texts
from protocol.fault_text import place_text
from protocol.numbers import check_digits, zones
from protocol.numbers.zone_layouts import VISAS

MAX_CAVEATS: Final = 100

_SHORTEST: Final = 15  # of the numbers that are looked for in texts
_BLANKS: Final = re.compile(r"[\s./-]+")
# Numbers may be written in groups. Bounded, so that no text takes long to look through.
_ACCOUNT: Final = re.compile(r"\b[A-Z]{2}[0-9]{2}", re.ASCII)
_TELEPHONE: Final = re.compile(r"\bIMEI\b[^A-Z0-9]{0,5}([0-9](?:[ /.-]?[0-9]){14})(?![0-9])", re.ASCII)

_NUMBERS: Final[Mapping[tuple[str, str], tuple[str, Callable[[str], str | None]]]] = {
    ("identity_document", "number"): ("document number", check_digits.placeholder_document),
    ("person", "national_id"): ("document number", check_digits.placeholder_document),
    ("person", "documents"): ("document number", check_digits.placeholder_document),
    ("vessel", "imo"): ("IMO number", check_digits.placeholder),
    ("vessel", "mmsi"): ("MMSI", check_digits.placeholder_mmsi),
    ("means_of_transport", "registration"): (
        "container's serial number",
        check_digits.placeholder_container,
    ),
    ("means_of_transport", "serial_number"): ("serial number", check_digits.placeholder_document),
    ("means_of_communication", "address"): ("IMEI", check_digits.placeholder_imei),
}
"""The fields that hold numbers, by the type of their item: what each is, and what it looks like instead."""

_NO_NUMBER: Final[tuple[str, Callable[[str], str | None]]] = ("", check_digits.placeholder)

Steps = tuple[int | str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Caveat:
    """One thing to know about one field. Its words are printable ASCII."""

    field: str = dataclasses.field(repr=False)
    """The place as people write it, such as `items[0].mrz`."""

    rule: str
    """The stable short name of what it is about, such as `mrz_not_checked`."""

    text: str = dataclasses.field(repr=False)

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


def caveats_on(body: Mapping[str, Any]) -> tuple[Caveat, ...]:
    """The caveats on the JSON of a body, in its order; the first hundred."""
    return tuple(islice(_of_fields(body, ()), MAX_CAVEATS))


def _of_fields(written: Mapping[str, Any], at: Steps) -> Iterator[Caveat]:
    for name, value in written.items():
        if name == "mrz":
            # Lines for a machine: read as a whole, and not as texts.
            told = _of_zone(tuple(value or ()), written.get("number"))
            yield from (Caveat(place_text((*at, name)), *each) for each in told)
            continue
        yield from _of_value(value, (*at, name))
        what, found = _NUMBERS.get((str(written.get("type")), name), _NO_NUMBER)
        for number in (value if isinstance(value, list) else [value]) if what else ():
            told = _of_number(what, found(_bare(number or "")))
            yield from (Caveat(place_text((*at, name)), *each) for each in told)


def _of_value(value: Any, at: Steps) -> Iterator[Caveat]:
    match value:
        case str():
            yield from (Caveat(place_text(at), *told) for told in _of_text(value))
        case list():
            for place, entry in enumerate(value):
                yield from _of_value(entry, (*at, place))
        case dict():
            yield from _of_fields(value, at)


def _of_number(what: str, found: str | None) -> Iterator[tuple[str, str]]:
    if found is not None:
        yield "placeholder", f"the {what} is {found}, as a placeholder is"


def _of_zone(zone: zones.Zone, number: str | None) -> Iterator[tuple[str, str]]:
    if not zone:
        return
    layout = zones.layout_of(zone)
    if layout is None:
        lengths = ", ".join(str(len(line)) for line in zone)
        yield (
            "mrz_not_checked",
            f"not checked: no layout of this opening with lines of {lengths} is known here",
        )
        return
    wrong = zones.wrong_digits(zone, layout)
    if wrong:
        yield "mrz_check_digit", f"check digits do not fit ({layout.name}): {'; '.join(map(str, wrong))}"
    if layout.unread:
        yield "mrz_not_checked", f"not checked ({layout.name}): {layout.unread}"
    stated = zones.zone_number(zone, layout)
    if stated is None:
        return
    if number is None:
        yield from _of_number("document number in the zone", check_digits.placeholder_document(stated))
    elif stated != number and (layout.name in VISAS or not zones.mentions(zone, number)):
        yield "mrz_number", "the zone states another number than the field 'number'"


def _of_text(text: str) -> Iterator[tuple[str, str]]:
    if not texts.is_seen(text):
        yield "unseen", f"nothing of this text is seen ({texts.code_points(text)})"
    if len(text) < _SHORTEST:
        return
    for found in _ACCOUNT.finditer(text):
        length = check_digits.iban_length(found[0])
        whole = None if length is None else _of_length(length).match(text, found.start())
        if whole is not None:
            number = _bare(whole[0])
            yield from _of_checked(
                "IBAN", check_digits.placeholder_iban(number), check_digits.is_iban(number)
            )
    for found in _TELEPHONE.finditer(text):
        number = _bare(found[1])
        yield from _of_checked("IMEI", check_digits.placeholder_imei(number), check_digits.is_imei(number))


def _of_checked(what: str, placeholder: str | None, fits: bool) -> Iterator[tuple[str, str]]:  # noqa: FBT001 - two facts
    if placeholder is not None:
        yield from _of_number(what, placeholder)
    elif not fits:
        yield "check_digit", f"the check digit of an {what} in this text does not fit"


@cache
def _of_length(length: int) -> re.Pattern[str]:
    return re.compile(rf"(?:[A-Z0-9][ .-]?){{{length - 1}}}[A-Z0-9](?![A-Za-z0-9])", re.ASCII)


def _bare(number: str) -> str:
    return _BLANKS.sub("", number)
