"""Enrolment: what the registrar states about the units whose requests are in files, one of them or thousands.

    files -> requests, every signature verified -> all checked against the directory -> stated in parts

Rules: nothing is stated before every request is found to be one that can be. A part is done (its topics made,
its statements published) before the next begins. Of several requests, those that are enrolled already are
passed over: so what was interrupted is gone on with by the same command.
"""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import click

from broker.centre.registry import Registry, registrar_of
from keys.directory import Directory
from keys.enrolment import EnrolmentRequest, parse_enrolment, rotation_statements, statements_of
from keys.statement_types import MAX_NAME, EpochPublication, UnitFacts
from keys.statements import parse_statement, printable_text
from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.content.code_forms import read_code, show_code
from protocol.epochs import bounds
from protocol.errors import Rejected
from protocol.identifiers import KeyId, Millis, UnitId, parse_unit_id
from protocol.limits import MAX_HEADER, SECOND
from protocol.signatures import Signer, Suite, parse_signed
from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput
from runtime.cli.file_kinds import FileKind, parse_kind
from runtime.cli.input_files import read_input
from runtime.cli.render import moment as show_moment
from runtime.errors import Conflict
from runtime.kafka.ports import TopicChange
from runtime.process.clock import now
from runtime.process.homes import CentreHome

MAX_NAMES: Final = 4_000_000
UNITS_AT_ONCE: Final = 50
"""So many are one part: their topics are one request to Kafka."""

_OF_THE_UNION = frozenset({Purpose.CROSS_CHECK, Purpose.STRATEGIC, Purpose.OPERATIONAL, Purpose.FACILITATE})
_BASIS = {
    UnitKind.NATIONAL_UNIT: LegalBasis.UNION_LAW,
    UnitKind.COMPETENT_AUTHORITY: LegalBasis.UNION_LAW,
    UnitKind.CENTRE: LegalBasis.UNION_LAW,
    UnitKind.UNION_BODY: LegalBasis.UNION_BODY,
}


@dataclass(frozen=True, slots=True)
class MembershipRequest:
    """A verified request file: an enrolment, or a renewal that the present identity signed."""

    data: bytes
    parsed: EnrolmentRequest
    renewal: bool

    def shown(self) -> dict[str, Any]:
        """What the operator must see before going on."""
        return {
            "unit": self.parsed.unit,
            "request": "renewal" if self.renewal else "enrolment",
            "contact": self.parsed.contact,
            "fingerprint": self.parsed.fingerprint,
        }


def read_request(path: Path) -> MembershipRequest:
    """The request in the file, every signature in it verified."""
    return parse_kind(path, MAX_HEADER, FileKind.REQUEST, _request)


def _request(data: bytes) -> MembershipRequest:
    outer = parse_signed(data)
    try:
        # A renewal is a signed request within a signature; an enrolment's payload is no signed structure.
        parse_signed(outer.payload)
    except Rejected:
        return MembershipRequest(data, parse_enrolment(data), renewal=False)
    return MembershipRequest(data, parse_enrolment(outer.payload), renewal=True)


def read_requests(paths: Iterable[Path]) -> list[MembershipRequest]:
    """The requests in these files, and in the files *.cbor of those that are directories; each unit once."""
    found: dict[UnitId, Path] = {}
    requests = []
    for path in paths:
        inside = sorted(path.glob("*.cbor")) if path.is_dir() else [path]
        if not inside:
            raise BadInput(f"{path} has no file *.cbor", hint="name a directory with requests of units in it")
        for file in inside:
            request = read_request(file)
            before = found.setdefault(request.parsed.unit, file)
            if before is not file:
                raise Conflict(
                    f"two requests of {request.parsed.unit}: {before} and {file}",
                    hint="ask the unit which is its newest, and leave the other out",
                )
            requests.append(request)
    return requests


def read_names(path: Path) -> dict[UnitId, str]:
    """The names for people that a CSV file with the columns unit and name gives."""
    data = read_input(str(path), MAX_NAMES, what="a list of names")
    line = 1
    try:
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        if not {"unit", "name"} <= set(rows.fieldnames or ()):
            raise BadInput(f"{path} has no columns unit and name", hint="write 'unit,name' in its first line")
        names = {}
        for row in rows:
            line = rows.line_num
            names[parse_unit_id(row["unit"])] = printable_text(row["name"], MAX_NAME)
    except (csv.Error, UnicodeDecodeError, Rejected):
        raise BadInput(
            f"{path} is not a list of names, at line {line} or behind it",
            hint=f"in UTF-8: each unit's id, a comma, and its name in up to {MAX_NAME} characters",
        ) from None
    return names


