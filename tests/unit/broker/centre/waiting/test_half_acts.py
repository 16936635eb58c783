"""Acts at the centre's machine: one registrar states, the other reads and agrees, and only then is anything done."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from broker.centre import acts, agreements, quarantine
from broker.centre.agreements import agree, find_ballots, list_ballots
from broker.centre.registry import Registry
from broker.centre.waiting import agreeing_acts, half_acts
from broker.centre.waiting.half_acts import keep_half, waiting_acts
from keys.ceremony import OWN_SECRET, found_exchange, write_pin
from keys.directory import Directory
from keys.key_files import IDENTITY_FILE, read_identity
from keys.soft_keys import SoftIdentity
from keys.store import write_private
from keys.unlock import Credential
from protocol import topics
from protocol.canonical import encode
from protocol.errors import ContradaError, Rejected
from protocol.identifiers import IdPrefix, Millis, digest
from protocol.limits import AGREED_WITHIN, DAY
from protocol.trail.acts import Act, AuditGap, PutBack, audit_gap, kafka_put_back
from protocol.trail.records import RecordType
from protocol.trail.stated_acts import sign_acts, verify_acts
from runtime.cli.command import Invocation
from runtime.cli.unlocking import new_secret
from runtime.errors import Conflict, NotFound, Unavailable
from runtime.kafka.ports import Fetched, InputRecord, Take
from runtime.process.homes import CentreHome
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.keys.world import NOW, entropy_of, revocation, stated

HELD = b"what somebody put into an outbox"
LOG = "contrada.example/audit/2026h2"


@dataclass
class Centre:
    """A centre's home of two registrars; stands for the registry and both topics, without Kafka."""

    home: CentreHome
    directory: Directory
    out: Path
    now: Millis = NOW
    kafka: str = "127.0.0.1:1"
    reachable: bool = True
    in_quarantine: bool = True
    published: list[bytes] = field(default_factory=list)
    lay_there: list[list[Path]] = field(default_factory=list)
    """What lay in `out` whenever something was published."""

    async def end(self, topic: str, partition: int) -> int:
        assert topic == topics.QUARANTINE
        return 1 if self.in_quarantine else 0

    async def follow(self, topic: str, partition: int, *, start: int, take: Take) -> None:
        row = encode([1, ["fr", 0, 7, 1], 2, "E_CBOR", bytes(32), len(HELD), HELD])
        await take(Fetched(topic, partition, (InputRecord(0, 0, row),), 1))

    async def append(self, values: Sequence[bytes]) -> None:
        self.lay_there.append(list(self.out.iterdir()))
        if not self.reachable:
            raise Unavailable("the audit topic took no record")
        self.published += values

    @property
    def second(self) -> Path:
        return self.home.keys / "registrar-2"

    @property
    def invocation(self) -> Invocation:
        return Invocation(home=self.home.path)

    def key(self, name: str) -> SoftIdentity:
        path, secret = self.home.keys / name, self.home.secret
        own = path / OWN_SECRET if (path / OWN_SECRET).exists() else secret
        return read_identity(path / IDENTITY_FILE, secret=Credential(own.read_bytes()))

    async def released(self, *, file: str = "record.bin") -> str:
        """The first one states that the record is taken out; the name under which that waits."""
        out = self.out / file
        made = await acts.release_record(self.invocation, 0, by="Costa", second="Smit", out=out)
        assert isinstance(made["ballot"], str)
        return made["ballot"]

    async def agreed(self, *names: str, key: Path | None = None, out: str | None = "record.bin") -> None:
        file = None if out is None else self.out / out
        wanted = [bytes.fromhex(name) for name in names]
        for row in await agree(self.invocation, wanted, key or self.second, secret=None, out=file):
            assert not row["waits"]

    def files(self) -> list[str]:
        return [path.suffix for path in sorted(self.home.acts.iterdir())]

    def keep(self, act: Act) -> str:
        """Have the first one sign an act, as the commands of the ledger do."""
        signer = self.key("registrar")
        half = sign_acts([act], actor=act.actor, now=act.t, signer=signer, entropy=os.urandom)
        name = keep_half(self.home, act, half)
        assert name is not None
        return name.hex()[:32]


