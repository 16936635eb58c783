"""The directory of units and keys: one replica, from signed statements to verified values. No I/O, no clock.

    directory = Directory(root)
    directory.apply(statement)        for each record of the topic, in its order; reading them is the caller's

Rules:
- Only what is verified enters. What does not hold is `Rejected`, without a trace; what is there is ignored.
- The result depends on the pinned root and the sequence of statements alone. Two replicas that read the
  same have the same head, and with `root_at` each can check what the other saw.
- A statement of a type that this program does not know has its place, if a root key or a registrar signed it
  (`rules`): programs of all versions have the same heads, and a later one that replays it reads it.
- No lookup looks through all units: a router makes several for each message, a list of units for each unit.
- Signatures need not be verified twice. A caller that has verified statements before, from this root and with
  this program, names their digests in their order (`verified`): only their rules are applied again. At the
  first other one the rest counts for nothing. Whose list may be believed: runtime/process/directory_file.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from keys.appointments.line import SELF_RENEWED
from keys.appointments.statement_quota import counted
from keys.registrars.agreement import OpenBallot, agreed_consequences, open_ballots, waits
from keys.registrars.policies import policy_in_force, quota_in_force
from keys.registrars.standing import RegistrarTimes, borne_out, next_version
from keys.root_of_trust import RootOfTrust
from keys.rules import find_issuer
from keys.statement_types import Appointment, Body, EpochPublication, Statement, UnitFacts, Unread
from keys.statements import SignedStatement, parse_statement
from keys.tables import OPERATORS, KeyRole, KnownPolicy, Tables
from protocol.envelope.quotas import Quota
from protocol.errors import MisuseError
from protocol.exchange.exchange_policy import ExchangePolicy
from protocol.identifiers import Digest, KeyId, Millis, UnitId, digest
from protocol.merkle import EMPTY_ROOT, Frontier, leaf_hash
from protocol.parties import EpochKey, IdentityKey, OperatorKey, TreeHead, Unit


@dataclass(frozen=True, slots=True)
class Applied:
    """A statement and its place, counted from 0. One that is not `new` was there, and nothing changed."""

    position: int
    digest: Digest
    statement: Statement
    new: bool
    waits: bool = False
    """It has its place, and no effect before others agree."""


class Directory:
    """A replica. Implements `protocol.parties.Parties`."""

    __slots__ = (
        "_about", "_appointed", "_clock", "_frontier", "_keeps", "_log", "_places", "_published", "_root",
        "_roots", "_tables", "_times", "_verified", "unread",
    )  # fmt: skip

    def __init__(self, root: RootOfTrust, *, verified: bytes = b"", keeps: bool = True) -> None:
        """Of `verified` the first is of the first statement. One that `keeps` none has no `snapshot`."""
        self._root = root
        self._verified = verified
        self._keeps = keeps
        self._tables = Tables()
        self._clock = Millis(0)
        self._times = RegistrarTimes()
        self._log: list[bytes] = []
        self._places: dict[Digest, int] = {}
        self._about: dict[UnitId, list[int]] = {}
        self._appointed: dict[UnitId | KeyRole, list[KeyId]] = {}
        """The signing keys of each unit, and of each other role, in the order of their appointment."""
        self._published: dict[UnitId, list[KeyId]] = {}  # the epoch keys of each unit
        self.unread = 0  # so many statements have their places and cannot be read: a later program can
        self._frontier = Frontier()
        self._roots: list[Digest] = [EMPTY_ROOT]

    @classmethod
    def replay(cls, root: RootOfTrust, statements: Iterable[bytes], *, verified: bytes = b"") -> Directory:
        """A replica from a snapshot, verified as ever; damage is `Rejected`."""
        directory = cls(root, verified=verified)
        for statement in statements:
            directory.apply(statement)
        return directory

    def apply(self, data: bytes) -> Applied:
        """Verify one statement and take it in, or `Rejected` and nothing is changed."""
        place = self._places.get(name := digest(data))
        if place is not None:
            return Applied(place, name, parse_statement(data).statement, new=False)
        proved = self._was_verified(name)
        parsed = parse_statement(data, again=proved)
        statement = parsed.statement
        clock = borne_out(self._clock, self._tables)
        issuer = find_issuer(statement, name, tables=self._tables, root=self._root, clock=clock)
        counts = counted(statement, issuer=issuer, tables=self._tables, clock=clock)
        if not proved:
            parsed.verify(issuer.public)
        changes = agreed_consequences(
            statement, issuer=issuer, tables=self._tables, root=self._root, clock=clock, proved=proved
        )
        # From here on nothing can fail.
        for change in (*changes, *counts):
            change.write()
        self._clock = self._times.after(statement, issuer.role, clock=self._clock, keys=self._tables.keys)
        if not proved:
            self._verified = b""  # another one than was here before, or more: what followed, follows no more
        return self._append(data, parsed, waits=waits(changes, self._tables))

    def snapshot(self) -> list[bytes]:
        """All statements in their order, for `replay`."""
        self._check_kept()
        return list(self._log)

    @property
    def digests(self) -> bytes:
        """The SHA-256 of each statement, in their order: what this replica has verified."""
        return b"".join(self._places)

    def has(self, name: Digest) -> bool:
        """Whether the statement with this SHA-256 has its place here."""
        return name in self._places

    @property
    def root(self) -> RootOfTrust:
        """The pinned root."""
        return self._root

    @property
    def agreeing(self) -> int:
        """How many registrars must agree on what is dangerous."""
        return self._root.registrars

    @property
    def head(self) -> TreeHead:
        """How many statements there are, and their Merkle root."""
        return TreeHead(self._frontier.size, self._roots[-1])

    def root_at(self, size: int) -> bytes | None:
        """The root over the first `size` statements; None if there are not so many."""
        return self._roots[size] if 0 <= size < len(self._roots) else None

    def unit(self, unit: UnitId) -> Unit | None:
        """The unit as it is now."""
        return self._tables.units.get(unit)

    def identity(self, unit: UnitId, kid: KeyId) -> IdentityKey | None:
        """A signing identity that was ever bound to this unit."""
        return self._key(kid, KeyRole.UNIT, name=unit)

    def epoch_key(self, unit: UnitId, kid: KeyId) -> EpochKey | None:
        """An epoch key that this unit ever published."""
        known = self._tables.epochs.get(kid)
        return known.key if known is not None and known.key.unit == unit else None

    def epoch_key_for(self, unit: UnitId, epoch: int) -> EpochKey | None:
        """The key to seal to in this epoch."""
        return self._tables.live_epochs.get((unit, epoch))

    def router_key(self, kid: KeyId) -> IdentityKey | None:
        """A key with which routers sign, or signed."""
        return self._key(kid, KeyRole.ROUTER)

    def is_router(self, name: str) -> bool:
        """Whether a router ever had this name."""
        return any(key.unit == name for key in self.routers())

    def operator_key(self, kid: KeyId) -> OperatorKey | None:
        """A key with which the centre's operators and processes state acts."""
        known = self._tables.keys.get(kid)
        role = None if known is None else OPERATORS.get(known.role)
        return None if known is None or role is None else OperatorKey(role, known.identity)

    def successor(self, kid: KeyId) -> IdentityKey | None:
        """The key that this one named as the next of its party."""
        known = self._tables.keys.get(kid)
        following = None if known is None or known.successor is None else self._tables.keys[known.successor]
        return None if following is None else following.identity

    def party(self, kid: KeyId) -> tuple[IdentityKey, ...]:
        """All keys of the party that this key is of: of its name, in its role."""
        known = self._tables.keys.get(kid)
        if known is None:
            return ()
        whose = known.identity.unit if known.role is KeyRole.UNIT else known.role
        return tuple(key for key in self._keys(whose) if key.unit == known.identity.unit)

    def self_renewed_until(self, kid: KeyId) -> Millis | None:
        """Until when a successor may be valid that this key names; None for a key that names none."""
        known = self._tables.keys.get(kid)
        if known is None or known.role is KeyRole.REGISTRAR:
            return None
        return Millis(known.line_ends + SELF_RENEWED)

    def facts(self, unit: UnitId) -> UnitFacts | None:
        """The registrar's newest facts about the unit, their version and its topics' partitions."""
        return self._tables.facts.get(unit)

    def next_version(self, unit: UnitId) -> int:
        """The version that the next facts about the unit have; what has fallen keeps its number."""
        return next_version(unit, self._tables)

    def policy_at(self, moment: Millis) -> ExchangePolicy:
        """The policy of the exchange that is in force then."""
        return policy_in_force(self._tables, moment)

    def policies(self) -> tuple[KnownPolicy, ...]:
        """All that enough registrars have stated, by version; those that have fallen too."""
        return tuple(self._tables.policies.values())

    def quota(self, unit: UnitId, moment: Millis) -> Quota:
        """How much the unit may ask for: as a registrar stated, or else as the policy of then says."""
        known = self._tables.quotas.get(unit)
        return quota_in_force(None if known is None else known.value.quota, self._tables, moment)

    def quota_since(self, unit: UnitId) -> Millis | None:
        """When its quota was stated; None for a unit that has the default."""
        return None if (known := self._tables.quotas.get(unit)) is None else known.issued

    def ballots(self, moment: Millis) -> tuple[OpenBallot, ...]:
        """What others may still agree on then, in the order in which it was stated first."""
        return open_ballots(self._tables, self._root, borne_out(self._clock, self._tables), moment)

    def units(self) -> tuple[Unit, ...]:
        """All units, by name."""
        return tuple(unit for _, unit in sorted(self._tables.units.items()))

    def identities(self, unit: UnitId) -> tuple[IdentityKey, ...]:
        """All identities that the unit ever had, in the order of their appointment."""
        return self._keys(unit)

    def registrars(self) -> tuple[IdentityKey, ...]:
        """All registrars' keys, revoked ones too."""
        return self._keys(KeyRole.REGISTRAR)

    def routers(self) -> tuple[IdentityKey, ...]:
        """All routers' keys, revoked ones too."""
        return self._keys(KeyRole.ROUTER)

    def ledgers(self) -> tuple[IdentityKey, ...]:
        """All ledgers' keys, revoked ones too."""
        return self._keys(KeyRole.LEDGER)

    def epochs(self, unit: UnitId) -> tuple[EpochKey, ...]:
        """All epoch keys that the unit ever published, by epoch."""
        own = (self._tables.epochs[kid].key for kid in self._published.get(unit, ()))
        return tuple(sorted(own, key=lambda key: key.epoch))

    def current_identity(self, unit: UnitId, now: Millis) -> IdentityKey | None:
        """The identity that the unit signs with now: of the valid ones, the one appointed last."""
        keys = (key for key in reversed(self.identities(unit)) if not key.revoked)
        return next((key for key in keys if key.not_before <= now <= key.not_after), None)

    def history(self, unit: UnitId) -> tuple[Applied, ...]:
        """Every statement about this unit, registrar, router or ledger that can be read, in order."""
        self._check_kept()
        kept = [(place, parse_statement(self._log[place])) for place in self._about.get(unit, ())]
        return tuple(Applied(place, one.digest, one.statement, new=True) for place, one in kept)

    def _append(self, data: bytes, parsed: SignedStatement, *, waits: bool) -> Applied:
        position = self._frontier.size
        if self._keeps:
            self._log.append(data)
        self._places[parsed.digest] = position
        if (about := parsed.statement.about) is not None:
            self._about.setdefault(about, []).append(position)
        self._index(parsed.statement.body)
        self._frontier.append(leaf_hash(data))
        self._roots.append(self._frontier.root())
        return Applied(position, parsed.digest, parsed.statement, new=True, waits=waits)

    def _was_verified(self, name: Digest) -> bool:
        return self._verified[(start := self._frontier.size * len(name)) : start + len(name)] == name

    def _check_kept(self) -> None:
        if not self._keeps:
            raise MisuseError("this replica keeps no statements")

    def _index(self, body: Body) -> None:
        match body:
            case Appointment() if (known := self._tables.keys.get(body.public.kid)) is not None:
                # A key is there only once enough have named it.
                whose = body.name if known.role is KeyRole.UNIT else known.role
                self._appointed.setdefault(whose, []).append(body.public.kid)
            case EpochPublication():
                self._published.setdefault(body.unit, []).append(body.public.kid)
            case Unread():
                self.unread += 1

    def _key(self, kid: KeyId, role: KeyRole, *, name: UnitId | None = None) -> IdentityKey | None:
        known = self._tables.keys.get(kid)
        if known is None or known.role is not role or name not in (None, known.identity.unit):
            return None
        return known.identity

    def _keys(self, whose: UnitId | KeyRole) -> tuple[IdentityKey, ...]:
        return tuple(self._tables.keys[kid].identity for kid in self._appointed.get(whose, ()))
