"""The item types of ships, vehicles and documents, which have numbers of their own.

Owns their fields, the rule that each field comes from, and which copying errors are refused. Persons,
places and the union of all items are in `entities`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo

from protocol.codes import DataClass, DocumentCategory, DocumentStatus, TransportCategory
from protocol.content.cross_rules import Breach, broken, cross_rule
from protocol.content.fields import (
    DRAFT,
    SHOWN,
    CalendarDate,
    Count,
    Country,
    Instant,
    Latitude,
    Line,
    Lines,
    Longitude,
    RuleSource,
    Text,
    coded,
    shaped,
)
from protocol.content.items import B2_C, B2_I, OURS, SIS_20, SIS_38, ItemBase, half_position
from protocol.fault_text import value_text
from protocol.numbers import check_digits, zones
from protocol.numbers.zone_layouts import VISAS, Layout


def _imo(text: str, info: ValidationInfo) -> str:
    if len(text) != 7 or not (text.isascii() and text.isdigit()):
        raise broken("imo", "the seven digits of an IMO number, without letters or spaces")
    digit = check_digits.imo_check_digit(text)
    if digit != int(text[6]):
        right = "a number whose last digit is its check digit; what is only painted on goes to markings"
        raise broken("imo", right, f"{text}, whose first six digits give the check digit {digit}")
    _not_a_placeholder("imo", check_digits.placeholder(text), info)
    return text


def _mmsi(text: str, info: ValidationInfo) -> str:
    _not_a_placeholder("mmsi", check_digits.placeholder_mmsi(text), info)
    return text


def _not_a_placeholder(rule: str, found: str | None, info: ValidationInfo) -> None:
    # Nobody has such a number: IMO and ITU give none. What a ship sends or shows is told in words.
    if found is not None and info.context == DRAFT:
        right = "a ship's own number, or none; what it only sends or shows goes to markings"
        raise broken(f"{rule}_placeholder", right, f"a placeholder: {found}")


def _zone_line(text: str) -> str:
    if not zones.is_zone_line(text):
        right = "a line of 5 to 90 characters A-Z, 0-9 and <, without spaces"
        raise broken("mrz_line", right, _not_of_a_zone(text))
    return text


def _not_of_a_zone(text: str) -> str:
    for place, character in enumerate(text, 1):
        if not zones.is_zone_line(zones.FILLER * 4 + character):
            return f"U+{ord(character):04X} at place {place}"
    return f"{len(text)} characters"


ImoNumber = Annotated[str, AfterValidator(_imo)]
Mmsi = Annotated[str, shaped("[0-9]{9}", "nine digits"), AfterValidator(_mmsi)]
CallSign = Annotated[str, shaped("[A-Z0-9]{3,8}", "3 to 8 capital letters and digits")]
DocumentNumber = Annotated[str, shaped("[A-Z0-9]{1,24}", "1 to 24 capital letters and digits without spaces")]
ZoneLine = Annotated[str, AfterValidator(_zone_line)]

# On such a document a wrong check digit is a finding; on a genuine one it is a copying error.
_NOT_GENUINE: Final = frozenset({DocumentStatus.FALSE, DocumentStatus.FORGED, DocumentStatus.COUNTERFEIT})
_SHOWN_SO: Final = 'or "mrz_as_printed": true, if the document itself shows it so'


class Vessel(ItemBase):
    """A ship or boat of interest."""

    type: Annotated[Literal["vessel"], OURS] = "vessel"
    name: Annotated[Line | None, B2_I] = None
    former_names: Annotated[Lines, OURS] = ()
    imo: Annotated[ImoNumber | None, B2_I] = None
    mmsi: Annotated[Mmsi | None, B2_I] = None
    call_sign: Annotated[CallSign | None, B2_I] = None
    registration: Annotated[Line | None, B2_I] = None
    flag: Annotated[Country | None, B2_I] = None
    port_of_registry: Annotated[Line | None, B2_I] = None
    hull: Annotated[Line | None, OURS] = None
    length_cm: Annotated[Count | None, OURS] = None
    colour: Annotated[Line | None, OURS] = None
    engines: Annotated[Lines, SIS_38] = ()
    owner: Annotated[Line | None, B2_I] = None
    latitude: Annotated[Latitude | None, OURS] = None
    longitude: Annotated[Longitude | None, OURS] = None
    seen_at: Annotated[Instant | None, OURS] = None
    silent_since: Annotated[Instant | None, OURS] = None
    persons_aboard: Annotated[Count | None, OURS] = None
    markings: Annotated[Text | None, OURS] = None
    reason: Annotated[Text | None, OURS] = None

    def least_data_class(self) -> DataClass:
        """Personal as soon as it names an owner, who may be a natural person."""
        return DataClass.PERSONAL if self.owner is not None else DataClass.NON_PERSONAL

    def identified_by(self) -> tuple[str, ...]:
        """A ship without anything that identifies it is none."""
        numbers = ("imo", "mmsi", "call_sign", "registration")
        return (*numbers, "name", "markings", "hull", "files")

    @cross_rule("position", field="longitude")
    def _has_a_whole_position(self) -> Breach | None:
        return half_position(self.latitude, self.longitude)


class IdentityDocument(ItemBase):
    """A document and what is wrong with it."""

    type: Annotated[Literal["identity_document"], OURS] = "identity_document"
    category: Annotated[DocumentCategory, coded(DocumentCategory), SHOWN, SIS_38]
    status: Annotated[DocumentStatus, coded(DocumentStatus), SHOWN, SIS_38]
    country: Annotated[Country, SIS_20]
    number: Annotated[DocumentNumber | None, SIS_20] = None
    issued: Annotated[CalendarDate | None, SIS_20] = None
    expires: Annotated[CalendarDate | None, SIS_20] = None
    holder: Annotated[Line | None, B2_C] = None
    mrz: Annotated[
        tuple[ZoneLine, ...], Field(max_length=zones.MAX_ZONE_LINES), RuleSource("ICAO Doc 9303")
    ] = ()
    mrz_as_printed: Annotated[Literal[True] | None, OURS] = None
    technique: Annotated[Text | None, OURS] = None
    print_shop: Annotated[Line | None, OURS] = None
    batch: Annotated[Line | None, OURS] = None

    def least_data_class(self) -> DataClass:
        """Personal as soon as it names its holder; a blank document names nobody."""
        return DataClass.PERSONAL if self.holder is not None or self.mrz else DataClass.NON_PERSONAL

    def identified_by(self) -> tuple[str, ...]:
        """A document without anything that identifies it is none."""
        return ("number", "mrz", "batch", "files")

    @cross_rule("mrz_shape", field="mrz")
    def _has_a_zone(self) -> Breach | None:
        if self.mrz and not "".join(self.mrz).strip(zones.FILLER):
            return Breach("a zone that says something", "fillers alone")
        if self.mrz_as_printed and not self.mrz:
            return Breach("the zone, which mrz_as_printed speaks of", "nothing")
        return None

    @cross_rule("mrz_length", field="mrz", draft=True)
    def _has_whole_lines(self) -> Breach | None:
        slip = zones.length_slip(self.mrz) if self._is_compared() else None
        if slip is None:
            return None
        right = f"{slip.layout.lines[slip.line]} characters, as on each {slip.layout.name}; {_SHOWN_SO}"
        return Breach(right, f"{len(self.mrz[slip.line])} characters in line {slip.line + 1}")

    @cross_rule("mrz_check_digit", field="mrz", draft=True)
    def _has_its_check_digits(self) -> Breach | None:
        layout = self._layout()
        wrong = () if layout is None else zones.wrong_digits(self.mrz, layout)
        if layout is None or not wrong:
            return None
        right = f"the lines as they stand on the document ({layout.name}); {_SHOWN_SO}"
        return Breach(right, "; ".join(map(str, wrong)))

    @cross_rule("mrz_number", field="number", draft=True)
    def _has_the_number_of_its_zone(self) -> Breach | None:
        layout = self._layout()
        # A visa's zone may state the number of the visa or of the passport that it is in (Doc 9303-7).
        if self.number is None or layout is None or layout.name in VISAS:
            return None
        stated = zones.zone_number(self.mrz, layout)
        if stated in (None, self.number) or zones.mentions(self.mrz, self.number):
            return None
        return Breach(
            f"the number that the zone states; {_SHOWN_SO}", f"{self.number}, where it states {stated}"
        )

    def _is_compared(self) -> bool:
        """Whether the zone is one that was copied from a genuine document, where a wrong digit is a slip."""
        return bool(self.mrz) and self.status not in _NOT_GENUINE and not self.mrz_as_printed

    def _layout(self) -> Layout | None:
        return zones.layout_of(self.mrz) if self._is_compared() else None


class MeansOfTransport(ItemBase):
    """A vehicle, trailer, container, aircraft or a part of one."""

    type: Annotated[Literal["means_of_transport"], OURS] = "means_of_transport"
    category: Annotated[TransportCategory, coded(TransportCategory), SHOWN, SIS_38]
    registration: Annotated[Line | None, B2_I] = None
    country: Annotated[Country | None, B2_I] = None
    serial_number: Annotated[Line | None, B2_I] = None
    make: Annotated[Line | None, OURS] = None
    model: Annotated[Line | None, OURS] = None
    colour: Annotated[Line | None, OURS] = None
    keeper: Annotated[Line | None, B2_I] = None
    concealment: Annotated[Text | None, OURS] = None
    remarks: Annotated[Text | None, OURS] = None

    def least_data_class(self) -> DataClass:
        """Personal with a keeper, or with a registration, by which a register finds one."""
        registered = self.registration is not None and self.category != TransportCategory.CONTAINER
        return DataClass.PERSONAL if registered or self.keeper is not None else DataClass.NON_PERSONAL

    def identified_by(self) -> tuple[str, ...]:
        """A vehicle without anything that identifies it is none."""
        return ("registration", "serial_number", "make", "remarks", "files")

    @cross_rule("container_number", field="registration")
    def _is_a_container_number(self) -> Breach | None:
        number = self.registration if self.category == TransportCategory.CONTAINER else None
        if number is None or check_digits.is_container_number(number):
            return None
        if not check_digits.has_container_form(number):
            right = "three letters, then U, J or Z, then seven digits, without spaces (ISO 6346)"
            return Breach(right, value_text(number))
        digit = check_digits.container_check_digit(number)
        right = "a container number whose last digit is its check digit (ISO 6346)"
        return Breach(right, f"{number}, whose first ten characters give {digit}")
