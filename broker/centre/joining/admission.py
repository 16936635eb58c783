"""`centre enrol UNIT`: what an invited unit has asked over Kafka, and what it is answered.

    read, bounded -> each verified -> the one that people compared -> kept -> stated as by file
                  -> in effect -> its certificate signed, answered, and nothing may be asked any more

Owns reading and answering; what is stated of a unit is broker/centre/enrolments.py. Rules:
- Nothing here decides that a unit is who it says. A request is chosen by its code, which people compare.
- Of a topic that others write some records are read and no more; a request that does not hold costs a hash.
- The answer goes out once the directory has the unit's key in effect: with two registrars that is the command
  of the second one. A command that was interrupted is run again, and answers then.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization

from broker.centre.enrolments import MembershipRequest
from broker.centre.joining.invited import (
    InvitedUnit,
    find_invited,
    open_invited,
    settle_invited,
)
from broker.centre.joining.inviting import opened_authority
from broker.centre.registry import Registry
from keys.joining.invitation import AskedEnrolment, answer_to, parse_asked
from keys.joining.places import answered_topic, asked_topic
from keys.joining.spoken_code import parse_code, spoken_code
from keys.wire.certificates import LEAF_LIFETIME
from protocol import topics
from protocol.errors import ContradaError, Rejected
from protocol.identifiers import UnitId
from protocol.public_keys import IdentityPublic
from runtime.cli.errors import NotInTime
from runtime.cli.render import say
from runtime.errors import NotVerified
from runtime.kafka.partition_log import KafkaLog, KafkaTopics
from runtime.kafka.security.access import KafkaAddress
from runtime.process.clock import now
from runtime.process.homes import CentreHome

MOST_READ: Final = 64
"""Records of one unit's requests. An honest unit writes one, and perhaps a second where Kafka was away."""

MOST_ASKED: Final = 4
"""Requests with different keys that are shown: more have one cause, that somebody else has the invitation."""

_WAIT_MS: Final = 1_000
_EMPTY_LOOKS: Final = 10


@dataclass(frozen=True, slots=True)
class CodedRequest:
    """A request that holds, and the code that its unit reads."""

    asked: AskedEnrolment
    code: str

    def as_membership(self) -> MembershipRequest:
        """The same as a request that came by file."""
        return MembershipRequest(self.asked.enrolment_data, self.asked.enrolment, renewal=False)


async def read_requests_of(kafka: KafkaAddress, kept: InvitedUnit) -> list[CodedRequest]:
    """What was asked under this invitation, each once, in order; the chosen one alone where one is."""
    chosen = kept.asked()
    found = [chosen] if chosen is not None else await _asked(kafka, kept)
    return [CodedRequest(each, spoken_code(kept.terms.digest, each.digest)) for each in found]


def choose_by_code(found: list[CodedRequest], unit: UnitId, typed: str | None) -> CodedRequest:
    """The request that is meant: the one with this code, or the only one."""
    if not found:
        raise NotInTime(
            f"{unit} has not asked yet", hint=f"at the unit: contrada unit join {unit}.invitation"
        )
    if typed is not None:
        code = parse_code(typed)
        for each in found:
            if each.code == code:
                return each
        raise NotVerified(
            f"no request of {unit} has this code: it is not what that unit has sent, or was invited with",
            hint="nothing was done; let it read the code again. If it stays so, somebody is in between: "
            f"contrada centre invite {unit} --again, and bring the file by another way",
        )
    if len(found) > 1:
        raise NotVerified(
            f"there are {len(found)} requests of {unit}, with different keys",
            hint=f"the unit reads its code to you: --code; and ask it who else has its invitation "
            f"({', '.join(each.code for each in found)})",
        )
    return found[0]


def code_of_key(home: CentreHome, unit: UnitId, public: IdentityPublic) -> str | None:
    """The code that was compared for this key of an invited unit; None where it came by file."""
    kept = find_invited(home, unit)
    asked = None if kept is None else kept.asked()
    if kept is None or asked is None or asked.enrolment.appointment.public != public:
        return None
    return spoken_code(kept.terms.digest, asked.digest)


async def answer_those_in_effect(registry: Registry) -> list[UnitId]:
    """Answer each invited unit whose key is in the directory by now; returns whom."""
    done = []
    for kept in open_invited(registry.home, now()):
        try:
            if not kept.is_answered and await _answer(registry, kept):
                done.append(kept.unit)
        except ContradaError as error:
            # What was stated counts; one unit that cannot be answered now keeps none of the others waiting.
            say(f"contrada: {kept.unit} has no answer yet: {error}")
            say(f"hint: then run 'contrada centre enrol {kept.unit}' again")
    return done


async def _answer(registry: Registry, kept: InvitedUnit) -> bool:
    asked = kept.asked()
    if asked is None:
        return False
    known = registry.directory.identity(kept.unit, asked.enrolment.appointment.public.kid)
    if known is None or known.revoked or registry.directory.unit(kept.unit) is None:
        return False
    answer = _signed(registry, kept, asked)
    await KafkaLog(registry.kafka, answered_topic(kept.unit)).append([answer])
    kept.note_answer(answer)
    await settle_invited(registry.kafka, kept)
    return True


def _signed(registry: Registry, kept: InvitedUnit, asked: AskedEnrolment) -> bytes:
    authority = opened_authority(registry.home, registry.kafka, kept.authority)
    with tempfile.TemporaryDirectory(dir=kept.place) as beside:
        made = authority.sign_request_to(
            Path(beside),
            topics.unit_principal(kept.unit),
            asked.wire_key,
            now=now(),
            lifetime=LEAF_LIFETIME,
        )
    return answer_to(asked.digest, made.public_bytes(serialization.Encoding.PEM))


async def _asked(kafka: KafkaAddress, kept: InvitedUnit) -> list[AskedEnrolment]:
    found: dict[bytes, AskedEnrolment] = {}
    for data in await _first_records(kafka, asked_topic(kept.unit), kept.begins):
        try:
            asked = parse_asked(data, kept.terms)
        except Rejected:
            continue
        found.setdefault(asked.digest, asked)
        if len(found) > MOST_ASKED:
            raise NotVerified(
                f"more than {MOST_ASKED} requests of {kept.unit}, with different keys: somebody else has its "
                "invitation",
                hint=f"contrada centre invite {kept.unit} --again, and bring the file by another way",
            )
    return list(found.values())


async def _first_records(kafka: KafkaAddress, topic: str, begins: int) -> list[bytes]:
    """The first records from there on, up to the bound."""
    async with KafkaTopics(kafka).reading(topic, None) as reader:
        first, end = await reader.span()
        begin = max(first, begins)
        reader.seek(begin)
        read: list[bytes] = []
        empty = 0
        while begin < end and len(read) < MOST_READ and empty < _EMPTY_LOOKS:
            records = await reader.fetch(wait_ms=_WAIT_MS, most=MOST_READ - len(read))
            read += [record.value for record in records]
            empty = 0 if records else empty + 1
            if await reader.position() >= end:
                break
        return read
