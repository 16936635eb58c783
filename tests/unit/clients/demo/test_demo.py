"""What the demo tells the reader to type, whose directory it takes, and what it leaves running: nothing."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from clients.daemon.home import make_unit_home
from clients.demo import directory
from clients.demo.directory import FOUNDED, MARKER, claim_directory, keep_directory, note_founded
from clients.demo.errors import DemoError
from clients.demo.exchange import CHECKOUT, Exchange
from clients.demo.play import suggestions
from clients.demo.wire import SAID, makes_its_own
from protocol.identifiers import UnitId
from runtime.errors import AlreadyRunning, HomeError
from runtime.process.lock import LOCK, holder_of, lock_home
from tests.cli.homes import world
from tests.cli.terminal import contrada
from tests.waiting import GENEROUS, until

SCRIPT = Path(sys.executable).parent / "contrada"


@pytest.mark.parametrize("here", [CHECKOUT, Path("/")], ids=["in the checkout", "elsewhere"])
def test_what_is_printed_can_be_typed(here: Path) -> None:
    """Program and files of every line are there, seen from where the reader is."""
    lines = suggestions(Exchange(CHECKOUT / "demo"), here)
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        assert shutil.which(words[0]) or (here / words[0]).exists()
        places = ("units/fr", "units/it", "units/it/ledger-policy", "centre", "centre/ledger")
        named = [here / word for word in words[1:] if "/" in word and not word.endswith(".json")]
        assert named
        assert set(named) <= {CHECKOUT / "demo" / part for part in places}
        assert all((here / word).exists() for word in words if word.endswith(".json"))


def test_below_the_reader_paths_are_short() -> None:
    """In the checkout nothing is written out that one need not type."""
    assert not [line for line in suggestions(Exchange(CHECKOUT / "demo"), CHECKOUT) if f" {CHECKOUT}" in line]


def test_a_directory_that_is_too_deep_is_refused_at_once(tmp_path: Path) -> None:
    """Its daemons could not have their sockets: said before Kafka is started, and nothing is left there."""
    deep = tmp_path / ("d" * 90) / "demo"
    with pytest.raises(HomeError, match="a unix socket's path has at most 100 bytes"):
        Exchange(deep).start()

    assert not deep.exists()


@pytest.mark.parametrize("on_path", [True, False])
def test_the_program_is_this_installations(on_path: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`contrada` alone where the shell finds this one; else its path; never another one of that name."""
    if not SCRIPT.exists():
        pytest.skip(f"no contrada in {SCRIPT.parent}: install the project")
    monkeypatch.setenv("PATH", str(SCRIPT.parent) if on_path else "/usr/bin:/bin")
    [word] = {shlex.split(line)[0] for line in suggestions(Exchange(CHECKOUT / "demo"), CHECKOUT)}
    assert word == "contrada" if on_path else (CHECKOUT / word).samefile(SCRIPT)
    done = subprocess.run(
        [word, "--version"], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=GENEROUS
    )
    assert done.stdout.startswith("contrada ")


def test_a_directory_is_cleared_for_the_next_demo(tmp_path: Path) -> None:
    """What an earlier demo left goes, links not followed; the lock stays, which is held."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").touch()
    place = tmp_path / "demo"
    claim_directory(place).close()
    (place / "units" / "fr").mkdir(parents=True)
    (place / "file").touch()
    (place / "link").symlink_to(elsewhere)

    held = claim_directory(place)
    assert {path.name for path in place.iterdir()} == {LOCK, MARKER}
    assert holder_of(place) == os.getpid()
    assert (elsewhere / "mine").exists()
    held.close()


def test_a_demo_that_runs_keeps_its_directory(tmp_path: Path) -> None:
    """A second one says which process has it and how to end that; nothing of it is touched."""
    place = tmp_path / "demo"
    held = claim_directory(place)
    (place / "kafka").mkdir()

    with pytest.raises(AlreadyRunning, match=f"another demo works on {place}: process {os.getpid()}") as told:
        claim_directory(place)
    assert f"'kill {os.getpid()}'" in told.value.hint
    assert "--dir" in told.value.hint
    assert {path.name for path in place.iterdir()} == {LOCK, MARKER, "kafka"}
    held.close()


def test_an_exchange_that_was_founded_is_kept_for_a_demo_that_goes_on(tmp_path: Path) -> None:
    """Nothing of it is cleared; one that was not founded to its end, or is not there, is not gone on with."""
    place = tmp_path / "demo"
    for make in (lambda: None, lambda: claim_directory(place).close()):
        make()
        with pytest.raises(HomeError, match=r"no exchange in .* to start again"):
            keep_directory(place)
    (place / "kafka").mkdir()
    note_founded(place)
    keep_directory(place).close()
    assert {path.name for path in place.iterdir()} == {LOCK, MARKER, FOUNDED, "kafka"}
    claim_directory(place).close()
    assert {path.name for path in place.iterdir()} == {LOCK, MARKER}


def test_a_copy_in_another_place_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its settings name the first place: a ledger and a router would work on the exchange there."""
    first, copy = tmp_path / "demo", tmp_path / "copy"
    claim_directory(first).close()
    note_founded(first)
    shutil.copytree(first, copy)
    with pytest.raises(HomeError, match=f"was founded in {first}") as told:
        keep_directory(copy)
    assert "put it back there" in told.value.hint
    keep_directory(first).close()


