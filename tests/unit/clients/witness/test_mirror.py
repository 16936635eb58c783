"""A witness's own copy of a tree: nothing is signed whose entries were not read."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from clients.witness import mirror as mirrors
from clients.witness.errors import SourceUnavailable
from clients.witness.mirror import Mirror
from clients.witness.queue import WitnessQueue
from clients.witness.witness_api import witness_api
from protocol.errors import Code, Rejected
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.tiles import TreeWriter
from runtime.log_files import DirectoryLogFiles, HttpLogFiles
from runtime.process.worker import Worker
from tests.mutants.engine import Mutant, mutated
from tests.mutants.operations import forced
from tests.sim.witnessing import SHARD, Branch, Case

PLACE = "audit/2026h2"


class Shown:
    """The log's directory, as the ledger writes it."""

    def __init__(self, path: Path, branch: Branch) -> None:
        self.path = path
        self.branch = branch
        self.tree = TreeWriter()

    def grow(self, size: int) -> None:
        for index in range(self.tree.size, size):
            self.tree.append(self.branch.entry(index))
        for name, data in self.tree.take().items():
            file = self.path / PLACE / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


def ticking(step: float) -> Callable[[], float]:
    now = 0.0

    def tick() -> float:
        nonlocal now
        now += step
        return now

    return tick


def mirror_of(tmp_path: Path, *, step: float = 0.0) -> Mirror:
    return Mirror(tmp_path / "mirror", DirectoryLogFiles(tmp_path / "shown"), monotonic=ticking(step))


def test_a_copy_follows_the_log(tmp_path: Path) -> None:
    """Size by size, across tiles, it has every file that the log has, byte for byte."""
    shown, copy = Shown(tmp_path / "shown", Branch()), mirror_of(tmp_path)

    for size in (1, 255, 256, 257, 700):
        shown.grow(size)
        copy.follow(parse_checkpoint(Branch().note(size)))
        assert copy.proved(SHARD) == Branch().checkpoint(size)

    theirs = {file.relative_to(shown.path / PLACE) for file in shown.path.rglob("*") if file.is_file()}
    ours = tmp_path / "mirror" / SHARD
    assert {file.relative_to(ours) for file in ours.rglob("*") if file.is_file()} - theirs == {
        Path("checkpoint")
    }
    assert all((ours / name).read_bytes() == (shown.path / PLACE / name).read_bytes() for name in theirs)


def test_a_copy_goes_on_where_another_process_ended(tmp_path: Path) -> None:
    """What was proved is not read again."""
    shown = Shown(tmp_path / "shown", Branch())
    shown.grow(600)
    mirror_of(tmp_path).follow(parse_checkpoint(Branch().note(600)))
    for gone in (0, 1):
        (shown.path / PLACE / f"tile/entries/00{gone}").unlink()
    shown.grow(700)

    copy = mirror_of(tmp_path)
    copy.follow(parse_checkpoint(Branch().note(700)))

    assert copy.root_at(SHARD, 3) == Branch().checkpoint(3).root
    assert copy.root_at(SHARD, 701) is None


def test_a_log_that_shows_other_entries_is_caught(tmp_path: Path) -> None:
    """The signature is over one tree, and the tiles are of another; afterwards the true ones are taken."""
    shown, copy = Shown(tmp_path / "shown", Branch("other", forked_at=300)), mirror_of(tmp_path)
    shown.grow(290)
    copy.follow(parse_checkpoint(Branch().note(290)))
    shown.grow(400)

    with pytest.raises(Rejected) as caught:
        copy.follow(parse_checkpoint(Branch().note(400)))
    assert caught.value.reason is Code.E_CONSISTENCY
    assert copy.proved(SHARD) == Branch().checkpoint(290)

    Shown(tmp_path / "shown", Branch()).grow(400)
    copy.follow(parse_checkpoint(Branch().note(400)))
    assert copy.proved(SHARD) == Branch().checkpoint(400)


def test_without_the_comparison_any_entries_would_pass(tmp_path: Path) -> None:
    """The comparison with the signed root is what catches them."""
    Shown(tmp_path / "shown", Branch("other", forked_at=3)).grow(9)

    with mutated(Mutant(mirrors._check, forced(False, "wanted.root"))):
        mirror_of(tmp_path).follow(parse_checkpoint(Branch().note(9)))


def test_a_long_copy_is_made_in_steps(tmp_path: Path) -> None:
    """Who asks is told to come again, and each time more of it is there."""
    Shown(tmp_path / "shown", Branch()).grow(2000)
    copy, asked = mirror_of(tmp_path, step=mirrors.PATIENCE / 2.5), 0

    while copy.proved(SHARD) is None and asked < 20:
        asked += 1
        try:
            copy.follow(parse_checkpoint(Branch().note(2000)))
        except SourceUnavailable:
            continue

    assert 1 < asked < 20
    assert copy.proved(SHARD) == Branch().checkpoint(2000)


@pytest.mark.parametrize("damage", ["tile/0/000", "tile/entries/001.p/44", "checkpoint"])
def test_a_damaged_copy_is_made_again(tmp_path: Path, damage: str) -> None:
    """It is compared with its own checkpoint before anything is built on it."""
    shown = Shown(tmp_path / "shown", Branch())
    shown.grow(300)
    mirror_of(tmp_path).follow(parse_checkpoint(Branch().note(300)))
    file = tmp_path / "mirror" / SHARD / damage
    file.write_bytes(bytes(len(file.read_bytes())))
    shown.grow(310)

    copy = mirror_of(tmp_path)
    copy.follow(parse_checkpoint(Branch().note(310)))

    assert copy.root_at(SHARD, 310) == Branch().checkpoint(310).root


