"""What keeps two processes out of one home, and a crash from passing as an end: taken away, a promise breaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clients.demo import play
from runtime.errors import AlreadyRunning
from runtime.process import homes, http, lock, tasks
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, forced, returning, rewritten, unchecked
from tests.mutants.promises import assert_missed
from tests.unit.clients.demo import test_ending as demo
from tests.unit.runtime.process import test_http as socket_
from tests.unit.runtime.process import test_lock as lock_
from tests.unit.runtime.process import test_tasks as tasks_

pytestmark = pytest.mark.slow

REMOVED = (lock_._remove,)
SIGNALS = "(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)"

MUTANTS: list[tuple[str, Mutant, Callable[..., Any], tuple[Any, ...]]] = [
    # What is taken away, how, the promise that breaks, and what that is asked with.
    ("the lock of the directory", Mutant(lock._locked_directory, dropped("flock")), lock_.test_a_name_that_is_gone_lets_nobody_in, REMOVED),
    ("the lock of the file", Mutant(lock._locked_file, dropped("flock")), lock_.test_where_directories_have_no_locks_the_file_counts, ()),
    ("the look whether the name is the file", Mutant(lock._locked_file, forced(True, "os.path.samestat(os.fstat(descriptor), path.stat())")), lock_.test_a_file_that_is_removed_while_it_is_locked_is_not_the_lock, ()),
    ("who holds it", Mutant(lock.lock_home, dropped("pwrite")), lock_.test_whoever_comes_second_is_told_who_is_there, ()),
    ("the end of another's socket", Mutant(http.unix_listener, forced(True, "samestat")), socket_.test_a_socket_that_another_put_there_stays, ()),
    ("listening before the name", Mutant(http.unix_listener, rewritten("listener.bind(os.fspath(beside))", "listener.bind(os.fspath(path))"), dropped("rename")), socket_.test_whoever_sees_the_name_can_connect, ()),
    ("the rights of the socket", Mutant(http.unix_listener, rewritten("0o177", "0")), socket_.test_a_dead_daemons_socket_is_replaced_and_ones_own_is_removed, ()),
    ("the look who answers there", Mutant(http._clear, rewritten("probe.connect(os.fspath(path))", "path.unlink()"), dropped(AlreadyRunning)), socket_.test_whoever_answers_there_is_left_alone, (False,)),
    ("that busy is there", Mutant(http._clear, dropped(AlreadyRunning)), socket_.test_whoever_answers_there_is_left_alone, (True,)),
    ("that it is a socket", Mutant(http._clear, unchecked("S_ISSOCK")), socket_.test_a_file_of_that_name_is_not_removed, ()),
    ("the length of its path", Mutant(homes.check_socket_path, returning("None")), socket_.test_a_path_that_is_too_long_for_a_socket_is_said_so, ()),
    ("the error of a crash", Mutant(tasks.check_end, rewritten("crash is not None", "False")), tasks_.test_a_crash_is_told_even_if_the_stop_comes_with_it, ((ValueError("secret"),), tasks.Crashed)),
    ("that a task which is over is a crash", Mutant(tasks.check_end, forced(False, "STOP")), tasks_.test_a_task_that_is_over_is_a_crash, ()),
    ("silence about what a crash says", Mutant(tasks._told, rewritten("type(foreign[0]).__name__", "foreign[0]")), tasks_.test_a_crash_is_told_even_if_the_stop_comes_with_it, ((ValueError("secret"),), tasks.Crashed)),
    ("the terminal that is closed", Mutant(tasks.told_to_stop, rewritten(SIGNALS, "(signal.SIGTERM, signal.SIGINT)")), tasks_.test_a_closed_terminal_is_a_word_to_stop, ()),
    ("what nohup said", Mutant(tasks.told_to_stop, forced(True, "SIG_IGN")), tasks_.test_under_nohup_it_is_none, ()),
    ("the second cancellation", Mutant(tasks.end_tasks, rewritten("range(2)", "range(1)")), tasks_.test_a_task_that_lost_its_cancellation_is_cancelled_again, ()),
    ("the end of the demo's processes", Mutant(play._ending, dropped("exchange.stop()")), demo.test_whatever_ends_the_demo_ends_its_processes, ()),
    ("the first end of the demo alone", Mutant(play._ending, dropped("signal.SIG_IGN", "signal.signal")), demo.test_a_second_signal_does_not_cut_the_end_short, ()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("mutant", "promise", "given"), [pytest.param(*each, id=what) for what, *each in MUTANTS]
)
async def test_each_safeguard_is_needed(
    mutant: Mutant,
    promise: Callable[..., Any],
    given: tuple[Any, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With it the promise is kept, which its own test says; without it that test fails."""
    await assert_missed(mutant, promise, given, tmp_path=tmp_path, monkeypatch=monkeypatch)
