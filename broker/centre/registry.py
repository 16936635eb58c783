"""Registration: the directory as the centre sees it, and what its registrar states.

    made -> checked here -> written to pending.log -> topics created -> published -> pending.log emptied
         -> rights in Kafka granted or withdrawn

Rules: a statement is applied to the local replica before it is published, so that nothing is published that
others would refuse. What a crash left in pending.log is published by the next command; every replica ignores
a statement that it has already.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from broker.centre.clock import check_clock
from broker.centre.exchange_rights import settle_units
from broker.errors import RolledBack
from broker.registrar_key import check_registrar, check_registrar_at_home
from keys.ceremony import read_pin
from keys.directory import Directory
from keys.key_files import IDENTITY_FILE, read_identity
from keys.root_of_trust import RootOfTrust
from keys.soft_keys import PrivateIdentity
from keys.statement_types import QuotaChange, Revocation, StatusChange, UnitFacts
from keys.statements import issue
from protocol import topics
from protocol.envelope.quotas import Quota
from protocol.errors import ContradaError, Rejected
from protocol.identifiers import KeyId, Millis, UnitId
from protocol.parties import OperatorRole
from protocol.signatures import Signer
from protocol.topics import Topic
from runtime.cli.command import Invocation
from runtime.cli.home import bootstrap, centre_home
from runtime.cli.kafka_calls import read_to_end
from runtime.cli.render import say
from runtime.cli.unlocking import existing_secret
from runtime.errors import AlreadyRunning, Conflict, NotFound
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.partition_log import KafkaDirectory
from runtime.kafka.ports import TopicChange
from runtime.kafka.security.access import KafkaAddress
from runtime.process.clock import now
from runtime.process.directory_file import VerifiedStatements, read_statements, write_statements
from runtime.process.homes import CentreHome, Home

PATIENCE: Final = 60.0
"""Seconds to wait for another command on the same home."""


def registrar_of(home: CentreHome, directory: Directory | None = None) -> PrivateIdentity:
    """The registrar's identity, opened, and valid now by the directory; else by what this home has of it."""
    secret = existing_secret(home)
    registrar = read_identity(home.keys / "registrar" / IDENTITY_FILE, secret=secret)
    if directory is None:
        check_registrar_at_home(registrar, home, secret=secret, moment=now())
    else:
        check_registrar(registrar, directory, moment=now())
    return registrar


async def read_directory_topic(home: Home, kafka: KafkaAddress) -> tuple[Directory, int]:
    """The directory as the topic has it now, verified from the pinned root; and how many records were not."""
    root = read_pin(home.root)
    verified = _verified(home, root)
    directory = Directory(root, verified=b"" if verified is None else verified.read())
    refused = 0

    def take(statement: bytes) -> None:
        nonlocal refused
        try:
            directory.apply(statement)
        except Rejected:
            refused += 1

    await read_to_end(KafkaFeeds(kafka), topics.DIRECTORY, lambda record: take(record.value))
    if verified is not None and verified.is_due(directory.head.size):
        verified.write(directory.digests)
    return directory, refused


def _verified(home: Home, root: RootOfTrust) -> VerifiedStatements | None:
    """What this home has verified before; nothing where nobody opens its keys, since that is no need here."""
    if not home.is_centre:
        return None
    try:
        secret = existing_secret(CentreHome(home.path))
    except ContradaError:
        return None
    return VerifiedStatements(home.verified, root, secret)


def topics_of(facts: UnitFacts | None) -> tuple[Topic, ...]:
    """The topics of one unit."""
    if facts is None:
        return ()
    return topics.of_unit(
        facts.unit, outbox_partitions=facts.outbox_partitions, inbox_partitions=facts.inbox_partitions
    )