def test_homes_of_another_kafka_are_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who names a cluster by hand is told that the homes know another one."""
    with tempfile.TemporaryDirectory(prefix="cd-") as name:
        place = Path(name)
        claim_directory(place).close()
        note_founded(place)
        make_unit_home(
            place / "units" / "fr", unit=UnitId("fr"), bootstrap="127.0.0.1:9", root=world().root.encoded()
        )
        monkeypatch.setenv("CONTRADA_KAFKA", "127.0.0.1:10")
        exchange = Exchange(place)
        with pytest.raises(DemoError, match=r"know the exchange at 127\.0\.0\.1:9"):
            exchange.resume()
        exchange.stop()


def test_what_no_demo_made_is_not_touched(tmp_path: Path) -> None:
    """Not even by a lock."""
    (tmp_path / "thesis").touch()
    with pytest.raises(HomeError, match="is not a demo's directory"):
        claim_directory(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


@pytest.mark.parametrize("held", [False, True], ids=["another's", "held"])
def test_a_demo_that_never_began_says_nothing_of_an_end(held: bool) -> None:
    """A directory that it may not take: the error is all there is to say."""
    # Not below pytest's own directory, in which a daemon's socket would have too long a path.
    with tempfile.TemporaryDirectory(prefix="cd-") as directory:
        place = Path(directory)
        lock = claim_directory(place) if held else None
        (place / "thesis").touch()
        seen = contrada("demo", "--dir", str(place))
        if lock:
            lock.close()

    assert seen.exit == (9 if held else 2)
    assert seen.err.startswith("contrada: another demo works on" if held else f"contrada: {place} is not")
    assert "stopping" not in seen.err


def test_a_demo_that_was_killed_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes hold the directory until they have ended; the next demo waits so long, and not for ever."""
    place = tmp_path / "demo"
    place.mkdir()
    held = lock_home(place, program="demo", hint="")
    gone = subprocess.run(["/bin/sh", "-c", "echo $$"], capture_output=True, check=True, text=True)
    (place / LOCK).write_text(gone.stdout)  # whoever took the lock is gone; its descriptor was inherited

    monkeypatch.setattr(directory, "PATIENCE", 0.0)
    with pytest.raises(AlreadyRunning):
        claim_directory(place)
    monkeypatch.setattr(directory, "PATIENCE", GENEROUS)
    monkeypatch.setattr(directory.time, "sleep", lambda _: held.close())
    claim_directory(place).close()


LEAVES = """
import sys
import tempfile
from pathlib import Path
from clients.demo.processes import TETHERED, Processes
processes = Processes(Path(sys.argv[1]) / "logs")
started = processes.start("fr", [*TETHERED, "--home", sys.argv[1], "unit", "run"])
print(started.popen.pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_process_of_the_demo_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    """SIGKILL, which no program can answer: the daemon ends in order all the same."""
    home = tmp_path / "fr"
    make_unit_home(home, unit=UnitId("fr"), bootstrap="127.0.0.1:9", root=world().root.encoded())
    log = home / "logs" / "fr.log"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", LEAVES, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        cwd=CHECKOUT, env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    ) as demo:  # fmt: skip
        assert demo.stdout is not None
        daemon = Path("/proc", demo.stdout.readline().decode().strip())
        until(lambda: '"event": "started"' in log.read_text(), what="the daemon to start", despite=(OSError,))
        assert daemon.exists()
        demo.send_signal(signal.SIGKILL)
        demo.wait(GENEROUS)

    until(lambda: not daemon.exists(), what="the daemon to end")
    assert '"event": "stopped"' in log.read_text()
    assert not (home / "run" / "api.sock").exists()


def test_a_kafka_of_somebody_elses_is_plain_only_where_that_was_said(monkeypatch) -> None:
    """Without a word the demo does not go on in plain because of a variable."""
    for name in SAID:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("CONTRADA_KAFKA", raising=False)
    assert makes_its_own(guarded=True)
    monkeypatch.setenv("CONTRADA_KAFKA", "127.0.0.1:10")
    with pytest.raises(DemoError, match="no certificate"):
        makes_its_own(guarded=True)
    assert not makes_its_own(guarded=False)
    monkeypatch.setenv("CONTRADA_KAFKA_TLS", "somewhere")
    assert not makes_its_own(guarded=True)
