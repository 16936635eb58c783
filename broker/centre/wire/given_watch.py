"""Which certificates end that the centre can see: its own, the brokers', and those that its authority gave.

Owns what `centre status` tells of them. A party that may do nothing in Kafka any more, or is suspended, is
left out, and so is what ended long ago: its holder is gone, or shows another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from broker.centre.exchange_rights import rights_of
from keys.directory import Directory
from keys.wire.given import GivenCertificate, read_given
from keys.wire.validity import Validity
from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import Millis, parse_unit_id
from protocol.limits import DAY
from runtime.kafka.security.access import KafkaAddress
from runtime.kafka.security.certificate_watch import CertificateWatch

FORGOTTEN: Final = 30 * DAY

Row = dict[str, Any]


def ending_certificates(
    kafka: KafkaAddress, authority: Path | None, directory: Directory, *, moment: Millis
) -> list[Row]:
    """Those about which somebody has to do something now."""
    watch = CertificateWatch.at(kafka, lambda: moment)
    seen = [("centre", "", watch.own()), ("broker", "as it showed itself", watch.brokers())]
    given = () if authority is None else _given(authority, directory, moment)
    found = [*seen, *((one.party, one.place, one.validity) for one in given)]
    return [
        _row(party, place, validity, moment)
        for party, place, validity in found
        if validity is not None and validity.is_ending(moment)
    ]


def _given(authority: Path, directory: Directory, moment: Millis) -> Iterator[GivenCertificate]:
    for one in read_given(authority):
        if one.party != "centre" and one.validity.left(moment) > -FORGOTTEN and _counts(one.party, directory):
            yield one


def _counts(party: str, directory: Directory) -> bool:
    if not party.startswith(topics.UNIT_PREFIX):
        return True
    try:
        unit = directory.unit(parse_unit_id(party.removeprefix(topics.UNIT_PREFIX)))
    except Rejected:
        return False
    return unit is not None and not unit.suspended and bool(rights_of(unit, directory))


def _row(party: str, place: str, validity: Validity, moment: Millis) -> Row:
    return {
        "party": party,
        "place": place,
        "until": validity.ends,
        "days_left": max(0, validity.left(moment) // DAY),
        "state": "ended" if validity.left(moment) <= 0 else "ending",
        "when": validity.when(moment),
    }