async def clock_is_right(_: object) -> None:
    """Kafka agrees; test_clock.py has the rest."""


@pytest.fixture
def centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Centre:
    """An exchange of two registrars, with a record in quarantine."""
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    home, out = CentreHome(tmp_path / "centre"), tmp_path / "out"
    out.mkdir()
    secret, named = new_secret(home, file=None)
    home.settings.write_text(f'kafka = "127.0.0.1:1"\nsecret = "{named}"\n')
    founding = found_exchange(
        home.keys, secret=secret, now=NOW, entropy=entropy_of("founding of acts"), registrars=2
    )
    write_pin(home.root, founding.root, entropy=os.urandom)
    made = Centre(home, Directory(founding.root), out)
    for statement in founding.statements:
        made.directory.apply(statement)

    @asynccontextmanager
    async def opened(_: object) -> AsyncIterator[Centre]:
        yield made

    async def read(_: object) -> Centre:
        return made

    monkeypatch.setattr(Registry, "open", opened)
    monkeypatch.setattr(Registry, "read", read)
    monkeypatch.setattr(quarantine, "KafkaFeeds", lambda _: made)
    for module in (acts, agreeing_acts):
        monkeypatch.setattr(module, "KafkaLog", lambda _, topic: {topics.AUDIT: made}[topic])
        monkeypatch.setattr(module, "check_clock", clock_is_right)
    for module in (acts, agreements):
        monkeypatch.setattr(module, "now", lambda: made.now)
    return made


async def test_one_takes_nothing_out_of_quarantine(centre: Centre) -> None:
    """Nothing is published, there is no file, and what waits is listed in words."""
    ballot = await centre.released()
    assert (centre.published, list(centre.out.iterdir())) == ([], [])
    (row,) = await list_ballots(centre.invocation)
    assert (row["ballot"], row["by"], row["needed"], row["of"]) == (ballot, ["registrar"], 2, "registrar")
    assert (row["since"], row["until"]) == (NOW, NOW + AGREED_WITHIN)
    assert row["what"] == (
        "take out of quarantine what stood in the outbox of fr, partition 0, offset 7, with SHA-256 "
        f"{bytes(32).hex()}; by Costa, with Smit"
    )


async def test_the_second_one_reads_it_agrees_and_takes_it_out(centre: Centre) -> None:
    """The ledger is told before there is a file, with both signatures; then nothing waits."""
    ballot = await centre.released()
    (row,) = await find_ballots(centre.invocation, [IdPrefix(ballot[:8])])
    assert row["record"] == f"record 0, there for E_CBOR, {len(HELD)} bytes"
    centre.now = Millis(NOW + DAY)
    await centre.agreed(ballot)
    (record,) = centre.published
    made = verify_acts(record, parties=centre.directory)
    assert made.by.names == "registrar and registrar-2"
    assert made.acts[0].detail == ("fr", 0, 7, "Costa", "Smit")
    assert centre.lay_there == [[]]
    assert (centre.out / "record.bin").read_bytes() == HELD
    assert (await list_ballots(centre.invocation), centre.files()) == ([], [])


async def test_nobody_agrees_with_oneself(centre: Centre) -> None:
    """The same key again, or the next one of the same registrar: nothing is signed, nothing is done."""
    ballot = await centre.released()
    with pytest.raises(ContradaError, match="registrar has stated this already"):
        await centre.agreed(ballot, key=centre.home.keys / "registrar")
    assert (centre.published, centre.files()) == ([], [".half"])


