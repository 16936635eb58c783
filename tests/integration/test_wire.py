"""The wire on a real broker with certificates: who may do what, and what happens to a connection that is open."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.protocol.fetch import FetchRequest_v11

from broker.centre import exchange_rights as rights_of_units
from broker.centre.exchange_rights import declared_quotas, declared_rights, differing_rights, settle_units
from keys.unlock import Credential
from keys.wire.certificate_files import Authority
from protocol import topics
from protocol.identifiers import Millis
from protocol.topics import Operation, ResourceKind, Right
from runtime.errors import Unavailable
from runtime.kafka.client import KafkaError
from runtime.kafka.marks import KafkaMarks
from runtime.kafka.partition_log import KafkaTopics
from runtime.kafka.ports import OutputRecord, Place, ReadingMark
from runtime.kafka.requests import PinnedRequest
from runtime.kafka.security import rights as rights_module
from runtime.kafka.security.rights import KafkaRights
from tests.docs.pages import page
from tests.integration import matrix
from tests.integration.matrix import OTHER, UNIT, connected
from tests.integration.wire import Wire, guarded_kafka, present
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced, rewritten
from tests.sim.world import World

pytestmark = pytest.mark.kafka

READ_INBOX = (ResourceKind.TOPIC, topics.inbox(UNIT), Operation.READ)
WRITE_OUTBOX = (ResourceKind.TOPIC, topics.outbox(UNIT), Operation.WRITE)
READ_DIRECTORY = (ResourceKind.TOPIC, topics.DIRECTORY, Operation.READ)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory) -> Iterator[Wire]:
    """One broker for the module, with everything that is declared for two units."""
    with guarded_kafka(tmp_path_factory.mktemp("wire")) as wire:
        asyncio.run(matrix.declare(wire))
        yield wire


@pytest.fixture
async def wire(guarded: Wire) -> Wire:
    """The same, as it was declared, whatever the test before did."""
    await matrix.declare(guarded)
    return guarded


async def test_what_is_not_granted_is_denied(wire: Wire) -> None:
    """Each role against each topic, group, transactional id and operation: as on the page, cell by cell."""
    found = await matrix.measure(wire)

    written = [line for line in page("docs/isolation.md").text.splitlines() if line.startswith("|")]
    assert matrix.table(found) == written


async def test_the_page_grants_what_is_declared_and_nothing_else(wire: Wire) -> None:
    """What Kafka allows a role is what is declared for it, with what follows from it by Kafka's own rules."""
    rights = topics.role_rights() | topics.unit_rights(UNIT) | topics.unit_rights(OTHER)

    for role in matrix.ROLES[:-1]:
        assert await matrix.allowed_to(wire.access(role)) == _following(
            [r for r in rights if r.principal == role]
        )


def _following(rights: list[Right]) -> frozenset[matrix.Cell]:
    found = set()
    for kind, name, operation in matrix.cells():
        for right in rights:
            named = name.startswith(right.name) if right.prefixed else name == right.name
            same = right.operation is operation or operation is Operation.DESCRIBE
            if right.kind is kind and named and same:
                found.add((kind, name, operation))
            if (
                operation is Operation.IDEMPOTENT_WRITE
                and right.kind is ResourceKind.TOPIC
                and right.operation is Operation.WRITE
            ):
                found.add((kind, name, operation))
    return frozenset(found)


async def test_nobody_gets_in_without_a_certificate_of_the_authority(wire: Wire, tmp_path: Path) -> None:
    """None, another authority's with the same names, and an older TLS: no request is answered."""
    foreign = Authority.make(tmp_path / "ca", secret=Credential(bytes(32)), now=present())
    made = foreign.issue_to(tmp_path / "p", "centre", now=present(), lifetime=topics.limits.DAY)
    (tmp_path / "both.pem").write_bytes(made.key_pem + made.certificate_pem)
    own = wire.directory / "centre"

    assert not _answers(wire, None)
    assert not _answers(wire, tmp_path / "both.pem")
    assert not _answers(wire, own / "certificate.pem", own / "key.pem", newest=ssl.TLSVersion.TLSv1_2)
    assert _answers(wire, own / "certificate.pem", own / "key.pem")


