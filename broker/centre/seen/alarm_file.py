"""The alarm book on disk: `alarms.json` in the centre's home, read whole and written whole.

Owns its form and its lock. Two may write it, the watching process and a person's command: each reads, changes
and writes under a lock of its own file, so that neither undoes what the other did. What is no book of ours is
an error and is left as it is: nobody's word about an alarm is thrown away by a reader.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

from broker.centre.seen.alarm_book import STATES, AlarmBook, AlarmStep, CentreAlarm
from broker.centre.seen.troubles import CODES, NO_MARK
from protocol.identifiers import Millis
from protocol.json_text import read_json
from runtime.bounded import read_bounded
from runtime.cli.errors import BadInput
from runtime.files import replace_file
from runtime.process.homes import CentreHome

MAX_BOOK: Final = 16_000_000
"""Bytes: as many alarms as are kept, each with all its steps, are well below."""

VERSION: Final = 1


def read_alarms(home: CentreHome) -> AlarmBook:
    """The book as it is now; an empty one where nothing was ever noted."""
    try:
        data = read_bounded(home.alarms, MAX_BOOK, what="an alarm book")
    except FileNotFoundError:
        return AlarmBook()
    read = read_json(data, at_most=MAX_BOOK)
    try:
        return _book(None if read.faults else read.value)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadInput(
            f"{home.alarms} is no alarm book of this program",
            hint="put it aside to begin a new one; nobody's note in it is lost that way",
        ) from None


def change_alarms(home: CentreHome, change: Callable[[AlarmBook], AlarmBook]) -> AlarmBook:
    """The book after a change, which is on disk."""
    with _alone(home):
        changed = change(read_alarms(home))
        replace_file(home.alarms, _text(changed).encode(), mode=0o600)
        return changed


@contextmanager
def _alone(home: CentreHome) -> Iterator[None]:
    path = home.alarms.with_suffix(".lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _text(book: AlarmBook) -> str:
    alarms = [asdict(one) for one in book.alarms.values()]
    kept = {"version": VERSION, "following": book.following, "looked": dict(book.looked), "alarms": alarms}
    return json.dumps(kept, ensure_ascii=False, indent=1) + "\n"


def _book(value: Any) -> AlarmBook:
    if value["version"] != VERSION:
        raise ValueError
    alarms = {one["number"]: _alarm(one) for one in value["alarms"]}
    looked = {str(code): _whole(mark) for code, mark in value["looked"].items()}
    following = _whole(value["following"])
    if alarms and following <= max(alarms):
        raise ValueError
    return AlarmBook(alarms, following, looked)


def _alarm(value: Mapping[str, Any]) -> CentreAlarm:
    steps = tuple(
        AlarmStep(_time(one["t"]), _among(one["to"], STATES), str(one["by"]), str(one["note"]))
        for one in value["steps"]
    )
    return CentreAlarm(
        number=_whole(value["number"]),
        code=_among(value["code"], CODES),
        about=str(value["about"]),
        detail=str(value["detail"]),
        raised=_time(value["raised"]),
        since=_time(value["since"]),
        last=_time(value["last"]),
        count=_whole(value["count"]),
        over=None if value["over"] is None else _time(value["over"]),
        mark=NO_MARK if value["mark"] == NO_MARK else _whole(value["mark"]),
        steps=steps,
    )


def _among(value: Any, known: Any) -> str:
    if value not in known:
        raise ValueError
    return str(value)


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _time(value: Any) -> Millis:
    return Millis(_whole(value))
