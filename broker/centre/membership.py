"""Membership: the registrar's statements about units and keys, from what the operator typed."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from broker.centre.registry import Registry, read_directory_topic, registrar_of, warn_of_refused
from keys.directory import Directory
from keys.enrolment import EnrolmentRequest, enrolment_statements, parse_enrolment, rotation_statements
from keys.lifecycle import epoch_state, key_state
from keys.root_of_trust import fingerprint
from keys.statement_types import EpochPublication, UnitFacts
from keys.statements import parse_statement
from protocol.codes import Classification, LegalBasis, Purpose, UnitKind
from protocol.content.code_forms import read_code, show_code
from protocol.content.unit_text import unit_in_words
from protocol.epochs import bounds
from protocol.errors import Rejected
from protocol.identifiers import IdPrefix, KeyId, Millis, UnitId, parse_unit_id
from protocol.limits import MAX_HEADER, SECOND
from protocol.signatures import Suite, parse_signed
from runtime.cli.command import Invocation
from runtime.cli.file_kinds import FileKind, parse_kind
from runtime.cli.home import bootstrap, centre_home
from runtime.cli.render import moment as show_moment
from runtime.errors import Ambiguous, Conflict, NotFound
from runtime.process.clock import now
from runtime.process.homes import CentreHome

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


async def enrol_unit(
    invocation: Invocation, request: MembershipRequest, options: dict[str, Any]
) -> dict[str, Any]:
    """State what follows from the request, and create the unit's topics."""
    async with Registry.open(invocation) as registry:
        registrar, unit = registrar_of(registry.home), request.parsed.unit
        if request.renewal:
            if any(value for value in options.values()):
                raise click.UsageError("a renewal changes no facts: leave the options about the unit out")
            statements = rotation_statements(
                request.data, registrar=registrar, parties=registry.directory, now=now()
            )
        else:
            if registry.directory.identity(unit, request.parsed.appointment.public.kid) is not None:
                raise Conflict(f"{unit} is enrolled with this identity already")
            check_epochs_are_free(request.parsed, registry.directory, home=registry.home, moment=now())
            facts = _facts(unit, registry.directory.facts(unit), options)
            statements = enrolment_statements(request.data, registrar=registrar, facts=facts, now=now())
        changes = await registry.state(statements)
        return {
            "statements": len(statements),
            "directory_size": registry.directory.head.size,
            "topics": [{"name": change.name, "action": change.action} for change in changes],
        }


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


def _facts(unit: UnitId, known: UnitFacts | None, options: dict[str, Any]) -> UnitFacts | None:
    """The facts to state: all for a new unit, the changed ones for a known one, none if nothing is new."""
    given = {name: value for name, value in options.items() if value}
    if known is None:
        return _new_facts(unit, given)
    if not given:
        return None
    if {"outbox_partitions", "inbox_partitions"} & given.keys():
        raise Conflict(
            "partitions are chosen once", hint="adding some later would break the order of messages"
        )
    changed = _typed(given)
    return replace(known, version=known.version + 1, **changed)


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


async def change_status(invocation: Invocation, unit: str, *, suspended: bool, reason: str) -> dict[str, Any]:
    """Suspend or resume."""
    async with Registry.open(invocation) as registry:
        await registry.state([registry.status_change(UnitId(unit), suspended=suspended, reason=reason)])
        return {"unit": unit, "suspended": suspended, "directory_size": registry.directory.head.size}


async def named_key(invocation: Invocation, unit: str, wanted: bytes | IdPrefix) -> KeyId:
    """The key that is meant, before anybody is asked whether it is to go. A whole id is taken as it is."""
    if not isinstance(wanted, IdPrefix):
        return KeyId(wanted)
    home = centre_home(invocation)
    directory, _ = await read_directory_topic(home, bootstrap(invocation, home))
    return find_key(directory, UnitId(unit), wanted)


def find_key(directory: Directory, unit: UnitId, wanted: IdPrefix) -> KeyId:
    """The one key of this unit, or of a router, that begins so; `NotFound` or `Ambiguous`."""
    signing = (*directory.identities(unit), *directory.routers())
    own = {key.public.kid for key in signing} | {key.public.kid for key in directory.epochs(unit)}
    found = sorted(kid for kid in own if wanted.begins(kid))
    if not found:
        raise NotFound(
            f"no key of {unit} begins with {wanted.digits}", hint=f"see 'contrada units show {unit} --json'"
        )
    if len(found) > 1:
        raise Ambiguous(wanted.digits, [kid.hex() for kid in found])
    return KeyId(found[0])


async def revoke_key(
    invocation: Invocation, unit: str, kid: KeyId, *, reason: str, since: int | None
) -> dict[str, Any]:
    """Withdraw a key."""
    async with Registry.open(invocation) as registry:
        moment = None if since is None else Millis(since)
        statement = registry.revocation(UnitId(unit), kid, reason=reason, since=moment)
        await registry.state([statement])
        return {"unit": unit, "kid": kid.hex(), "directory_size": registry.directory.head.size}


async def list_units(invocation: Invocation) -> list[dict[str, Any]]:
    """All units, with the states of their keys now."""
    registry = await Registry.read(invocation)
    warn_of_refused(registry.refused)
    return [_row(registry.directory, unit.unit) for unit in registry.directory.units()]


def _row(directory: Directory, name: UnitId) -> dict[str, Any]:
    unit = directory.unit(name)
    if unit is None:
        raise NotFound(f"the directory knows no unit {name}")
    moment = now()
    identity = directory.current_identity(name, moment)
    live = [key for key in directory.epochs(name) if not key.revoked and bounds(key.epoch)[1] > moment]
    return {
        **unit_in_words(unit),
        "identity": None if identity is None else key_state(identity, moment).value,
        "identity_kid": None if identity is None else identity.public.kid.hex(),
        "identity_until": None if identity is None else identity.not_after,
        "fingerprint": None if identity is None else fingerprint(identity.public),
        "epochs": [f"{key.epoch} {epoch_state(key, moment).value}" for key in live],
    }