def _answers(wire: Wire, *chain: Path | None, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bool:
    context = ssl.create_default_context(cafile=wire.directory / "ca" / "ca.pem")
    context.maximum_version = newest
    if chain[0] is not None:
        context.load_cert_chain(*chain)
    host, port = wire.cluster.bootstrap.split(":")
    versions = b"\x00\x00\x00\x0b\x00\x12\x00\x00\x00\x00\x00\x01\x00\x01x"
    try:
        plain = socket.create_connection((host, int(port)), timeout=30)
        with plain, context.wrap_socket(plain, server_hostname=host) as stream:
            stream.sendall(versions)
            return len(stream.recv(4)) == 4
    except OSError:
        return False


async def test_a_client_refuses_a_broker_of_another_authority(wire: Wire, tmp_path: Path) -> None:
    """Who only pretends to be Kafka gets no request."""
    foreign = Authority.make(tmp_path / "ca", secret=Credential(bytes(32)), now=present())
    access = wire.access("unit-fr")
    (tmp_path / "ca.pem").write_bytes(foreign.credentials.certificate_pem)
    files = type(access.tls)(tmp_path / "ca.pem", access.tls.certificate, access.tls.key)

    with pytest.raises(KafkaError):
        async with connected(type(access)(access.servers, files)):
            pass


async def test_applied_twice_it_changes_nothing_and_what_others_granted_is_taken_away(wire: Wire) -> None:
    """A right by hand is shown and withdrawn; the second time there is nothing to show."""
    world = _world()
    centre = wire.access("centre")
    await differing_rights(centre, world.directory, apply=True)
    by_hand = Right("unit-fr", ResourceKind.TOPIC, topics.inbox(OTHER), Operation.READ)
    async with KafkaRights.at(centre) as there:
        wanted = declared_rights(world.directory) | {by_hand}
        await there.apply(
            wanted, declared_quotas(world.directory) | {"unit-gone": {"producer_byte_rate": 1.0}}
        )

    planned = await differing_rights(centre, world.directory, apply=False)
    applied = await differing_rights(centre, world.directory, apply=True)

    assert [(row["kind"], row["name"], row["action"]) for row in planned] == [
        ("right", "unit-fr READ TOPIC inbox.it", "withdrawn"),
        ("quota", "unit-gone", "removed"),
    ]
    assert applied == planned
    assert await differing_rights(centre, world.directory, apply=True) == []


async def test_an_open_connection_of_a_suspended_unit_is_cut_off(wire: Wire) -> None:
    """The next request is denied, on the connection that was open; the directory it may still read."""
    world, centre = _world(), wire.access("centre")
    async with connected(wire.access("unit-fr")) as client:
        assert await _codes(client, READ_INBOX, WRITE_OUTBOX, READ_DIRECTORY) == [False, False, False]
        before = list(client._conns.values())

        world.suspend("fr")
        await settle_units(centre, world.directory, [UNIT])
        assert await _codes(client, READ_INBOX, WRITE_OUTBOX, READ_DIRECTORY) == [True, True, False]
        assert list(client._conns.values()) == before, "the same connection"

        world.suspend("fr", suspended=False)
        await settle_units(centre, world.directory, [UNIT])
        assert await _codes(client, READ_INBOX, WRITE_OUTBOX, READ_DIRECTORY) == [False, False, False]


async def test_an_open_connection_of_a_unit_without_a_key_is_cut_off_from_all(wire: Wire) -> None:
    """With its last key a unit loses every right; another unit keeps its own."""
    world, centre = _world(), wire.access("centre")
    async with connected(wire.access("unit-fr")) as client, connected(wire.access("unit-it")) as other:
        world.revoke_identity("fr")
        await settle_units(centre, world.directory, [UNIT])

        assert await _codes(client, READ_INBOX, WRITE_OUTBOX, READ_DIRECTORY) == [True, True, True]
        assert await _codes(other, (ResourceKind.TOPIC, topics.inbox(OTHER), Operation.READ)) == [False]


async def test_a_new_connection_takes_the_new_certificate(wire: Wire) -> None:
    """The files are exchanged; connections that are open go on, and the next one is somebody else."""
    wire.issue("changing")
    old = wire.authority.issue_to(
        wire.directory / "changing", "stranger", now=present(), lifetime=topics.limits.DAY
    )
    access = wire.access("changing")
    async with connected(access) as before:
        assert await _codes(before, READ_INBOX) == [True]
        new = wire.authority.issue_to(
            wire.directory / "changing", "unit-fr", now=present(), lifetime=topics.limits.DAY
        )
        assert old.certificate != new.certificate
        async with connected(access) as after:
            assert await _codes(after, READ_INBOX) == [False]
        assert await _codes(before, READ_INBOX) == [True], "as whom it came"


async def test_files_that_do_not_fit_leave_the_ones_before(wire: Wire) -> None:
    """Between the writing of a key and of its certificate a connection is made with the pair before."""
    access = wire.access("unit-it")
    own = (ResourceKind.TOPIC, topics.inbox(OTHER), Operation.READ)
    async with connected(access) as client:
        assert await _codes(client, own) == [False]
    (wire.directory / "unit-it" / "key.pem").write_bytes(
        (wire.directory / "unit-fr" / "key.pem").read_bytes()
    )

    async with connected(access) as client:
        assert await _codes(client, own) == [False]
    wire.issue("unit-it")


async def test_behind_a_request_that_waits_at_the_broker_all_are_denied(wire: Wire) -> None:
    """The limit that docs/attacks.md tells: Kafka asks when a request comes. One that waits is answered, and no other."""
    world, centre = _world(), wire.access("centre")
    async with connected(wire.access("unit-fr")) as client:
        place = [(topics.inbox(UNIT), [(0, -1, 0, -1, 1_000)])]
        asked = PinnedRequest(FetchRequest_v11, -1, 4_000, 1, 1_000, 1, 0, -1, place, [], "")
        waiting = asyncio.create_task(client.send(client.get_random_node(), asked))
        await asyncio.sleep(0)  # it is on its way
        world.suspend("fr")
        await settle_units(centre, world.directory, [UNIT])
        async with KafkaTopics(centre).writing() as writer:
            await writer.write([OutputRecord(topics.inbox(UNIT), b"", b"sealed")])
        [(_, [(_, code, *_)])] = (await waiting).topics
        assert code in {0, *matrix.DENIED}, "whichever came first"
        assert await _codes(client, READ_INBOX) == [True]


async def test_a_unit_tells_its_marks_in_a_group_of_its_own(wire: Wire) -> None:
    """Another unit cannot tell or look there, nor sit in it; the centre reads those of hundreds in one look."""
    mark, place = ReadingMark(5, Millis(200), Millis(100)), (topics.inbox(UNIT), 0)
    mine = KafkaMarks(wire.access("unit-fr"), topics.readers_group(UNIT))
    other = KafkaMarks(wire.access("unit-it"), topics.readers_group(UNIT))
    of_all = KafkaMarks(wire.access("unit-it"))
    centre = KafkaMarks(wire.access("centre"))
    wanted = {topics.readers_group(UNIT): [place], topics.readers_group(OTHER): [(topics.inbox(OTHER), 0)]}
    wanted |= {f"readers.u{number}": [(f"inbox.u{number}", 0)] for number in range(450)}
    try:
        await matrix.declare(wire)
        theirs = (topics.inbox(OTHER), 0)
        assert [await _taken(each, theirs, mark) for each in (other, of_all)] == [False, False]
        assert await _taken(mine, place, mark)
        found = await centre.read_groups(wanted)
    finally:
        for each in (mine, other, of_all, centre):
            await each.close()
    assert found.pop(place) == mark
    assert len(found) == 451
    assert set(found.values()) == {None}


async def _taken(teller: KafkaMarks, place: Place, mark: ReadingMark) -> bool:
    try:
        await teller.tell({place: mark})
    except Unavailable:
        return False
    return True


async def test_a_process_without_rights_waits_and_does_not_end(wire: Wire) -> None:
    """Who may not write is told that it is not to be had now."""
    with pytest.raises(Unavailable):
        async with KafkaTopics(wire.access("stranger")).writing() as writer:
            await writer.write([OutputRecord(topics.AUDIT, b"", b"x")])


MUTANTS = {
    "what others granted stays": (
        Mutant(KafkaRights.compare, forced(False, "right not in wanted")),
        test_applied_twice_it_changes_nothing_and_what_others_granted_is_taken_away,
    ),
    "quotas of those who are gone stay": (
        Mutant(rights_module._differing, forced(False, "user not in wanted")),
        test_applied_twice_it_changes_nothing_and_what_others_granted_is_taken_away,
    ),
    "all units tell in one group": (
        Mutant(topics.unit_rights, rewritten("readers_group(unit)", "READERS_GROUP")),
        test_a_unit_tells_its_marks_in_a_group_of_its_own,
    ),
    "a statement changes no right": (
        Mutant(rights_of_units.settle_units, forced(True, "tls_files(kafka) is None")),
        test_an_open_connection_of_a_suspended_unit_is_cut_off,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
async def test_each_mutant_breaks_a_promise(mutant: str, wire: Wire) -> None:
    """Without the safeguard its test fails."""
    change, promise = MUTANTS[mutant]
    with mutated(change), pytest.raises(AssertionError):
        await promise(wire)


async def _codes(client, *cells: matrix.Cell) -> list[bool]:
    return [await matrix.code_of(client, cell) in matrix.DENIED for cell in cells]


def _world() -> World:
    return World(now=present())
