"""Acts of the centre as records of the ledger: what is recorded of each, and who may state it.

    action  = [ 1, type, t, actor, subject / null, detail ]       a record, as a decision is one
    actions = signed structure of suite 2, context "contrada/actions/1", over
              [ 1, actor, t, [ [action, salt], ... ] ]            to the audit topic

    act                  by                          subject              detail
    directory statement  ledger                      the statement        position, type, about, issuer, root
    policy change        registrar                   the new policy       what and why
    deletion             registrar                   null                 log, indexes, ground
    break-glass          registrar                   the message or null  who, why
    auditor access       registrar, ledger           null                 who, what was asked
    quarantine release   registrar                   the submission       unit, partition, offset, by, second
    software start       router, registrar, ledger   the program or null  program, version
    unverified           the ledger, in its log      the record           offset in the audit topic, code

Rules: an action is stated under the name and within the validity of the key that signs it, for the time at
which it is signed. Both signatures, because these are few and are read decades later. UNVERIFIED is never
taken from the topic: the ledger itself writes it, in the place of a record that does not verify.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from protocol import limits
from protocol.action_forms import DETAILS, check_detail
from protocol.audit import Leaf
from protocol.canonical import Item, decode, encode
from protocol.errors import Code, MisuseError, Rejected
from protocol.header import uint
from protocol.identifiers import Digest, Entropy, KeyId, Millis, UnitId, parse_unit_id
from protocol.parties import IdentityKey, OperatorKey, OperatorOffice, Parties
from protocol.records import (
    DECISIONS,
    RECORD_SALT,
    VERSION,
    Delivered,
    Record,
    RecordType,
    entry_of,
    parse_delivered,
    parse_record,
)
from protocol.signatures import ACTIONS, Signer, Suite, parse_signed, sign, verify

MAX_ACTIONS = 1_000

_LEDGER, _REGISTRAR, _ROUTER = OperatorOffice.LEDGER, OperatorOffice.REGISTRAR, OperatorOffice.ROUTER

MAY_STATE: dict[RecordType, frozenset[OperatorOffice]] = {
    RecordType.DIRECTORY_STATEMENT: frozenset({_LEDGER}),
    RecordType.POLICY_CHANGE: frozenset({_REGISTRAR}),
    RecordType.DELETION: frozenset({_REGISTRAR}),
    RecordType.BREAK_GLASS: frozenset({_REGISTRAR}),
    RecordType.AUDITOR_ACCESS: frozenset({_REGISTRAR, _LEDGER}),
    RecordType.QUARANTINE_RELEASE: frozenset({_REGISTRAR}),
    RecordType.SOFTWARE_START: frozenset(OperatorOffice),
    RecordType.UNVERIFIED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Action:
    """One act. `detail` has the fields of its type, in their order: see action_forms."""

    type: RecordType
    t: Millis
    actor: UnitId
    subject: Digest | None
    detail: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Actions:
    """Acts that one operator stated together, verified, with the leaves that they make."""

    office: OperatorOffice
    actor: UnitId
    t: Millis
    kid: KeyId
    actions: tuple[Action, ...]
    leaves: tuple[Leaf, ...]


def directory_statement(
    t: Millis,
    actor: UnitId,
    *,
    position: int,
    statement: Digest,
    stype: int,
    about: UnitId,
    issuer: KeyId,
    root: bytes,
) -> Action:
    """The directory has a statement more. `root` is the directory's root with it."""
    detail = (position, stype, about, issuer, root)
    return Action(RecordType.DIRECTORY_STATEMENT, t, actor, statement, detail)


def deletion(t: Millis, actor: UnitId, *, origin: str, indexes: Sequence[int], ground: str) -> Action:
    """The records of these leaves are to be deleted. The leaves stay."""
    return Action(RecordType.DELETION, t, actor, None, (origin, sorted(set(indexes)), ground))


def software_start(
    t: Millis, actor: UnitId, *, program: str, version: str, digest: Digest | None = None
) -> Action:
    """A process of the centre has started."""
    return Action(RecordType.SOFTWARE_START, t, actor, digest, (program, version))


def unverified(t: Millis, actor: UnitId, *, offset: int, record: Digest, code: Code) -> Action:
    """A record of the audit topic does not verify; `record` is its SHA-256."""
    return Action(RecordType.UNVERIFIED, t, actor, record, (offset, code.value))


def unit_named(action: Action) -> UnitId | None:
    """The unit, operator or office that the act is about, where one is named."""
    at = {RecordType.DIRECTORY_STATEMENT: 2, RecordType.QUARANTINE_RELEASE: 0}.get(action.type)
    return None if at is None else action.detail[at]


def encode_action(action: Action) -> bytes:
    """The one encoding of an action."""
    return encode([
        VERSION, int(action.type), action.t, action.actor, action.subject, list(action.detail),
    ])  # fmt: skip