async def test_no_other_key_agrees(centre: Centre) -> None:
    """A router's, or that of a registrar who was withdrawn."""
    ballot = await centre.released()
    with pytest.raises((Conflict, Rejected), match="no registrar's key"):
        await centre.agreed(ballot, key=centre.home.keys / "router")
    _withdraw(centre, "registrar-2")
    with pytest.raises(Rejected, match="nobody would take"):
        await centre.agreed(ballot)
    assert centre.published == []


async def test_what_a_withdrawn_registrar_signed_waits_no_more(centre: Centre) -> None:
    """Nobody is asked to agree with a thief, who may have dated it back to before the theft."""
    ballot = await centre.released()
    centre.now = Millis(NOW + 10)
    _withdraw(centre, "registrar", since=NOW + 5)
    assert await list_ballots(centre.invocation) == []
    with pytest.raises(NotFound):
        await centre.agreed(ballot)


async def test_nobody_agrees_after_a_month(centre: Centre) -> None:
    """Until then somebody does."""
    ballot = await centre.released()
    centre.now = Millis(NOW + AGREED_WITHIN + 1)
    assert await list_ballots(centre.invocation) == []
    with pytest.raises(NotFound, match="nothing waits"):
        await centre.agreed(ballot)
    centre.now = Millis(NOW + AGREED_WITHIN)
    await centre.agreed(ballot)


async def test_who_states_the_same_again_gets_what_waits(centre: Centre) -> None:
    """However often the command is run; another act is another one, and after a month it begins again."""
    ballot = await centre.released()
    centre.now = Millis(NOW + 5)
    assert await centre.released() == ballot
    assert centre.keep(_gap(centre)) == centre.keep(_gap(centre)) != ballot
    centre.now = Millis(NOW + AGREED_WITHIN + 1)
    assert await centre.released() != ballot


