"""The whole exchange in memory: units, registrar, directory, router and clock; no Kafka, no files.

Only the transport is left out: keys, directory, sealing, the router's step and opening are the real
code. Attack tests take a world, do one wrong thing, and look at what happened.
"""

from __future__ import annotations

import copy
import random
from collections import defaultdict
from dataclasses import InitVar, dataclass, field, replace
from functools import lru_cache

from broker.router.step import Budget, StepContext, StepOutcome, parse_input
from keys.directory import Directory
from keys.possession import appoint
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import SoftEpochKey, SoftIdentity, SoftOpener
from keys.statement_types import EpochPublication, Revocation, StatementType, StatusChange, UnitFacts
from keys.statements import issue
from protocol import topics
from protocol.codes import Classification, Handling, LegalBasis, MessageKind, Purpose, Role, UnitKind
from protocol.content.parts import Part
from protocol.envelope.core import Addressee, Core, Position
from protocol.envelope.quotas import Use
from protocol.envelope.replay import ReplayState
from protocol.envelope.sealing import Sealed, seal
from protocol.envelope.wire import parse_delivery
from protocol.epochs import epoch_of, to_publish
from protocol.identifiers import Millis, StreamId, UnitId, new_message_id, new_thread_id
from protocol.limits import DAY
from protocol.signatures import Suite
from protocol.trail.batches import Decisions, verify_decisions
from protocol.verification import Opened, verify_and_open
from runtime.kafka.ports import InputRecord
from tests.sim.steps import run_step

NOON = Millis(1_795_000_000_000)

UNITS: dict[str, dict] = {
    "fr": {},
    "it": {},
    "de": {},
    "centre": {"kind": UnitKind.CENTRE},
    "fr-customs": {"kind": UnitKind.COMPETENT_AUTHORITY, "national_unit": UnitId("fr")},
    "nz": {
        "kind": UnitKind.THIRD_PARTY,
        "basis": LegalBasis.WORKING_ARRANGEMENT,
        "clearance": Classification.BPL,
        "purposes": frozenset({Purpose.STRATEGIC}),
    },
}


def facts(unit: str, **changes: object) -> UnitFacts:
    """A unit as the registrar describes it: a national unit that may do everything, but for `changes`."""
    base = UnitFacts(
        unit=UnitId(unit),
        version=1,
        kind=UnitKind.NATIONAL_UNIT,
        name=unit.upper(),
        clearance=Classification.EU_RESTRICTED,
        basis=LegalBasis.UNION_LAW,
        purposes=frozenset(Purpose) - {Purpose.UNDETERMINED},
        national_unit=None,
        waives_copy=False,
        min_suite=Suite.CLASSICAL,
    )
    return replace(base, **changes)


@dataclass
class Party:
    """A unit's private side."""

    identity: SoftIdentity
    opener: SoftOpener
    stream: StreamId
    seq: int = 0