def test_a_damaged_copy_accuses_nobody(tmp_path: Path) -> None:
    """The root of an older size is told only where it is proved against what the log signed."""
    Shown(tmp_path / "shown", Branch()).grow(300)
    copy = mirror_of(tmp_path)
    copy.follow(parse_checkpoint(Branch().note(300)))
    file = tmp_path / "mirror" / SHARD / "tile/0/000"
    file.write_bytes(bytes(len(file.read_bytes())))

    assert copy.root_at(SHARD, 3) is None
    assert copy.root_at(SHARD, 256) == Branch().checkpoint(256).root
    copy.follow(parse_checkpoint(Branch().note(3)))
    assert copy.proved(SHARD) == Branch().checkpoint(3)


def test_an_origin_leads_nowhere_else(tmp_path: Path) -> None:
    """A name with dots or slashes does not leave the folder of copies."""
    for origin in ("../../etc/passwd", "/etc", "a//b", ".hidden/x"):
        with pytest.raises(Rejected):
            mirror_of(tmp_path).follow(parse_checkpoint(Branch(origin=origin).note(1)))


async def test_a_witness_with_a_copy_signs_what_it_read(tmp_path: Path) -> None:
    """200 for what the log shows, 503 while it shows nothing, 422 and evidence for what it signed otherwise."""
    worker = Worker()
    case = await worker.do(lambda: Case(tmp_path))
    shown = Shown(tmp_path / "shown", Branch("other", forked_at=8))
    queue = WitnessQueue(case.witness, worker, mirror_of(tmp_path))
    answers = []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=witness_api(queue)), base_url="http://witness"
    ) as http:
        for old, size, grown in ((0, 6, 0), (0, 6, 6), (6, 9, 9)):
            shown.grow(grown)
            answers.append(await http.post("/add-checkpoint", content=Branch().request(old, size)))
    await queue.close()

    assert [answer.status_code for answer in answers] == [503, 200, 422]
    assert case.evidence() == [("inconsistent", 9)]


async def test_a_log_that_asks_and_never_shows_is_an_alarm(tmp_path: Path) -> None:
    """503 each time. A minute of that is no delay: once for each time, and over when it shows its tiles."""
    now = [0.0]
    worker = Worker()
    case = await worker.do(lambda: Case(tmp_path))
    shown = Shown(tmp_path / "shown", Branch())
    queue = WitnessQueue(case.witness, worker, mirror_of(tmp_path), monotonic=lambda: now[0])
    raised = []
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=witness_api(queue)), base_url="http://witness"
    ) as http:
        # Hidden, still within a minute, over it twice, shown, hidden again.
        for moment, old, size, grown in (
            (0, 0, 6, 0), (59, 0, 6, 0), (60, 0, 6, 0), (99, 0, 6, 0), (100, 0, 6, 6), (200, 6, 9, 6), (260, 6, 9, 6),
        ):  # fmt: skip
            now[0] = moment
            shown.grow(grown)
            answer = await http.post("/add-checkpoint", content=Branch().request(old, size))
            count = case.witness.metrics.alarms.labels("withheld")._value.get()
            raised.append((answer.status_code, count))
    await queue.close()

    assert raised == [(503, 0), (503, 0), (503, 1), (503, 1), (200, 1), (503, 1), (503, 2)]
    assert case.evidence() == []


@contextmanager
def full_disk() -> Iterator[None]:
    """No file gets longer than this: the kernel refuses what a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_said_and_goes_by(tmp_path: Path) -> None:
    """503 with our code while the copy cannot be written; then the same request is signed, and no tile is missing."""
    worker = Worker()
    case = await worker.do(lambda: Case(tmp_path))
    shown = Shown(tmp_path / "shown", Branch())
    shown.grow(600)
    queue = WitnessQueue(case.witness, worker, mirror_of(tmp_path))
    request = Branch().request(0, 600)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=witness_api(queue)), base_url="http://witness"
    ) as http:
        with full_disk():
            refused = [await http.post("/add-checkpoint", content=request) for _ in range(2)]
        signed = await http.post("/add-checkpoint", content=request)
    await queue.close()

    assert [answer.status_code for answer in (*refused, signed)] == [503, 503, 200]
    assert refused[0].text.startswith("E_STORE: the witness's state cannot be used (its copy of the tree: E")
    assert {file.name for file in (tmp_path / "mirror").rglob(".*.tmp")} == set()
    for size in (3, 256, 600):
        assert mirror_of(tmp_path).root_at(SHARD, size) == Branch().checkpoint(size).root


@pytest.mark.slow
def test_tiles_over_http(tmp_path: Path, http_files: str) -> None:
    """The same from a web server: a file that is missing is missing, and one that is too large is refused."""
    shown = Shown(tmp_path / "shown", Branch())
    shown.grow(300)
    copy = Mirror(tmp_path / "mirror", HttpLogFiles(http_files, seconds=5), monotonic=ticking(0))

    copy.follow(parse_checkpoint(Branch().note(300)))

    assert copy.proved(SHARD) == Branch().checkpoint(300)
    assert HttpLogFiles(http_files, seconds=5).get("audit/nothing") is None
    unreachable = HttpLogFiles("http://127.0.0.1:1", seconds=5)
    with pytest.raises(SourceUnavailable):
        Mirror(tmp_path / "other", unreachable, monotonic=ticking(0)).follow(
            parse_checkpoint(Branch().note(300))
        )


@pytest.fixture
def http_files(tmp_path: Path):
    """A plain web server over the log's directory."""
    import functools
    import http.server
    import threading

    (tmp_path / "shown").mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "shown"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()
