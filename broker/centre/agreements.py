"""Agreements: what one registrar has stated and others must state too, in words; and stating it.

    contrada centre resume fr      one registrar states it; it waits
    contrada centre agree ls       another one reads it
    contrada centre agree to ...   and states the same, with a key of its own

The rules are keys/registrars/agreement.py. Acts for the ledger that take two registrars wait in the same list
(waiting/half_acts.py; the rules are protocol/trail/two_signatures.py). Owns the words of statements. Rule:
what is agreed on is what was shown, since a ballot is named by the digest of what it states, and an act by
that of what the first one has signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from broker.centre.joining.admission import answer_those_in_effect, code_of_key
from broker.centre.registry import Registry
from broker.centre.waiting.act_words import act_in_words, is_release
from broker.centre.waiting.agreeing_acts import ActSigning, find_released, record_of
from broker.centre.waiting.half_acts import WaitingAct, shown_name, waiting_acts
from broker.registrar_key import check_registrar
from keys.ceremony import OWN_SECRET
from keys.directory import Directory
from keys.key_files import IDENTITY_FILE, read_identity
from keys.registrars.agreement import OpenBallot
from keys.root_of_trust import fingerprint
from keys.soft_keys import PrivateIdentity
from keys.statement_types import (
    Appointment,
    Body,
    PolicyVersion,
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
from protocol.exchange.policy_words import changed_rows
from protocol.identifiers import IdPrefix, Millis
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
_TWO = 2


async def list_ballots(invocation: Invocation) -> list[dict[str, Any]]:
    """What waits for others who agree, in the order in which it was stated; acts behind statements."""
    registry = await Registry.read(invocation)
    return [_row(each, registry.directory) for each in what_waits(registry)]


def waiting_rows(directory: Directory, home: CentreHome | None, moment: Millis) -> list[dict[str, Any]]:
    """The same by a directory that is at hand, and which of it takes a record out of quarantine.

    Without a home, the acts that wait in it are left out.
    """
    found = [_row(each, directory) | {"release": False} for each in directory.ballots(moment)]
    acts = [] if home is None else waiting_acts(home, directory, moment)
    return found + [_row_of_act(each) | {"release": is_release(each.act)} for each in acts]


async def find_ballots(invocation: Invocation, wanted: Sequence[bytes | IdPrefix]) -> list[dict[str, Any]]:
    """Those that are meant, to be read before anybody agrees; of a release, the record that it is about."""
    registry = await Registry.read(invocation)
    found = _named(what_waits(registry), wanted)
    return [
        _row(each, registry.directory) | _code(registry.home, each) | await _record(invocation, each)
        for each in found
    ]


async def agree(
    invocation: Invocation,
    wanted: Sequence[bytes],
    key: Path,
    *,
    secret: Path | None,
    out: Path | None = None,
) -> list[dict[str, Any]]:
    """State the same with this registrar's key. A record that is released goes to the file `out`."""
    async with Registry.open(invocation) as registry:
        directory, moment = registry.directory, now()
        signer = registrar_at(registry.home, key, secret)
        check_registrar(signer, directory, moment=moment)
        found = _named(what_waits(registry), wanted)
        for each in found:
            _check_may_agree(each, signer, directory)
        acts = [each for each in found if isinstance(each, WaitingAct)]
        ballots = [each for each in found if isinstance(each, OpenBallot)]
        released = await find_released(invocation, acts, out)
        rows = [_row(each, directory) for each in found]
        if ballots:
            await registry.state([issue(each.ballot.body, signer=signer, issued=moment) for each in ballots])
        for act in acts:
            signing = ActSigning(
                home=registry.home, kafka=registry.kafka, directory=directory, signer=signer, moment=moment
            )
            await signing.agree(act, released if is_release(act.act) else None)
        await answer_those_in_effect(registry)
        waiting = {each.name for each in directory.ballots(moment)}
        return [row | {"waits": each.name in waiting} for row, each in zip(rows, found, strict=True)]


def registrar_at(home: CentreHome, path: Path, secret: Path | None) -> PrivateIdentity:
    """A registrar's key: the file, or the directory with the file that the founding made."""
    file = path / IDENTITY_FILE if path.is_dir() else path
    return read_identity(
        file, secret=secret_beside(file, home) if secret is None else read_credential(secret)
    )


def secret_beside(path: Path, home: CentreHome) -> Secret:
    """What opens a key file of the centre: a further registrar's has its own beside it, until it is moved."""
    beside = path.with_name(OWN_SECRET)
    return read_credential(beside) if beside.exists() else existing_secret(home)