def parse_action(data: bytes) -> Action:
    """An action, checked in form."""
    match decode(data, limit=limits.MAX_DECISION):
        case [version, number, t, actor, subject, [*detail]]:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            kind = _type(uint(number))
            check_detail(kind, subject, detail)
            return Action(kind, Millis(uint(t)), parse_unit_id(actor), subject, tuple(detail))
        case _:
            raise Rejected(Code.E_SCHEMA, "not an action of version 1")


def parse_any_record(raw: bytes) -> Record | Delivered | Action:
    """Whatever stands behind a leaf of the audit log."""
    match decode(raw, limit=limits.MAX_DECISION):
        case [_, kind, *_] if uint(kind) in DECISIONS:
            return parse_record(raw)
        case [_, RecordType.DELIVERED, *_]:
            return parse_delivered(raw)
        case _:
            return parse_action(raw)


def action_leaf(action: Action, salt: bytes) -> Leaf:
    """The ledger's leaf of an action."""
    raw = encode_action(action)
    return Leaf(raw, salt, entry_of(action.type, action.t, salt, raw))


def sign_actions(
    actions: Sequence[Action], *, actor: UnitId, now: Millis, signer: Signer, entropy: Entropy
) -> bytes:
    """What an operator puts into the audit topic: the acts, each with a salt, signed together."""
    if not 0 < len(actions) <= MAX_ACTIONS or any(a.actor != actor or a.t != now for a in actions):
        raise MisuseError("acts are stated together by one actor, for one time")
    rows = [[encode_action(action), entropy(RECORD_SALT)] for action in actions]
    for raw, _ in rows:
        parse_action(raw)
    payload = encode([VERSION, actor, now, rows])
    return sign(payload, suite=Suite.HYBRID, signer=signer, context=ACTIONS)


def is_actions(data: bytes) -> bool:
    """Whether a record of the audit topic is a list of actions; otherwise it is a list of decisions.

    By its first byte: a signed structure is an array of four, decisions are an array of three.
    """
    return data[:1] == b"\x84"


def verify_actions(data: bytes, *, parties: Parties) -> Actions:
    """Acts signed by an operator who may state them, or `Rejected`."""
    signed = parse_signed(data, limit=limits.MAX_RECORD)
    if signed.suite is not Suite.HYBRID:
        raise Rejected(Code.E_SUITE_BELOW_MIN, "acts without both signatures", hint="sign with suite 2")
    match decode(signed.payload):
        case [version, actor, t, [*rows]] if 0 < len(rows) <= MAX_ACTIONS:
            if uint(version) != VERSION:
                raise Rejected(Code.E_VER, f"version {version}, known is {VERSION}")
            by = _operator(parties.operator_key(signed.kid), actor, uint(t))
            verify(signed, by.identity.public, context=ACTIONS)
            leaves = tuple(_leaf(row) for row in rows)
        case _:
            raise Rejected(Code.E_SCHEMA, "not a list of actions of version 1")
    actions = tuple(parse_action(leaf.record) for leaf in leaves)
    for action in actions:
        _check_stated(action, by, Millis(t))
    return Actions(by.office, by.identity.unit, Millis(t), signed.kid, actions, leaves)


def _operator(by: OperatorKey | None, actor: Item, t: int) -> OperatorKey:
    if by is None:
        raise Rejected(Code.E_ISSUER, "signed by a key that no operator has")
    if by.identity.unit != actor:
        raise Rejected(Code.E_ISSUER, "signed with the key of another operator")
    if not _was_good(by.identity, t):
        raise Rejected(Code.E_ISSUER, "the operator's key was not valid then")
    return by


def _was_good(key: IdentityKey, t: int) -> bool:
    compromised = key.revoked and (key.compromised_since is None or key.compromised_since <= t)
    return not compromised and key.not_before <= t <= key.not_after


def _check_stated(action: Action, by: OperatorKey, t: Millis) -> None:
    if action.actor != by.identity.unit or action.t != t:
        raise Rejected(Code.E_ISSUER, "an act of somebody else, or of another time")
    if by.office not in MAY_STATE[action.type]:
        raise Rejected(Code.E_ISSUER, f"a {by.office.value} does not state {action.type.name.lower()}")


def _leaf(row: Item) -> Leaf:
    match row:
        case [bytes(raw), bytes(salt)] if len(salt) == RECORD_SALT:
            action = parse_action(raw)
            return Leaf(raw, salt, entry_of(action.type, action.t, salt, raw))
        case _:
            raise Rejected(Code.E_SCHEMA, "a row of actions is not [action, salt]")


def _type(number: int) -> RecordType:
    kind = next((kind for kind in DETAILS if kind == number), None)
    if kind is None:
        raise Rejected(Code.E_SCHEMA, "not the type of an action")
    return kind
