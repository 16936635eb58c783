"""The steps of `centre enrol UNIT`: looked up, compared, stated by one registrar or both, answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.centre.agreements import agree
from broker.centre.enrolments import enrol_units
from broker.centre.joining.admission import (
    CodedRequest,
    answer_those_in_effect,
    choose_by_code,
    read_requests_of,
)
from broker.centre.joining.invited import InvitedUnit, find_invited, settle_invited
from broker.centre.registry import Registry
from keys.directory import Directory
from keys.statement_types import Appointment, UnitFacts
from protocol.identifiers import Digest, UnitId
from runtime.cli.command import Invocation
from runtime.cli.home import bootstrap, centre_home
from runtime.errors import NotFound
from runtime.process.clock import now


@dataclass(frozen=True, slots=True)
class SecondRegistrar:
    """The key of the other registrar, who sits at the same machine."""

    key: Path
    secret: Path | None


async def look_up(invocation: Invocation, unit: str, code: str | None) -> CodedRequest:
    """The request of an invited unit that is to be enrolled; by its code, if that was typed."""
    home = centre_home(invocation)
    kept = _kept(invocation, unit)
    found = await read_requests_of(bootstrap(invocation, home), kept)
    return choose_by_code(found, kept.unit, code)


async def enrol_invited_unit(
    invocation: Invocation,
    chosen: CodedRequest,
    facts: dict[str, Any],
    *,
    second: SecondRegistrar | None = None,
) -> dict[str, Any]:
    """State what follows from the request, and answer the unit if that has effect; run again, it goes on."""
    asked = chosen.asked
    unit, key = asked.enrolment.unit, asked.enrolment.appointment.public
    kept = _kept(invocation, unit)
    kept.choose(asked)
    registry = await Registry.read(invocation)
    await settle_invited(registry.kafka, kept)
    done: dict[str, Any] = {"statements": 0, "waits": False}
    if registry.directory.identity(unit, key.kid) is None and not _waiting(registry.directory, chosen):
        done = await enrol_units(invocation, [chosen.as_membership()], facts)
        registry = await Registry.read(invocation)
    waiting = _waiting(registry.directory, chosen)
    if waiting and second is not None:
        await agree(invocation, waiting, second.key, secret=second.secret)
    async with Registry.open(invocation) as opened:
        answered = await answer_those_in_effect(opened)
        known = opened.directory.identity(unit, key.kid)
        waits = bool(_waiting(opened.directory, chosen))
    is_answered = unit in answered or _kept(invocation, unit).is_answered
    rests = known is not None and known.not_before > now()
    from_when = known.not_before if known is not None and rests else None
    return done | {"waits": waits, "answered": is_answered, "active_from": from_when}


def _kept(invocation: Invocation, unit: str) -> InvitedUnit:
    kept = find_invited(centre_home(invocation), unit)
    if kept is None or now() >= kept.terms.until:
        raise NotFound(
            f"{unit} is {'not invited' if kept is None else 'invited no more'}",
            hint=f"contrada centre invite {unit}"
            + (", or name the file of its request" if kept is None else " --again"),
        )
    return kept


def _waiting(directory: Directory, chosen: CodedRequest) -> Sequence[Digest]:
    """The names of what of this enrolment waits for another registrar, in the directory's order."""
    key = chosen.asked.enrolment.appointment.public
    return [
        each.name
        for each in directory.ballots(now())
        if _is_about(each.ballot.body, chosen.asked.enrolment.unit, key)
    ]


def _is_about(body: object, unit: UnitId, key: object) -> bool:
    match body:
        case Appointment():
            return body.name == unit and body.public == key
        case UnitFacts():
            return body.unit == unit
        case _:
            return False
