"""`centre invite`: one file with which a unit asks to be enrolled, and the topics where it may.

    topics -> the one before is over -> terms kept -> rights and quota -> the file, written last

Owns this order. Rules: the certificate in the file is of a key that is made here and kept nowhere, and ends
with the invitation. What was interrupted is invited again; the one before counts no more then.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.centre.joining.invited import (
    find_invited,
    keep_invited,
    open_invited,
    settle_invited,
    sweep_invited,
)
from broker.centre.registry import Registry
from broker.process_certificates import authority_here
from keys.ceremony import read_pin
from keys.joining.invitation import ID_SIZE, Invitation, Terms
from keys.joining.places import asked_topic, joining_name, joining_topics
from keys.store import read_credential
from keys.wire.certificate_files import AUTHORITY_SECRET, Authority
from keys.wire.certificates import Credentials, ends, issue_leaf
from protocol.identifiers import UnitId
from protocol.limits import DAY, MAX_POLICY_TEXT
from protocol.tlog.policy import parse_policy
from runtime.cli.command import Invocation
from runtime.cli.errors import BadInput
from runtime.cli.file_kinds import FileKind, read_kind
from runtime.cli.home import read_settings
from runtime.errors import Conflict, Misconfigured, NotFound
from runtime.files import write_new_files
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.security.access import KafkaAddress, tls_files
from runtime.process.clock import now
from runtime.process.homes import CentreHome


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationPlan:
    """What the operator said of an invitation."""

    unit: UnitId
    out: Path
    days: int
    again: bool
    servers: str | None = None
    policy: Path | None = None
    authority: Path | None = None


async def invite_unit(invocation: Invocation, plan: InvitationPlan) -> dict[str, Any]:
    """Invite a unit; returns what to report."""
    async with Registry.open(invocation) as registry:
        home, kafka = registry.home, registry.kafka
        await sweep_invited(home, kafka, now())
        before = find_invited(home, plan.unit)
        if before is not None and not plan.again:
            raise Conflict(
                f"{plan.unit} is invited already",
                hint="with --again it gets another invitation, and the one before counts no more",
            )
        authority = opened_authority(home, kafka, plan.authority)
        made = _invitation(home, kafka, plan, authority.credentials)
        await KafkaTopicAdmin(kafka).apply(joining_topics(plan.unit, made.terms.id))
        if before is not None:
            await settle_invited(kafka, before, is_over=True)
            before.forget()
        begins = await KafkaFeeds(kafka).end(asked_topic(plan.unit), 0)
        kept = keep_invited(home, made.terms, begins=begins, authority=authority.directory)
        await settle_invited(kafka, kept)
        hint = "name another file with --out, or take that one away; then invite with --again"
        write_new_files({plan.out: made.encoded()}, hint=hint, private=True)
        return {
            "unit": plan.unit,
            "invitation": str(plan.out),
            "until": made.terms.until,
            "kafka": made.terms.kafka,
            "root_fingerprint": made.terms.pinned.fingerprint(),
            "policy": made.terms.policy is not None,
            "enrolled": registry.directory.unit(plan.unit) is not None,
        }


async def withdraw_invitation(invocation: Invocation, unit: UnitId) -> dict[str, Any]:
    """Let an invitation count no more, at once."""
    async with Registry.open(invocation) as registry:
        kept = find_invited(registry.home, unit)
        if kept is None:
            raise NotFound(f"{unit} is not invited", hint="see 'contrada centre invited'")
        await settle_invited(registry.kafka, kept, is_over=True)
        kept.forget()
        return {"unit": unit, "withdrawn": True}


def list_invited(home: CentreHome) -> list[dict[str, Any]]:
    """Every invitation that is not over, and how far it has come."""
    states = {(False, False): "invited", (True, False): "compared", (True, True): "answered"}
    return [
        {
            "unit": each.unit,
            "state": states.get((each.is_asked, each.is_answered), "answered"),
            "until": each.terms.until,
        }
        for each in open_invited(home, now())
    ]


def _invitation(
    home: CentreHome, kafka: KafkaAddress, plan: InvitationPlan, authority: Credentials
) -> Invitation:
    moment, id_ = now(), os.urandom(ID_SIZE)
    own = issue_leaf(authority, joining_name(id_), now=moment, lifetime=plan.days * DAY, entropy=os.urandom)
    terms = Terms(
        unit=plan.unit,
        id=id_,
        until=ends(own.certificate),
        kafka=plan.servers or str(kafka),
        root=read_pin(home.root).encoded(),
        policy=_policy(home, plan.policy),
        authority=authority.certificate_pem,
    )
    return Invitation(terms, own)


def opened_authority(home: CentreHome, kafka: KafkaAddress, named: Path | None = None) -> Authority:
    """The authority of the certificates for Kafka; `Misconfigured` where it does not lie here."""
    files = tls_files(kafka)
    if files is None:
        raise BadInput(
            "this Kafka is spoken to in plain, where nobody can be invited",
            hint="enrol by files: 'contrada unit init' and 'contrada centre enrol FILE'",
        )
    written = read_settings(home.settings).get("authority")
    chosen = named or (home.path / written if isinstance(written, str) else None)
    found = authority_here(files, chosen)
    if found is None:
        raise Misconfigured(
            "the authority of the certificates for Kafka does not lie here",
            hint="name it with --authority, or enrol by files: docs/run-the-centre.md",
        )
    return Authority.load(found, secret=read_credential(found / AUTHORITY_SECRET))


def _policy(home: CentreHome, named: Path | None) -> bytes | None:
    """The ledger's policy: the file that was named, or the one beside the logs of this home's ledger."""
    path = named
    if path is None and home.ledger_settings.exists():
        written = read_settings(home.ledger_settings).get("directory")
        path = home.path / written / "policy" if isinstance(written, str) else None
    if path is None:
        return None
    data = read_kind(path, MAX_POLICY_TEXT, FileKind.POLICY)
    parse_policy(data)
    return data
