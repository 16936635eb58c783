"""What keeps a file whole or away, taken away, leaves a part of one: each test of it would fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keys import store
from runtime import files
from tests.mutants.engine import Mutant
from tests.mutants.operations import dropped, returning, rewritten
from tests.mutants.promises import assert_missed
from tests.unit.runtime import test_files as promises
from tests.unit.runtime.test_files import _linkless, _named, _unnamed

pytestmark = pytest.mark.slow

WITH_ALL_RIGHTS = "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC"

MUTANTS: list[tuple[str, Callable[..., Any], Mutant, Callable[..., Any], tuple[Any, ...]]] = [
    # What is taken away, on which disk, how, the promise that breaks, and what that is asked with.
    ("taking back what has its name", _unnamed, Mutant(files.write_new_files, dropped("path.unlink(missing_ok=True)")), promises.test_a_name_that_is_taken_meanwhile_takes_the_others_back, ()),
    ("the comparison of what is there", _unnamed, Mutant(files._is_there, returning("path.exists()")), promises.test_what_an_attempt_left_whole_is_no_conflict, ()),
    ("nothing beside it", _named, Mutant(files._prepared_by_name, dropped("beside.unlink()")), promises.test_new_files_are_all_there, ()),
    ("no part at all on a full disk", _named, Mutant(files._prepared_by_name, dropped("beside.unlink()")), promises.test_a_full_disk_at_the_second_file_leaves_none_and_the_retry_works, ()),
    ("the name before the content", _linkless, Mutant(files._link, rewritten(WITH_ALL_RIGHTS, "os.O_WRONLY | os.O_CREAT")), promises.test_a_name_that_is_taken_meanwhile_takes_the_others_back, ()),
    ("the disk that fails at the name", _unnamed, Mutant(files._settle, returning("None")), promises.test_a_share_that_cannot_sync_its_names_is_good_enough, ()),
    ("the share that cannot", _unnamed, Mutant(files._settle, rewritten("errno.EINVAL", "0")), promises.test_a_share_that_cannot_sync_its_names_is_good_enough, ()),
    ("beside what is replaced", _unnamed, Mutant(files.replace_file, returning("path.write_bytes(data)")), promises.test_a_replacement_is_whole, ()),
    ("beside what a library writes", _unnamed, Mutant(files.new_file, rewritten("_beside(path)", "path")), promises.test_what_a_library_writes_has_its_name_at_the_end, ()),
    ("tidying after a library", _unnamed, Mutant(files.new_file, dropped("left.unlink(missing_ok=True)")), promises.test_what_a_library_writes_has_its_name_at_the_end, ()),
    ("beside a folder", _unnamed, Mutant(files.new_folder, dropped("rmtree")), promises.test_a_folder_is_there_with_all_that_is_in_it, ()),
    ("the content on the disk", _unnamed, Mutant(store.write_all, dropped("fsync")), promises.test_what_has_its_name_is_on_the_disk, (promises._new,)),
    ("the content of a library", _unnamed, Mutant(files.new_file, dropped("sync_file")), promises.test_what_has_its_name_is_on_the_disk, (promises._library,)),
    ("the content of a folder", _unnamed, Mutant(files.new_folder, dropped("sync_file"), dropped("sync_directory")), promises.test_what_has_its_name_is_on_the_disk, (promises._folder,)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("disk", "mutant", "promise", "given"), [pytest.param(*each, id=what) for what, *each in MUTANTS]
)
async def test_each_safeguard_is_needed(
    disk: Callable[[pytest.MonkeyPatch], None],
    mutant: Mutant,
    promise: Callable[..., Any],
    given: tuple[Any, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With it the promise is kept, which its own test says; without it that test fails."""
    disk(monkeypatch)
    await assert_missed(mutant, promise, given, tmp_path=tmp_path, monkeypatch=monkeypatch)