def _check_may_agree(each: OpenBallot | WaitingAct, signer: PrivateIdentity, directory: Directory) -> None:
    if isinstance(each, OpenBallot) and each.ballot.role is not KeyRole.REGISTRAR:
        raise Conflict(
            "this waits for another root key, and not for a registrar",
            hint="the same 'contrada centre revoke' with --root-key, by the holder of the next one",
        )
    if signer.public not in [known.public for known in directory.registrars()]:
        raise Conflict("this is no registrar's key", hint="the root appoints registrars, by name")
    if signer.name in (each.votes if isinstance(each, OpenBallot) else (each.act.actor,)):
        raise Conflict(
            f"{signer.name} has stated this already", hint="another person agrees, with a key of theirs"
        )


def what_waits(registry: Registry) -> list[OpenBallot | WaitingAct]:
    """All of it as it lies here: statements in the directory's order, and acts behind them."""
    directory, moment = registry.directory, now()
    return [*directory.ballots(moment), *waiting_acts(registry.home, directory, moment)]


def _named(
    ballots: Sequence[OpenBallot | WaitingAct], wanted: Sequence[bytes | IdPrefix]
) -> list[OpenBallot | WaitingAct]:
    """Those of them that are meant, in their order."""
    found = set()
    for each in wanted:
        whole = IdPrefix(each.hex()) if isinstance(each, bytes) else each
        names = [ballot.name for ballot in ballots if whole.begins(ballot.name)]
        if not names:
            raise NotFound(f"nothing waits under {whole.digits}", hint="see 'contrada centre agree ls'")
        if len(names) > 1:
            raise Ambiguous(whole.digits, [shown_name(name) for name in names])
        found.add(names[0])
    return [ballot for ballot in ballots if ballot.name in found]


def _row(each: OpenBallot | WaitingAct, directory: Directory) -> dict[str, Any]:
    if isinstance(each, WaitingAct):
        return _row_of_act(each)
    body = each.ballot.body
    public = body.public if isinstance(body, Appointment) else None
    return {
        "ballot": shown_name(each.name),
        "what": in_words(body, directory),
        "by": sorted(_voter(voter) for voter in each.votes),
        "needed": each.needed,
        "of": each.ballot.role.value,
        "since": each.since,
        "until": each.until,
        "fingerprint": None if public is None else fingerprint(public),
    }


def _row_of_act(each: WaitingAct) -> dict[str, Any]:
    return {
        "ballot": shown_name(each.name),
        "what": act_in_words(each.act),
        "by": [each.act.actor],
        "needed": _TWO,
        "of": KeyRole.REGISTRAR.value,
        "since": each.act.t,
        "until": each.until,
        "fingerprint": None,
    }


def _code(home: CentreHome, each: OpenBallot | WaitingAct) -> dict[str, Any]:
    """Of the key of a unit that was invited: the code that it reads to this registrar, too."""
    body = each.ballot.body if isinstance(each, OpenBallot) else None
    code = code_of_key(home, body.name, body.public) if isinstance(body, Appointment) else None
    return {} if code is None else {"code": code}


async def _record(invocation: Invocation, each: OpenBallot | WaitingAct) -> dict[str, Any]:
    if isinstance(each, OpenBallot) or not is_release(each.act):
        return {}
    found = await record_of(invocation, each.act)
    if found is None:
        return {"record": "quarantine does not have it any more"}
    row, _ = found
    return {"record": f"record {row['number']}, there for {row['reason']}, {row['size']:,} bytes"}


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
        case QuotaChange() | PolicyVersion():
            return _limits_in_words(body, directory)
        case Revocation():
            since = body.compromised_since
            stolen = "" if since is None else f", stolen on {show_moment(since)}"
            return f"withdraw the key {body.kid.hex()} of {body.unit}{stolen}: {body.reason}"
        case _:
            return "something that this program does not know"


def _limits_in_words(body: QuotaChange | PolicyVersion, directory: Directory) -> str:
    """What changes, and what it was."""
    if isinstance(body, QuotaChange):
        known = asdict(directory.quota(body.unit, now()))
        return f"quota of {body.unit}: {_changes(known, asdict(body.quota))}"
    # Against what is in force when it would begin: one that waits may come before it.
    changed = changed_rows(directory.policy_at(Millis(max(now(), body.since))), body.policy)
    rows = "; ".join(f"{each.row} {each.before} -> {each.after}" for each in changed)
    return f"policy version {body.version} from {show_moment(body.since)}: {rows or 'nothing changes'}"


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
