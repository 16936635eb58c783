"""The item types of ships, vehicles and documents, which have numbers of their own.

Owns their fields, the rule that each field comes from, and which copying errors are refused. Persons,
places and the union of all items are in `entities`.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from protocol.codes import DataClass, DocumentCategory, DocumentStatus, TransportCategory
from protocol.content import check_digits
from protocol.content.cross_rules import Breach, broken, cross_rule
from protocol.content.fields import (
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


def _imo(text: str) -> str:
    if not check_digits.is_imo_number(text):
        raise broken("imo", "seven digits with the right check digit; what is only painted on: markings")
    return text


Imo = Annotated[str, AfterValidator(_imo)]
Mmsi = Annotated[str, shaped("[0-9]{9}", "nine digits")]
CallSign = Annotated[str, shaped("[A-Z0-9]{3,8}", "3 to 8 capital letters and digits")]
DocumentNumber = Annotated[str, shaped("[A-Z0-9]{1,24}", "capital letters and digits without spaces")]

# On such a document a wrong check digit is a finding; on a genuine one it is a copying error.
_NOT_GENUINE: Final = frozenset({DocumentStatus.FALSE, DocumentStatus.FORGED, DocumentStatus.COUNTERFEIT})


class Vessel(ItemBase):
    """A ship or boat of interest."""

    type: Annotated[Literal["vessel"], OURS] = "vessel"
    name: Annotated[Line | None, B2_I] = None
    former_names: Annotated[Lines, OURS] = ()
    imo: Annotated[Imo | None, B2_I] = None
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

    def is_empty(self) -> bool:
        """A ship without anything that identifies it."""
        numbers = (self.imo, self.mmsi, self.call_sign, self.registration)
        return not any((*numbers, self.name, self.markings, self.hull, self.files))

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
    mrz: Annotated[tuple[str, ...], RuleSource("ICAO Doc 9303")] = ()
    technique: Annotated[Text | None, OURS] = None
    print_shop: Annotated[Line | None, OURS] = None
    batch: Annotated[Line | None, OURS] = None

    def least_data_class(self) -> DataClass:
        """Personal as soon as it names its holder; a blank document names nobody."""
        return DataClass.PERSONAL if self.holder is not None or self.mrz else DataClass.NON_PERSONAL

    def is_empty(self) -> bool:
        """A document without anything that identifies it."""
        return not any((self.number, self.mrz, self.batch, self.files))

    @cross_rule("mrz_shape", field="mrz")
    def _has_a_zone(self) -> Breach | None:
        if self.mrz and not check_digits.has_mrz_shape(self.mrz):
            return Breach("3 lines of 30, 2 of 36 or 2 of 44 characters A-Z, 0-9 and <")
        return None

    @cross_rule("mrz_check_digit", field="mrz")
    def _has_its_check_digits(self) -> Breach | None:
        if self._is_read() and check_digits.mrz_faults(self.mrz):
            return Breach("right check digits, unless the document is not genuine")
        return None

    @cross_rule("mrz_number", field="number")
    def _has_the_number_of_its_zone(self) -> Breach | None:
        if self.number is None or not self._is_read() or check_digits.mrz_faults(self.mrz):
            return None
        stated = check_digits.mrz_number(self.mrz)
        if self.number != stated:
            return Breach("the number that the machine-readable zone states", value_text(self.number))
        return None

    def _is_read(self) -> bool:
        """Whether there is a zone that can be read and claims to be genuine."""
        return check_digits.has_mrz_shape(self.mrz) and self.status not in _NOT_GENUINE


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

    def is_empty(self) -> bool:
        """A vehicle without anything that identifies it."""
        return not any((self.registration, self.serial_number, self.make, self.remarks, self.files))

    @cross_rule("container_number", field="registration")
    def _is_a_container_number(self) -> Breach | None:
        number = self.registration if self.category == TransportCategory.CONTAINER else None
        if number is not None and not check_digits.is_container_number(number):
            return Breach("a container number of ISO 6346 with the right check digit", value_text(number))
        return None