@dataclass(slots=True)
class Registry:
    """Open for one command: the centre's home, Kafka, and the directory as it is now."""

    home: CentreHome
    kafka: KafkaAddress
    directory: Directory
    refused: int
    published: int
    """So many of the directory's statements are in the topic."""

    waits: bool = False
    """Whether anything that was stated has no effect before others agree."""

    @classmethod
    @asynccontextmanager
    async def open(cls, invocation: Invocation) -> AsyncIterator[Registry]:
        """The directory, after publishing what an earlier command could not; the home is held meanwhile."""
        home = centre_home(invocation)
        kafka = bootstrap(invocation, home)
        async with _held(home):
            await publish_pending(home, kafka)
            directory, refused = await read_directory_topic(home, kafka)
            known = check_nothing_is_lost(home, directory)
            if known != directory.snapshot():
                write_statements(home.replica, directory.snapshot())
            size = directory.head.size
            registry = cls(home, kafka, directory, refused, published=size)
            try:
                yield registry
            finally:
                # Once for all that a command published, and also of one that failed on the way: their absence
                # would be a loss.
                if registry.published > size:
                    write_statements(home.replica, directory.snapshot()[: registry.published])

    @classmethod
    async def read(cls, invocation: Invocation) -> Registry:
        """The same for a command that states nothing: nobody waits for it afterwards."""
        async with cls.open(invocation) as registry:
            return registry

    def known(self, unit: UnitId) -> UnitFacts:
        """The facts about a unit of the directory, or `NotFound`."""
        facts = self.directory.facts(unit)
        if facts is None:
            raise NotFound(f"the directory knows no unit {unit}", hint="see 'contrada centre units'")
        return facts

    async def state(self, statements: Sequence[bytes]) -> tuple[TopicChange, ...]:
        """Check, create the topics of the units concerned, publish, grant or withdraw their rights."""
        await check_clock(self.kafka)
        applied = [self.directory.apply(statement) for statement in statements]
        self.waits = self.waits or any({each.statement.body: each.waits for each in applied}.values())
        named = [each.statement.about for each in applied if each.statement.about is not None]
        pending = self.home.pending
        write_statements(pending, statements)
        wanted = [t for unit in dict.fromkeys(named) for t in topics_of(self.directory.facts(unit))]
        changes = await KafkaTopicAdmin(self.kafka).apply(wanted) if wanted else ()
        await publish_pending(self.home, self.kafka)
        self.published = self.directory.head.size
        # Last: what is stated counts already, and 'topics plan' shows what an interrupted command has left.
        await settle_units(self.kafka, self.directory, dict.fromkeys(named))
        return changes

    def status_change(self, unit: UnitId, *, suspended: bool, reason: str) -> bytes:
        """The statement that suspends or resumes a unit."""
        self.known(unit)
        current = self.directory.unit(unit)
        if current is not None and current.suspended == suspended:
            raise Conflict(f"{unit} is {'suspended already' if suspended else 'not suspended'}")
        registrar = registrar_of(self.home, self.directory)
        return issue(StatusChange(unit, suspended, reason), signer=registrar, issued=now())

    def quota_change(self, unit: UnitId, quota: Quota) -> bytes:
        """The statement that says how much a unit may ask for."""
        self.known(unit)
        if quota == self.directory.quota(unit, now()) and self.directory.quota_since(unit) is not None:
            raise Conflict(f"{unit} has this quota already")
        registrar = registrar_of(self.home, self.directory)
        return issue(QuotaChange(unit, quota), signer=registrar, issued=now())

    def revocation(
        self, unit: UnitId, kid: KeyId, *, reason: str, since: Millis | None, root: Signer | None = None
    ) -> bytes:
        """The statement that withdraws a key; a compromise may be stated after a withdrawal in good order.

        By the registrar, or by the root, if it is a registrar's key.
        """
        operator = self.directory.operator_key(kid)
        signing = self.directory.identity(unit, kid) if operator is None else operator.identity
        if (root is None) is (operator is not None and operator.role is OperatorRole.REGISTRAR):
            raise Conflict(
                "the root withdraws a registrar's key, and no other", hint="--root-key is for a registrar's"
            )
        key = signing or self.directory.epoch_key(unit, kid)
        if key is None:
            raise NotFound(f"{unit} has no key {kid.hex()}", hint=f"see 'contrada units show {unit} --json'")
        if key.revoked and (signing is None or since is None or signing.compromised_since is not None):
            raise Conflict(f"the key {kid.hex()} is revoked already")
        signer = root or registrar_of(self.home, self.directory)
        return issue(Revocation(unit, kid, reason, since), signer=signer, issued=now())


@asynccontextmanager
async def _held(home: CentreHome) -> AsyncIterator[None]:
    """One command at a time: two would write over each other's `pending.log`."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            held = home.hold()
            break
        except AlreadyRunning:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)
    try:
        yield
    finally:
        held.close()


def check_nothing_is_lost(home: Home, directory: Directory) -> list[bytes]:
    """Refuse a directory without statements that this home has read before: absence is no news.

    Returns those. Not their order: a statement of this home may have come into the topic behind another one.
    """
    if not home.replica.exists():
        return []
    known, there = read_statements(home.replica), frozenset(directory.snapshot())
    lost = [statement for statement in known if statement not in there]
    if lost:
        raise RolledBack(
            f"the directory topic lacks {len(lost)} of {len(known)} statements that {home.replica} has",
            hint="Kafka lost them, or it is another Kafka: name the right one, or write them there again, in "
            "their order; nothing was changed here",
        )
    return known


async def publish_pending(home: CentreHome, kafka: KafkaAddress) -> None:
    """Publish what was made and not published yet."""
    pending = home.pending
    if not pending.exists():
        return
    statements = read_statements(pending)
    if statements:
        await KafkaDirectory(kafka).publish(statements)
    pending.unlink()


def warn_of_refused(refused: int, *, unread: int) -> None:
    """Report records of the directory topic that do not verify, or that only a later program reads."""
    if refused:
        say(f"hint: {refused} records of the directory topic do not verify; they count for nothing")
    if unread:
        say(f"hint: {unread} statements are of types that this program does not know; a later one reads them")