async def test_a_wrong_clock_agrees_to_nothing(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kafka's clock is asked before the second one signs."""

    async def told(_: object) -> None:
        raise Unavailable("this clock is wrong")

    ballot = await centre.released()
    monkeypatch.setattr(agreeing_acts, "check_clock", told)
    with pytest.raises(Unavailable, match="clock is wrong"):
        await centre.agreed(ballot)
    assert (centre.published, centre.files()) == ([], [".half"])


async def test_killed_before_it_was_published_it_is_signed_once(centre: Centre) -> None:
    """What is published afterwards is what was on the disk: however often, one record for the ledger."""
    ballot = await centre.released()
    centre.reachable = False
    with pytest.raises(Unavailable):
        await centre.agreed(ballot)
    assert (list(centre.out.iterdir()), centre.files()) == ([], [".both", ".half"])
    centre.reachable, centre.now = True, Millis(NOW + 9)
    await centre.agreed(ballot)
    assert verify_acts(centre.published[0], parties=centre.directory).by.last == ("registrar-2", NOW)


async def test_killed_before_the_file_is_there_it_goes_on(centre: Centre) -> None:
    """Published and not taken out yet: the next run publishes the same bytes, and takes it out."""
    ballot = await centre.released()
    (centre.out / "other").mkdir()
    with pytest.raises(Exception, match="other"):
        await centre.agreed(ballot, out="other/not/there")
    await centre.agreed(ballot)
    assert centre.published[0] == centre.published[1]
    assert (centre.out / "record.bin").read_bytes() == HELD


async def test_a_second_half_that_does_not_hold_is_made_again(centre: Centre) -> None:
    """A file that somebody damaged, or put there, is nothing that is published."""
    ballot = await centre.released()
    (half,) = centre.home.acts.iterdir()
    half.with_suffix(".both").write_bytes(b"\x84rubbish")
    half.with_suffix(".both").chmod(0o600)
    await centre.agreed(ballot)
    verify_acts(centre.published[0], parties=centre.directory)


async def test_a_release_has_a_new_file_and_a_record(centre: Centre) -> None:
    """Without one, with one that is there, with two releases, or with what is none: before anything is signed."""
    ballot = await centre.released()
    with pytest.raises(Conflict, match="takes the record out"):
        await centre.agreed(ballot, out=None)
    (centre.out / "there").write_bytes(b"mine")
    with pytest.raises(ContradaError, match="there already"):
        await centre.agreed(ballot, out="there")
    with pytest.raises(Conflict, match="0 are to be released"):
        await centre.agreed(centre.keep(_gap(centre)))
    centre.in_quarantine = False
    with pytest.raises(NotFound, match="not have the record"):
        await centre.agreed(ballot)
    (row,) = await find_ballots(centre.invocation, [bytes.fromhex(ballot)])
    assert row["record"] == "quarantine does not have it any more"
    assert (centre.published, set(centre.files())) == ([], {".half"})
    assert (centre.out / "there").read_bytes() == b"mine"


async def test_a_gap_and_a_put_back_are_shown_and_agreed_to(centre: Centre) -> None:
    """Which records, which times, why, and whom they name."""
    name = centre.key("registrar").name
    back = PutBack(LOG, 9, Millis(0), Millis(3_600_000))
    put_back = kafka_put_back(NOW, name, back, why="three disks", by="Costa", second="Smit")
    ballots = [centre.keep(_gap(centre)), centre.keep(put_back)]
    rows = {row["ballot"]: row["what"] for row in await list_ballots(centre.invocation)}
    assert rows[ballots[0]] == (
        f"the records 4 to 6 of the audit topic are gone for good, and {LOG} goes on behind them: retention; "
        "by Costa, with Smit"
    )
    assert rows[ballots[1]] == (
        "Kafka was put back on 1970-01-01T01:00:00Z to a copy of 1970-01-01T00:00:00Z, why the ledger went "
        f"back at leaf 9 of {LOG}: three disks; by Costa, with Smit"
    )
    await centre.agreed(*ballots, out=None)
    types = [verify_acts(each, parties=centre.directory).acts[0].type for each in centre.published]
    assert sorted(types) == [RecordType.AUDIT_GAP, RecordType.KAFKA_PUT_BACK]


async def test_files_that_hold_nothing_are_told_and_count_for_nothing(
    centre: Centre, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rubbish, another content under a known name, somebody else's signature, an act that takes one, a large file."""
    ballot = await centre.released()
    good = next(centre.home.acts.iterdir())
    (half,) = [good.read_bytes()]
    stranger = SoftIdentity.generate("registrar", os.urandom)
    act = _gap(centre)
    glass = Act(RecordType.BREAK_GLASS, NOW, "registrar", None, ("a", "b"))
    hostile = [
        b"", b"\x84rubbish", half[:-1] + bytes([half[-1] ^ 1]), b"\x84\x01\x64acts" + bytes(60_000),
        sign_acts([act], actor="registrar", now=NOW, signer=stranger, entropy=os.urandom),
        sign_acts([glass], actor="registrar", now=NOW, signer=centre.key("registrar"), entropy=os.urandom),
    ]  # fmt: skip
    for data in hostile:
        write_private(centre.home.acts / f"{digest(data).hex()}.half", data, entropy=os.urandom)
    write_private(centre.home.acts / f"{'00' * 32}.half", half, entropy=os.urandom)
    write_private(centre.home.acts / f"{'11' * 32}.half", bytes(200_000), entropy=os.urandom)
    write_private(centre.home.acts / f"{'22' * 32}.half", half, entropy=os.urandom)
    (centre.home.acts / f"{'22' * 32}.half").chmod(0o644)
    assert [row["ballot"] for row in await list_ballots(centre.invocation)] == [ballot]
    said = capsys.readouterr().err
    assert said.count("counts for nothing") == len(hostile) + 1
    assert "'" not in said.replace("'s", ""), "no content is repeated"


async def test_another_act_in_the_place_of_one_that_was_read_is_not_agreed_to(centre: Centre) -> None:
    """The second one agrees to what was shown: its name is the digest of what the first one has signed."""
    ballot = await centre.released()
    (path,) = centre.home.acts.iterdir()
    other = sign_acts(
        [_gap(centre)], actor="registrar", now=NOW, signer=centre.key("registrar"), entropy=os.urandom
    )
    path.write_bytes(other)
    with pytest.raises(NotFound):
        await centre.agreed(ballot, out=None)
    assert centre.published == []


def test_where_one_is_enough_nothing_waits(centre: Centre, tmp_path: Path) -> None:
    """An exchange of one registrar, and what takes one in an exchange of two."""
    glass = Act(RecordType.BREAK_GLASS, NOW, "registrar", None, ("a", "b"))
    assert keep_half(centre.home, glass, b"") is None
    one = CentreHome(tmp_path / "one")
    one.path.mkdir()
    founding = found_exchange(
        one.keys, secret=Credential(bytes(32)), now=NOW, entropy=entropy_of("one"), registrars=1
    )
    write_pin(one.root, founding.root, entropy=os.urandom)
    assert keep_half(one, _gap(centre), b"") is None
    assert waiting_acts(one, centre.directory, NOW) == []


def _gap(centre: Centre) -> Act:
    name = centre.key("registrar").name
    return audit_gap(centre.now, name, AuditGap(LOG, 4, 7), why="retention", by="Costa", second="Smit")


def _withdraw(centre: Centre, name: str, *, since: int | None = None) -> None:
    gone = revocation(name, centre.key(name).public.kid, since=since)
    centre.directory.apply(stated(gone, by=centre.key("root"), at=centre.now))


MUTANTS = [
    ("waits", Mutant(acts.release_record, forced(True, "made['ballot']")), test_one_takes_nothing_out_of_quarantine),
    ("two", Mutant(half_acts.keep_half, rewritten("read_pin(home.root).registrars == 1", "True")), test_one_takes_nothing_out_of_quarantine),
    ("told first", Mutant(agreeing_acts.ActSigning.agree, rewritten("await KafkaLog(...).append([record])", "None")), test_killed_before_it_was_published_it_is_signed_once),
    ("a clock", Mutant(agreeing_acts.ActSigning.agree, dropped("check_clock")), test_a_wrong_clock_agrees_to_nothing),
    ("oneself", Mutant(agreements._check_may_agree, unchecked("signer.name")), test_nobody_agrees_with_oneself),
    ("on the disk first", Mutant(half_acts.signed_by_both, dropped("write_private")), test_killed_before_it_was_published_it_is_signed_once),
    ("the same bytes", Mutant(half_acts.signed_by_both, forced(False, "each.stated.acts")), test_killed_before_the_file_is_there_it_goes_on),
    ("a month", Mutant(half_acts.waiting_acts, forced(True, "each.until")), test_nobody_agrees_after_a_month),
    ("a thief's", Mutant(half_acts.waiting_acts, dropped("operator_at")), test_what_a_withdrawn_registrar_signed_waits_no_more),
    ("its name", Mutant(half_acts._halves, forced(True, "path.stem")), test_files_that_hold_nothing_are_told_and_count_for_nothing),
    ("the same again", Mutant(half_acts.keep_half, forced(False, "before.t")), test_who_states_the_same_again_gets_what_waits),
    ("a new file", Mutant(agreeing_acts._released, unchecked("exists")), test_a_release_has_a_new_file_and_a_record),
]  # fmt: skip


@pytest.mark.parametrize(("mutant", "promise"), [row[1:] for row in MUTANTS], ids=[row[0] for row in MUTANTS])
async def test_each_rule_taken_away_is_noticed(
    mutant: Mutant,
    promise,
    centre: Centre,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await assert_missed(mutant, promise, centre=centre, capsys=capsys, monkeypatch=monkeypatch)