@dataclass
class World:
    """An exchange with its clock. `now` only moves when a test moves it."""

    now: Millis = NOON
    seed: int = 1
    parties: dict[str, Party] = field(default_factory=dict)
    outboxes: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    inboxes: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    receipts: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    quarantine: list[bytes] = field(default_factory=list)
    audit: list[bytes] = field(default_factory=list)
    states: dict[str, ReplayState] = field(default_factory=lambda: defaultdict(ReplayState))
    uses: dict[str, Use] = field(default_factory=dict)
    routed: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    fresh: InitVar[bool] = False
    """Found it anew, signature by signature, instead of copying one that was founded at this time already."""

    def __post_init__(self, fresh: bool) -> None:
        if fresh:
            self._random = random.Random(self.seed)
            self._found()
        else:
            self._begin_as(_founded(self.now, self.seed))

    def _begin_as(self, founded: World) -> None:
        # Keys do not change, so both have them; everything else is this world's own.
        self._random = random.Random()
        self._random.setstate(founded._random.getstate())
        self.root_key, self.registrar = founded.root_key, founded.registrar
        self.router, self.ledger = founded.router, founded.ledger
        self.directory = copy.deepcopy(founded.directory)
        for unit, party in founded.parties.items():
            opener = SoftOpener()
            for key in party.opener.held():
                opener.put(key)
            self.parties[unit] = replace(party, opener=opener)

    def _found(self) -> None:
        self.root_key, self.registrar, self.router, self.ledger = (
            SoftIdentity.generate(UnitId(name), self.entropy)
            for name in ("root", "registrar", "router", "ledger")
        )
        self.directory = Directory(RootOfTrust((self.root_key.public,)))
        self.appoint(StatementType.REGISTRAR, self.registrar, by=self.root_key)
        self.appoint(StatementType.ROUTER, self.router, by=self.registrar)
        self.appoint(StatementType.LEDGER, self.ledger, by=self.registrar)
        for unit, changes in UNITS.items():
            self.enrol(unit, **changes)

    def entropy(self, size: int) -> bytes:
        """Random bytes that are the same in every run."""
        return self._random.randbytes(size)

    def registrars(self) -> list[SoftIdentity]:
        """Those who must agree."""
        return [self.registrar]

    def appoint(
        self, role: StatementType, identity: SoftIdentity, *, by: SoftIdentity, life: int = 365 * DAY
    ):
        """Publish who holds a role or signs for a unit."""
        made = appoint(
            role,
            identity.name,
            signer=identity,
            not_before=Millis(self.now - DAY),
            not_after=Millis(self.now + life),
        )
        return self.publish(made, by=by)

    def publish(self, body: object, *, by: SoftIdentity):
        """Sign a statement and let the directory take it."""
        return self.directory.apply(issue(body, signer=by, issued=self.now))

    def enrol(self, unit: str, **changes: object) -> Party:
        """Take a unit in, with keys for the epochs that a unit publishes."""
        identity = SoftIdentity.generate(UnitId(unit), self.entropy)
        party = self.parties[unit] = Party(identity, SoftOpener(), StreamId(self.entropy(8)))
        self.publish(facts(unit, **changes), by=self.registrar)
        self.appoint(StatementType.IDENTITY, identity, by=self.registrar)
        self.publish_epochs(unit)
        return party

    def publish_epochs(self, unit: str) -> None:
        """Publish the unit's keys for the running epochs, where they are missing."""
        party = self.parties[unit]
        for epoch in to_publish(self.now):
            if self.directory.epoch_key_for(UnitId(unit), epoch) is None:
                key = SoftEpochKey.generate(UnitId(unit), epoch, self.entropy)
                party.opener.put(key)
                self.publish(EpochPublication(UnitId(unit), epoch, key.public), by=party.identity)

    def suspend(self, unit: str, *, suspended: bool = True) -> None:
        """Have the registrar suspend a unit, or resume it."""
        self.publish(StatusChange(UnitId(unit), suspended=suspended, reason="test"), by=self.registrar)

    def revoke_identity(self, unit: str, *, compromised_since: int | None = None) -> None:
        """Have the registrar revoke a unit's signing key."""
        kid = self.parties[unit].identity.public.kid
        self.publish(
            Revocation(UnitId(unit), kid, reason="test", compromised_since=compromised_since),
            by=self.registrar,
        )

    def core(self, sender: str, to: list[str], **changes: object) -> Core:
        """A header for the next message of `sender`: own-initiative information, but for `changes`."""
        party = self.parties[sender]
        now = Millis(changes.pop("created", self.now))
        epoch = changes.pop("epoch", epoch_of(self.now))
        copies = changes.pop("copy", [])
        addressees = tuple(
            Addressee(UnitId(unit), self.directory.epoch_key_for(UnitId(unit), epoch).public.kid, role)
            for units, role in ((to, Role.TO), (copies, Role.COPY))
            for unit in units
        )
        seq = changes.pop("seq", None)
        if seq is None:
            seq, party.seq = party.seq, party.seq + 1
        base = Core(
            suite=Suite.CLASSICAL,
            kind=MessageKind.INFORMATION,
            message_id=new_message_id(now, self.entropy),
            thread=new_thread_id(self.entropy),
            created=now,
            expires=Millis(now + 7 * DAY),
            sender=UnitId(sender),
            position=Position(changes.pop("stream", party.stream), seq),
            signing_key=party.identity.public.kid,
            to=addressees,
            handling=frozenset({Handling.H0}),
            purposes=frozenset({Purpose.OPERATIONAL}),
            review=Millis(now + 365 * DAY),
            directory_head=self.directory.head,
        )
        return replace(base, **changes)

    def seal(self, core: Core, *parts: Part, by: str | None = None) -> Sealed:
        """Seal and sign. `by` signs instead of the sender that the core names."""
        keys = [self.directory.epoch_key(a.unit, a.key).public for a in core.to]
        signer = self.parties[by or core.sender].identity
        return seal(core, parts or (Part(0, b"content"),), keys=keys, signer=signer, entropy=self.entropy)

    def compose(self, sender: str, to: list[str], **changes: object) -> bytes:
        """The bytes of a whole submission."""
        return self.seal(self.core(sender, to, **changes)).submission

    def submit(self, owner: str, *submissions: bytes) -> None:
        """Put records into a unit's outbox, whoever made them."""
        self.outboxes[owner] += submissions

    def route(self, owner: str, *, budget: Budget | None = None, crash: bool = False) -> StepOutcome:
        """One step of the router over what waits in an outbox. After a `crash` nothing of it remains."""
        start = self.routed[owner]
        records = [InputRecord(start + i, self.now, v) for i, v in enumerate(self.outboxes[owner][start:])]
        done = run_step(
            [parse_input(record) for record in records],
            state=self.states[owner],
            context=self.desk(owner),
            budget=budget or Budget(),
            use=self.uses.get(owner),
        )
        if not crash:
            self._commit(owner, done)
        return done

    def desk(self, owner: str) -> StepContext:
        """What the router decides by, for this outbox."""
        return StepContext(
            owner=UnitId(owner),
            partition=0,
            partitions=1,
            router=self.router.name,
            signer=self.router,
            parties=self.directory,
            now=self.now,
            entropy=self.entropy,
            quota=self.directory.quota(UnitId(owner), self.now),
        )

    def _commit(self, owner: str, done: StepOutcome) -> None:
        self.routed[owner], self.uses[owner] = done.position, done.use
        # Through the text that Kafka would keep, as the next router would read it.
        self.states[owner] = ReplayState.from_text(done.state.to_text())
        for output in done.outputs:
            if output.topic == topics.QUARANTINE:
                self.quarantine.append(output.value)
            elif output.topic == topics.AUDIT:
                self.audit.append(output.value)
            elif output.topic.startswith(topics.INBOX_PREFIX):
                self.inboxes[output.topic.removeprefix(topics.INBOX_PREFIX)].append(output.value)
            else:
                self.receipts[output.topic.removeprefix(topics.RECEIPTS_PREFIX)].append(output.value)

    def send(self, sender: str, to: list[str], **changes: object) -> list[str]:
        """Submit one message, route it, and return the codes of the decision: none if it was accepted."""
        self.submit(sender, self.compose(sender, to, **changes))
        return self.codes(self.route(sender))

    @staticmethod
    def codes(done: StepOutcome) -> list[str]:
        """The reasons of the last decision of a step."""
        return [reason.code.value for reason in done.decided[-1].record.reasons]

    def decisions(self, unit: str) -> Decisions:
        """The newest receipt of a unit, verified."""
        return verify_decisions(self.receipts[unit][-1], parties=self.directory)

    def open(self, unit: str, delivery: bytes | None = None) -> Opened:
        """Open a delivery as the unit would: the newest one, or the given bytes."""
        return verify_and_open(
            parse_delivery(self.inboxes[unit][-1] if delivery is None else delivery),
            me=UnitId(unit),
            parties=self.directory,
            opener=self.parties[unit].opener,
            now=self.now,
        )


@lru_cache(maxsize=8)
def _founded(now: Millis, seed: int) -> World:
    """The one that others begin as; nothing happens in it."""
    return World(now=now, seed=seed, fresh=True)
