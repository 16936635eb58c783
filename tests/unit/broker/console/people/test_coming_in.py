"""Links and sessions: one person, once, for a while."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from broker.console.home import ConsoleHome
from broker.console.people import links, sessions
from broker.console.people.links import MINUTE, MOST_LINKS, ConsoleRole, Grant, make_link, take_link
from broker.console.people.sessions import IDLE, LASTS, MOST_SESSIONS, Sessions
from protocol.identifiers import Millis
from runtime.errors import Conflict
from tests.mutants.engine import Mutant
from tests.mutants.operations import called, dropped, forced, unchecked
from tests.mutants.promises import assert_missed

NOW = Millis(1_795_000_000_000)
COSTA = Grant(ConsoleRole.ACT, "A. Costa")


def home_in(path: Path) -> ConsoleHome:
    path.chmod(0o700)
    return ConsoleHome(path)


def test_a_link_opens_once(tmp_path) -> None:
    """It says who comes in; the second who has it does not."""
    home = home_in(tmp_path)
    token, until = make_link(home, COSTA, minutes=10, moment=NOW)

    assert until == NOW + 10 * MINUTE
    assert take_link(home, token, moment=NOW) == COSTA
    assert take_link(home, token, moment=NOW) is None


def test_a_link_ends_by_its_time(tmp_path) -> None:
    home = home_in(tmp_path)
    early, _ = make_link(home, COSTA, minutes=1, moment=NOW)
    late, _ = make_link(home, COSTA, minutes=1, moment=NOW)

    assert take_link(home, early, moment=Millis(NOW + MINUTE)) == COSTA
    assert take_link(home, late, moment=Millis(NOW + MINUTE + 1)) is None
    assert take_link(home, late, moment=NOW) is None


def test_whoever_reads_the_folder_has_nothing(tmp_path) -> None:
    """The hash alone lies there, in a file that only its owner reads."""
    home = home_in(tmp_path)
    token, _ = make_link(home, COSTA, minutes=10, moment=NOW)
    (file,) = home.links.iterdir()

    assert token not in file.name and token.encode() not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert take_link(home, file.stem, moment=NOW) is None
    assert len(token) == 43


@pytest.mark.parametrize("token", ["", "x", "../" * 15, "a" * 43, "\u00e9" * 43, "A" * 10_000])
def test_no_other_token_opens_anything(tmp_path, token) -> None:
    home = home_in(tmp_path)
    make_link(home, COSTA, minutes=10, moment=NOW)

    assert take_link(home, token, moment=NOW) is None


def test_a_file_that_others_could_have_written_lets_nobody_in(tmp_path) -> None:
    """One that others can read, that is no grant, or that gives a role that is none."""
    home = home_in(tmp_path)
    for spoil in (
        lambda file: file.chmod(0o644),
        lambda file: file.write_bytes(b"\xff"),
        lambda file: file.write_bytes(links.encode([1, "root", "x", NOW + MINUTE])),
    ):
        token, _ = make_link(home, COSTA, minutes=10, moment=NOW)
        spoil(home.links / f"{links.token_digest(token)}.link")
        assert take_link(home, token, moment=NOW) is None


def test_links_do_not_pile_up(tmp_path) -> None:
    """So many wait, and ended ones make room."""
    home = home_in(tmp_path)
    for _ in range(MOST_LINKS):
        make_link(home, COSTA, minutes=1, moment=NOW)
    with pytest.raises(Conflict):
        make_link(home, COSTA, minutes=1, moment=NOW)
    make_link(home, COSTA, minutes=1, moment=Millis(NOW + 2 * MINUTE))
    assert len(list(home.links.iterdir())) == 1


class Opened:
    """Sessions, and a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sessions = Sessions(monotonic=lambda: self.now, entropy=os.urandom)


def test_a_session_ends_by_its_time_and_where_nobody_does_anything() -> None:
    """What a page asks by itself keeps nobody signed in."""
    opened = Opened()
    token = opened.sessions.begin(COSTA)
    for _ in range(int(LASTS / IDLE)):
        opened.now += IDLE
        assert opened.sessions.find(token) is not None
    opened.now += 1
    assert opened.sessions.find(token) is None

    idle = opened.sessions.begin(COSTA)
    opened.now += IDLE
    assert opened.sessions.find(idle, by_itself=True) is not None
    opened.now += 1
    assert opened.sessions.find(idle) is None


def test_sessions_are_bounded() -> None:
    """Of too many the one goes that was used longest ago; nobody is shut out."""
    opened = Opened()
    tokens = []
    for _ in range(MOST_SESSIONS):
        opened.now += 1
        tokens.append(opened.sessions.begin(COSTA))
    opened.now += 1
    assert opened.sessions.find(tokens[0]) is not None
    newest = opened.sessions.begin(COSTA)

    assert len(opened.sessions) == MOST_SESSIONS
    assert opened.sessions.find(tokens[1]) is None
    assert opened.sessions.find(tokens[0]) is not None and opened.sessions.find(newest) is not None


def test_each_session_has_tokens_of_its_own() -> None:
    """No form of one is a form of another, and the cookie is not the token of forms."""
    sessions_ = Opened().sessions
    one, other = (sessions_.begin(COSTA) for _ in range(2))
    first, second = sessions_.find(one), sessions_.find(other)
    assert first is not None and second is not None

    assert first.made_form(first.form_token)
    assert not first.made_form(second.form_token)
    assert not first.made_form("") and not first.made_form(one)
    sessions_.end(one)
    assert sessions_.find(one) is None and sessions_.find(other) is second
    assert sessions_.find(None) is None and sessions_.find("x" * 100_000) is None


@pytest.mark.parametrize(
    ("promise", "mutant"),
    [
        (test_a_link_opens_once, Mutant(links.take_link, dropped("path.unlink()"))),
        (test_a_link_ends_by_its_time, Mutant(links.take_link, forced(True, "until"))),
        (
            test_a_file_that_others_could_have_written_lets_nobody_in,
            Mutant(links._read, called(links.read_private, "_0.read_bytes()")),
        ),
        (test_links_do_not_pile_up, Mutant(links.make_link, unchecked("MOST_LINKS"))),
        (
            test_a_session_ends_by_its_time_and_where_nobody_does_anything,
            Mutant(sessions.Sessions._forget_ended, forced(False, "each.began")),
        ),
        (
            test_a_session_ends_by_its_time_and_where_nobody_does_anything,
            Mutant(sessions.Sessions._forget_ended, forced(False, "each.used")),
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_each_of_these_is_missed_at_the_door(promise, mutant, tmp_path) -> None:
    await assert_missed(mutant, promise, tmp_path=tmp_path)
