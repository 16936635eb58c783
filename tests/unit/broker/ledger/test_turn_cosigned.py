"""The turn of a half-year and its witnesses: the end first, then the beginning, and nobody holds up the others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from broker.ledger import publishing
from broker.ledger.cosigning import Cosigner, missing
from broker.ledger.log_head import grown_head, new_head
from broker.ledger.metrics import LedgerMetrics
from broker.ledger.published import last_published
from broker.ledger.publishing import PUBLISHER, Publisher
from broker.ledger.store.record_store import LogState
from clients.witness.queue import WitnessQueue
from clients.witness.witness_api import witness_api
from keys.note_keys import NoteUse
from protocol.identifiers import Millis
from protocol.tlog.checkpoints import parse_checkpoint, seconds
from protocol.tlog.cosignatures import cosign
from protocol.tlog.policy import parse_policy
from protocol.tlog.policy_text import WitnessEntry, ledger_policy
from protocol.tlog.witnessing import parse_add_checkpoint
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import called, forced, returning, rewritten
from tests.sim.witnessing import Case, note_key
from tests.sim.world import NOON
from tests.unit.broker.ledger.rig import AUDIT, KEYS, NAME, MemoryTopics, Rig
from tests.unit.broker.ledger.test_sequencer import turn_of_the_year

NEXT = f"{NAME}/audit/2027h1"
UNITS = ("fr.example", "it.example", "nl.example")
LOGS = ledger_policy(NAME, now=NOON, log_keys=KEYS.vkeys)
POLICY = parse_policy(
    ledger_policy(
        NAME,
        now=NOON,
        log_keys=KEYS.vkeys,
        witnesses=[
            WitnessEntry(name, note_key(name).vkeys(name, NoteUse.WITNESS), f"http://{name}")
            for name in UNITS
        ],
        quorum=2,
    )
)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        self.now += 10  # so that whoever lacks is asked again
        return self.now


@dataclass
class Witnesses:
    """Three witnesses behind one client; some may be away, and for some logs only."""

    cases: dict[str, Case]
    pages: dict[str, httpx.ASGITransport]
    foreign: set[str] = field(default_factory=set)
    away: set[tuple[str, str]] = field(default_factory=set)
    """Witness and log: such a request gets no answer."""

    asked: list[tuple[str, str]] = field(default_factory=list)

    alive: Callable[[], None] = lambda: None
    """Called before and after each request."""

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.alive()
        answer = await self._answer(request)
        self.alive()
        return answer

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.host
        if request.method == "POST":
            log = parse_add_checkpoint(request.content).signed.checkpoint.origin
            self.asked.append((name, log))
            if (name, log) in self.away:
                raise httpx.ConnectError("nobody there")
            if name in self.foreign:
                return foreign(name, request.content)
        return await self.pages[name].handle_async_request(request)

    def evidence(self) -> list[tuple[str, int]]:
        return [piece for case in self.cases.values() for piece in case.evidence()]

    def begun(self) -> list[str]:
        """The witnesses that have proved with what the new half-year begins."""
        return [name for name, case in self.cases.items() if case.witness.heads.beginnings() == {NEXT: AUDIT}]


def foreign(name: str, data: bytes) -> httpx.Response:
    """A witness of another make, which knows only the new log and nothing of half-years."""
    request = parse_add_checkpoint(data)
    if request.signed.checkpoint.origin == AUDIT:
        return httpx.Response(404)
    assert request.old == 0
    signers = note_key(name).signers(name, NoteUse.WITNESS)
    now = seconds(Millis(NOON))
    lines = [cosign(request.signed.checkpoint, signer, now=now) for signer in signers]
    return httpx.Response(200, content="".join(lines).encode())


@asynccontextmanager
async def witnesses(path: Path, now: Millis) -> AsyncIterator[Witnesses]:
    cases, pages, queues = {}, {}, []
    for name in UNITS:
        (path / name).mkdir()
        case = Case(path / name, policy=LOGS, name=name, now=now)
        queues.append(WitnessQueue(case.witness, Inline(), copying=Inline()))
        cases[name], pages[name] = case, httpx.ASGITransport(app=witness_api(queues[-1]))
    try:
        yield Witnesses(cases, pages)
    finally:
        for queue in queues:
            await queue.close()


class Inline(Worker):
    """A witness's one thread is the test's, which looks into its state."""

    def __init__(self) -> None:
        """There is no other thread."""

    async def do(self, work):
        return work()

    def close(self) -> None:
        """Nothing is open."""


def publisher(rig: Rig, served: Witnesses) -> Publisher:
    client = httpx.AsyncClient(transport=httpx.MockTransport(served))
    return Publisher(
        name=NAME,
        store=rig.store,
        policy=POLICY,
        cosigner=Cosigner(client, POLICY),
        reader=rig.writer().reader,
        metrics=LedgerMetrics.create(),
        monotonic=Clock(),
    )


async def round_of(made: Publisher, bus: MemoryTopics) -> None:
    """What a publisher does every few seconds."""
    async with bus.writing(alone=PUBLISHER) as writer:
        for due in list(made.due.values()):
            if due.is_behind or made.is_wanting(due):
                await made.publish(due, writer)


async def resumed(rig: Rig, served: Witnesses, bus: MemoryTopics) -> Publisher:
    """A publisher as a new process has it."""
    states = [state for state in rig.records.states() if "audit" in state.origin]
    made = publisher(rig, served)
    made.begin(states, await last_published(bus, POLICY, [state.origin for state in states]))
    return made


def signers_of(made: Publisher, origin: str) -> set[str]:
    """Who has cosigned the newest head that was published of a log."""
    lacking = {place.name for place in missing(POLICY, parse_checkpoint(made.due[origin].note))}
    return set(UNITS) - lacking


@asynccontextmanager
async def turn(tmp_path: Path) -> AsyncIterator[tuple[Rig, Witnesses, MemoryTopics]]:
    """A half-year of which some was published, and behind it the turn, sequenced and not published."""
    (tmp_path / "ledger").mkdir()
    with turn_of_the_year(tmp_path / "ledger") as rig:
        async with witnesses(tmp_path, Millis(rig.now + 1000)) as served:
            bus = MemoryTopics()
            first = publisher(rig, served)
            first.tell(await asyncio.to_thread(rig.run, rig.writer(), at_once=1, upto=1))
            await round_of(first, bus)
            await asyncio.to_thread(rig.run, rig.writer(), at_once=1)
            yield rig, served, bus


async def test_the_end_and_then_the_beginning_are_cosigned(tmp_path: Path) -> None:
    """By all witnesses, in one round."""
    async with turn(tmp_path) as (rig, served, bus):
        made = await resumed(rig, served, bus)
        await round_of(made, bus)
        assert signers_of(made, AUDIT) == signers_of(made, NEXT) == set(UNITS)
        assert served.begun() == list(UNITS)
        assert served.evidence() == []


async def test_a_witness_that_is_away_holds_up_nobody(tmp_path: Path) -> None:
    """It is not asked about the new half-year before it has seen the end of the old one; the others are the quorum."""
    async with turn(tmp_path) as (rig, served, bus):
        made = await resumed(rig, served, bus)
        served.away = {("fr.example", AUDIT)}
        for _ in range(3):
            await round_of(made, bus)
        assert signers_of(made, AUDIT) == signers_of(made, NEXT) == {"it.example", "nl.example"}
        assert POLICY.trusted(parse_checkpoint(made.due[NEXT].note)).checkpoint.origin == NEXT
        assert ("fr.example", NEXT) not in served.asked

        served.away.clear()
        await round_of(made, bus)
        assert signers_of(made, AUDIT) == signers_of(made, NEXT) == set(UNITS)
        assert served.evidence() == []


async def test_without_its_answer_about_the_end_it_would_accuse_the_ledger(tmp_path: Path) -> None:
    """The order is tested; and a ledger of the release before, which has none, comes to its end all the same."""
    mutant = Mutant(Publisher._to_ask, rewritten("self.cosigner.has_answered(place, end)", "True"))
    async with turn(tmp_path) as (rig, served, bus):
        made = await resumed(rig, served, bus)
        served.away = {("fr.example", AUDIT)}
        with mutated(mutant):
            await round_of(made, bus)
            assert [kind for kind, _ in served.evidence()] == ["beginning"]
            served.away.clear()
            await round_of(made, bus)
            await round_of(made, bus)
        assert signers_of(made, NEXT) == set(UNITS)
        assert served.begun() == list(UNITS)
        assert served.evidence() == [], "what it accused the ledger of is refuted"


async def test_a_foreign_witness_cosigns(tmp_path: Path) -> None:
    """One that knows the new log only, and asks for no proof of how it begins."""
    async with turn(tmp_path) as (rig, served, bus):
        served.foreign = {"fr.example"}
        made = await resumed(rig, served, bus)
        await round_of(made, bus)
        assert signers_of(made, NEXT) == set(UNITS)
        assert signers_of(made, AUDIT) == {"it.example", "nl.example"}


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(Cosigner.has_answered, returning("False")),
        Mutant(Cosigner.has_answered, rewritten("(place.url, signed.checkpoint.origin) in self.answered", "False")),
        Mutant(publishing.Publisher._to_ask, forced(True, "before.is_behind")),
    ],
)  # fmt: skip
async def test_without_it_a_foreign_witness_is_not_asked(tmp_path: Path, mutant: Mutant) -> None:
    """A "no" about the old log is an answer."""
    with mutated(mutant), pytest.raises(AssertionError):
        await test_a_foreign_witness_cosigns(tmp_path)


async def test_what_may_pass_is_no_answer(tmp_path: Path) -> None:
    """A failure to connect is waited out, and a word of the witness is not."""
    with (
        mutated(Mutant(Cosigner._one, called("_is_answer", "True"))),
        pytest.raises(AssertionError),
    ):
        await test_a_witness_that_is_away_holds_up_nobody(tmp_path)


class Killed(Exception):
    """The process ended here."""


@pytest.mark.parametrize("step", range(28))
async def test_killed_at_each_step_of_the_turn_nobody_accuses_it(tmp_path: Path, step: int) -> None:
    """Before and after each request and each write: the next process comes to the same, and no witness finds fault."""
    async with turn(tmp_path) as (rig, served, bus):
        made, left = await resumed(rig, served, bus), [step]

        def alive() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed

        replace = made.store.replace

        def put(path: str, data: bytes) -> None:
            alive()
            replace(path, data)
            alive()

        served.alive, made.store.replace = alive, put
        try:
            await round_of(made, bus)
        except Killed:
            pass
        finally:
            served.alive, made.store.replace = (lambda: None), replace
        assert left[0] < 0, "there are fewer steps"
        again = await resumed(rig, served, bus)
        await round_of(again, bus)
        await round_of(again, bus)
        assert signers_of(again, AUDIT) == signers_of(again, NEXT) == set(UNITS)
        assert served.begun() == list(UNITS)
        assert served.evidence() == []


async def test_a_ledger_that_cuts_off_the_end_gets_no_cosignature(tmp_path: Path) -> None:
    """It begins the next half-year with an older head of its own; those that saw the end keep both notes."""
    async with turn(tmp_path) as (rig, served, bus):
        whole = await resumed(rig, served, bus)
        served.away = {(name, NEXT) for name in UNITS}
        await round_of(whole, bus)
        assert signers_of(whole, AUDIT) == set(UNITS)
        served.away.clear()

        state, files = cut_half_year(rig.state())
        forger = publisher(rig, served)
        forger.reader = lambda origin: lambda tile: files[tile.path]
        forger.due = {NEXT: publishing.Due(state, 0, b"")}
        await round_of(forger, bus)

        assert signers_of(forger, NEXT) == set()
        assert [kind for kind, _ in served.evidence()] == ["beginning"] * 3
        assert all(case.witness.heads.head(NEXT) is None for case in served.cases.values())


def cut_half_year(old: LogState) -> tuple[LogState, dict[str, bytes]]:
    """A half-year, signed by the log, that begins with a head of one leaf less."""
    ended = (
        parse_checkpoint(old.checkpoint).checkpoint.body().replace(f"\n{old.size}\n", f"\n{old.size - 1}\n")
    )
    head = new_head(NEXT, first_entries=(ended.encode(),))
    entries = [ended.encode(), b"\x84", b"\x84\x01"]
    state, files = grown_head(head, entries, signers=KEYS.signers, now=seconds(Millis(NOON)))
    return state, dict(files)
