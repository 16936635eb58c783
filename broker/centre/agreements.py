"""Agreements: what one registrar has stated and others must state too, in words; and stating it.

    contrada centre resume fr      one registrar states it; it waits
    contrada centre agree ls       another one reads it
    contrada centre agree to ...   and states the same, with a key of its own

The rules are keys/registrars/agreement.py. Owns the words. Rule: what is agreed on is what was shown, since
a ballot is named by the digest of what it states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from broker.centre.registry import Registry
from broker.registrar_key import check_registrar
from keys.ceremony import OWN_SECRET
from keys.directory import Directory
from keys.key_files import IDENTITY_FILE, read_identity
from keys.registrars.agreement import OpenBallot
from keys.root_of_trust import fingerprint
from keys.soft_keys import SoftIdentity
from keys.statement_types import (
    Appointment,
    Body,
    QuotaChange,
    Revocation,
    StatementType,
    StatusChange,
    UnitFacts,
)
from keys.statements import issue
from keys.store import read_credential
from keys.tables import KeyRole
from keys.unlock import Secret
from protocol.content.unit_text import unit_in_words
from protocol.identifiers import IdPrefix
from runtime.cli.command import Invocation
from runtime.cli.render import moment as show_moment
from runtime.cli.unlocking import existing_secret
from runtime.errors import Ambiguous, Conflict, NotFound
from runtime.process.clock import now
from runtime.process.homes import CentreHome

_HOLDERS = {
    StatementType.IDENTITY: "a key of the unit",
    StatementType.ROUTER: "the router",
    StatementType.LEDGER: "the ledger",
}
_NAME = 16
"""So many bytes of a ballot's name are shown, and typed again."""


async def list_ballots(invocation: Invocation) -> list[dict[str, Any]]:
    """What waits for others who agree, in the order in which it was stated."""
    directory = (await Registry.read(invocation)).directory
    return [_row(each, directory) for each in directory.ballots(now())]


async def find_ballots(invocation: Invocation, wanted: Sequence[bytes | IdPrefix]) -> list[dict[str, Any]]:
    """Those that are meant, to be read before anybody agrees."""
    directory = (await Registry.read(invocation)).directory
    return [_row(each, directory) for each in _named(directory, wanted)]


async def agree(
    invocation: Invocation, wanted: Sequence[bytes], key: Path, *, secret: Path | None
) -> list[dict[str, Any]]:
    """State the same with this registrar's key."""
    async with Registry.open(invocation) as registry:
        directory, moment = registry.directory, now()
        signer = registrar_at(registry.home, key, secret)
        check_registrar(signer, directory, moment=moment)
        ballots = _named(directory, wanted)
        for each in ballots:
            _check_may_agree(each, signer, directory)
        rows = [_row(each, directory) for each in ballots]
        await registry.state([issue(each.ballot.body, signer=signer, issued=moment) for each in ballots])
        waiting = {each.name for each in directory.ballots(moment)}
        return [row | {"waits": each.name in waiting} for row, each in zip(rows, ballots, strict=True)]


def registrar_at(home: CentreHome, path: Path, secret: Path | None) -> SoftIdentity:
    """A registrar's key: the file, or the directory with the file that the founding made."""
    file = path / IDENTITY_FILE if path.is_dir() else path
    return read_identity(
        file, secret=secret_beside(file, home) if secret is None else read_credential(secret)
    )


def secret_beside(path: Path, home: CentreHome) -> Secret:
    """What opens a key file of the centre: a further registrar's has its own beside it, until it is moved."""
    beside = path.with_name(OWN_SECRET)
    return read_credential(beside) if beside.exists() else existing_secret(home)


def _check_may_agree(ballot: OpenBallot, signer: SoftIdentity, directory: Directory) -> None:
    if ballot.ballot.role is not KeyRole.REGISTRAR:
        raise Conflict(
            "this waits for another root key, and not for a registrar",
            hint="the same 'contrada centre revoke' with --root-key, by the holder of the next one",
        )
    if signer.public not in [each.public for each in directory.registrars()]:
        raise Conflict("this is no registrar's key", hint="the root appoints registrars, by name")
    if signer.name in ballot.votes:
        raise Conflict(
            f"{signer.name} has stated this already", hint="another person agrees, with a key of theirs"
        )


def _named(directory: Directory, wanted: Sequence[bytes | IdPrefix]) -> list[OpenBallot]:
    """The open ballots that are meant, in the order in which they were stated."""
    ballots = directory.ballots(now())
    found = set()
    for each in wanted:
        whole = IdPrefix(each.hex()) if isinstance(each, bytes) else each
        names = [ballot.name for ballot in ballots if whole.begins(ballot.name)]
        if not names:
            raise NotFound(f"nothing waits under {whole.digits}", hint="see 'contrada centre agree ls'")
        if len(names) > 1:
            raise Ambiguous(whole.digits, [name[:_NAME].hex() for name in names])
        found.add(names[0])
    return [ballot for ballot in ballots if ballot.name in found]


def _row(ballot: OpenBallot, directory: Directory) -> dict[str, Any]:
    body = ballot.ballot.body
    public = body.public if isinstance(body, Appointment) else None
    return {
        "ballot": ballot.name[:_NAME].hex(),
        "what": in_words(body, directory),
        "by": sorted(_voter(each) for each in ballot.votes),
        "needed": ballot.needed,
        "of": ballot.ballot.role.value,
        "since": ballot.since,
        "until": ballot.until,
        "fingerprint": None if public is None else fingerprint(public),
    }


def _voter(each: bytes | str) -> str:
    return each if isinstance(each, str) else each.hex()


def in_words(body: Body, directory: Directory) -> str:
    """What a person is to agree on: all of it, and where something changes, what it was."""
    match body:
        case Appointment():
            return f"appoint {_HOLDERS[body.stype]} {body.name} until {show_moment(body.not_after)}"
        case UnitFacts():
            return _facts_in_words(body, directory)
        case StatusChange():
            return f"resume {body.unit}: {body.reason}"
        case QuotaChange():
            return f"quota of {body.unit}: {_changes(asdict(directory.quota(body.unit)), asdict(body.quota))}"
        case Revocation():
            since = body.compromised_since
            stolen = "" if since is None else f", stolen on {show_moment(since)}"
            return f"withdraw the key {body.kid.hex()} of {body.unit}{stolen}: {body.reason}"
        case _:
            return "something that this program does not know"


def _facts_in_words(facts: UnitFacts, directory: Directory) -> str:
    stated, known = _of(facts), directory.facts(facts.unit)
    if known is None:
        said = ", ".join(f"{name} {value}" for name, value in stated.items() if value not in (None, False))
        return f"take in {facts.unit}: {said}"
    return f"{facts.unit}: {_changes(_of(known), stated)}"


def _of(facts: UnitFacts) -> dict[str, Any]:
    words = unit_in_words(facts.as_unit(suspended=False))
    words["purposes"] = "+".join(words["purposes"])
    parts = {"outbox_partitions": facts.outbox_partitions, "inbox_partitions": facts.inbox_partitions}
    del words["unit"], words["suspended"]
    return words | parts


def _changes(before: dict[str, Any], after: dict[str, Any]) -> str:
    changed = [f"{name} {before[name]} -> {value}" for name, value in after.items() if before[name] != value]
    return ", ".join(changed) or "nothing changes"