async def enrol_units(
    invocation: Invocation,
    requests: Sequence[MembershipRequest],
    options: dict[str, Any],
    *,
    names: Mapping[UnitId, str] = MappingProxyType({}),
    done: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """State what follows from the requests, and create the units' topics; `done` is told of how many."""
    async with Registry.open(invocation) as registry:
        registrar = registrar_of(registry.home, registry.directory)
        planned = _planned(requests, options, names, registry)
        statements, changes = 0, list[TopicChange]()
        for first in range(0, len(planned), UNITS_AT_ONCE):
            part = planned[first : first + UNITS_AT_ONCE]
            made = [one for request, facts in part for one in _stated(request, facts, registrar, registry)]
            root = registry.directory.root
            if root.registrars > 1 or root.cooling_off:
                # Nobody would take its keys before others agree, or while its identity rests; then its own
                # daemon publishes them.
                made = [one for one in made if parse_statement(one).signed.kid == registrar.public.kid]
            changes += await registry.state(made)
            statements += len(made)
            done(len(requests) - len(planned) + first + len(part))
        return {
            "statements": statements,
            "waits": registry.waits,
            "directory_size": registry.directory.head.size,
            "topics": [{"name": change.name, "action": change.action} for change in changes],
        }


_Planned = tuple[MembershipRequest, UnitFacts | None]


def _planned(
    requests: Sequence[MembershipRequest],
    options: dict[str, Any],
    names: Mapping[UnitId, str],
    registry: Registry,
) -> list[_Planned]:
    """The requests that are to be carried out, each with the facts to state; refuses all if one cannot be."""
    planned: list[_Planned] = []
    for request in requests:
        unit, key = request.parsed.unit, request.parsed.appointment.public.kid
        if registry.directory.identity(unit, key) is not None:
            if len(requests) == 1:
                raise Conflict(f"{unit} is enrolled with this identity already")
            continue
        if not request.renewal:
            check_epochs_are_free(request.parsed, registry.directory, home=registry.home, moment=now())
            given = options | ({"name": names[unit]} if unit in names else {})
            planned.append((request, _facts(unit, registry.directory, given)))
            continue
        if any(value for value in options.values()):
            raise click.UsageError("a renewal changes no facts: leave the options about the unit out")
        planned.append((request, None))
    return planned


def _stated(
    request: MembershipRequest, facts: UnitFacts | None, registrar: Signer, registry: Registry
) -> list[bytes]:
    if request.renewal:
        return rotation_statements(request.data, registrar=registrar, parties=registry.directory, now=now())
    return statements_of(request.parsed, registrar=registrar, facts=facts, now=now())


def check_epochs_are_free(
    request: EnrolmentRequest, directory: Directory, *, home: CentreHome, moment: Millis
) -> None:
    """A unit has one key for each epoch: those of a lost identity must be withdrawn first."""
    taken = _epochs_in_use(request, directory)
    if not taken:
        return
    centre = f"contrada --home {shlex.quote(str(home.path))} centre"
    commands = [
        f"{centre} revoke {request.unit} {kid.hex()} --reason 'keys lost'"
        # Epoch keys fall with their identity if they end after the time that is stated.
        f" --compromised-since {show_moment(min(moment, bounds(first)[1] - SECOND))}"
        for kid, first in taken.items()
    ]
    raise Conflict(
        f"{request.unit} has epoch keys in use, under an identity that is not revoked",
        hint="\n".join(
            (
                "if that identity is lost, revoke it and enrol again (stolen: say since when):",
                *commands,
            )
        ),
    )


def _epochs_in_use(request: EnrolmentRequest, directory: Directory) -> dict[KeyId, int]:
    """Which identities signed keys of the requested epochs, each with the first of these."""
    parsed = (parse_statement(raw).statement.body for raw in request.epochs)
    wanted = {body.epoch for body in parsed if isinstance(body, EpochPublication)}
    found: dict[KeyId, int] = {}
    for applied in directory.history(request.unit):
        issuer, body = applied.statement.issuer, applied.statement.body
        if isinstance(body, EpochPublication) and body.epoch in wanted:
            live = directory.epoch_key_for(request.unit, body.epoch)
            if live is not None and live.public == body.public:
                found[issuer] = min(found.get(issuer, body.epoch), body.epoch)
    return found


def _facts(unit: UnitId, directory: Directory, options: dict[str, Any]) -> UnitFacts | None:
    """The facts to state: all for a new unit, the changed ones for a known one, none if nothing is new."""
    given = {name: value for name, value in options.items() if value}
    known, version = directory.facts(unit), directory.next_version(unit)
    if known is None:
        return replace(_new_facts(unit, given), version=version)
    if not given:
        return None
    if {"outbox_partitions", "inbox_partitions"} & given.keys():
        raise Conflict(
            "partitions are chosen once", hint="adding some later would break the order of messages"
        )
    changed = _typed(given)
    return replace(known, version=version, **changed)


def _new_facts(unit: UnitId, given: dict[str, Any]) -> UnitFacts:
    typed = _typed(given)
    kind = typed.get("kind", UnitKind.NATIONAL_UNIT)
    basis = typed.get("basis", _BASIS.get(kind))
    purposes = typed.get("purposes", _OF_THE_UNION if kind in _BASIS else None)
    if basis is None or purposes is None:
        raise click.UsageError(
            f"a {show_code(kind)} needs --basis and --purpose: nothing follows from its kind"
        )
    if kind is UnitKind.COMPETENT_AUTHORITY and "national_unit" not in typed:
        raise click.UsageError("a competent-authority needs --national-unit, who gets copies (ER 7(5))")
    return UnitFacts(
        unit=unit,
        version=1,
        kind=kind,
        name=typed.get("name", unit),
        clearance=typed.get("clearance", Classification.BPL),
        basis=basis,
        purposes=purposes,
        national_unit=typed.get("national_unit"),
        waives_copy=typed.get("waives_copy", False),
        min_suite=typed.get("min_suite", Suite.CLASSICAL),
        outbox_partitions=typed.get("outbox_partitions", 1),
        inbox_partitions=typed.get("inbox_partitions", 1),
    )


def _typed(given: dict[str, Any]) -> dict[str, Any]:
    """What was typed, as the values that facts are made of."""
    typed = dict(given)
    for name, codes in (("kind", UnitKind), ("clearance", Classification), ("basis", LegalBasis)):
        if name in typed:
            typed[name] = read_code(codes, typed[name])
    if "purposes" in typed:
        typed["purposes"] = frozenset(read_code(Purpose, purpose) for purpose in typed["purposes"])
    if "national_unit" in typed:
        typed["national_unit"] = parse_unit_id(typed["national_unit"])
    if "min_suite" in typed:
        typed["min_suite"] = Suite(int(typed["min_suite"]))
    return typed
