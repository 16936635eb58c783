"""Output: whole, plain in a pipe, drawn on a terminal, and harmless to it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import pytest

from clients.cli.received import MOMENTS, save_attachments, show_content
from protocol.content.bodies import MODELS
from protocol.content.entities import Item
from runtime.cli.errors import BadInput
from runtime.cli.render import (
    Column,
    fields_of,
    moment,
    printable,
    write,
    write_details,
    write_json,
    write_table,
)
from runtime.errors import Conflict
from tests.cli.homes import fixture_homes
from tests.cli.terminal import contrada, on_terminal

COLUMNS = (Column("a", "A"), Column("t", "TIME", moment))


def test_an_empty_list_is_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    """No rows are `[]` in JSON, and a word on stderr otherwise."""
    write_table([], COLUMNS, as_json=True, none="none")
    write_table([], COLUMNS, as_json=False, none="none")

    assert capsys.readouterr() == ("[]\n", "none\n")


def test_nothing_is_cut_off(capsys: pytest.CaptureFixture[str]) -> None:
    """A cell is printed whole, however long."""
    write_table([{"a": "x" * 500, "t": 0}], COLUMNS, as_json=False, none="")

    assert "x" * 500 + "  1970-01-01T00:00:00Z" in capsys.readouterr().out


def test_a_message_cannot_paint_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Controls, line breaks and marks that turn the direction of text are written out, in JSON as well."""
    evil = "a\x1b[31m\nb\u202ec\x9b\u200bd\U000e0041"
    write_table([{"a": evil}], COLUMNS, as_json=False, none="")
    write_details({"a": evil}, COLUMNS, as_json=False)
    show_content({"body": {"subject": evil, "items": [{"type": evil, "name": evil}]}})
    write_json({"a": evil, "b": "é"})

    out = capsys.readouterr().out
    assert not {"\x1b", "\x9b", "\u202e", "\u200b", "\U000e0041"} & set(out)
    assert json.loads(out[out.index("{") :]) == {"a": evil, "b": "é"}


def test_no_line_can_paint_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Also a line whose caller trusts what it shows, such as the media type that another unit gave a file."""
    file = {"name": "a", "media_type": "text/\u202e\x9b31m"}
    show_content({"body": {}, "attachments": [file]})
    write("\x1b[2J\rgone")
    write_details({"\x1b[1m": 1}, fields_of({"\x1b[1m": 1}), as_json=False)

    assert not {"\x1b", "\r", "\x9b", "\u202e"} & set(capsys.readouterr().out)


def test_letters_stay_letters() -> None:
    """Names in every script are shown as they are."""
    assert printable("Müller Ελένη Łódź 山田 [x] 👮") == "Müller Ελένη Łódź 山田 [x] 👮"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "1970-01-01T00:00:00Z"), (None, "None"), (10**18, str(10**18))]
)
def test_times_are_shown_in_utc(value: object, text: str) -> None:
    """Times are shown in UTC; what is none is shown as it is."""
    assert moment(value) == text


def test_the_moments_of_bodies_are_known() -> None:
    """Every field of a body that holds a moment is shown as one."""
    models = [*MODELS.values(), *get_args(get_args(Item)[0])]
    written = {
        n: str(text)
        for m in models
        for c in m.__mro__
        for n, text in vars(c).get("__annotations__", {}).items()
    }
    instants = {name for name, text in written.items() if "Instant" in text or "Term" in text}

    assert instants == MOMENTS


def test_an_attachment_stays_in_its_directory(tmp_path: Path) -> None:
    """Its name never leads elsewhere, and nothing is overwritten."""
    files = [{"name": "../../etc/passwd", "content_b64": "eA=="}]
    saved = save_attachments({"attachments": files}, tmp_path / "case")

    assert saved == [tmp_path / "case" / "passwd"]
    assert saved[0].read_bytes() == b"x"
    assert save_attachments({"attachments": files}, tmp_path / "case") == saved
    saved[0].write_bytes(b"another's")
    with pytest.raises(Conflict):
        save_attachments({"attachments": files}, tmp_path / "case")
    assert saved[0].read_bytes() == b"another's"


def test_two_attachments_of_one_name_are_not_saved_as_one(tmp_path: Path) -> None:
    """One of them would be lost, and nobody would know which."""
    files = [{"name": name, "content_b64": "eA=="} for name in ("a/list", "b/list")]
    with pytest.raises(BadInput, match="no usable name"):
        save_attachments({"attachments": files}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_colours_are_for_a_person_at_a_terminal() -> None:
    """Titles are bold at a terminal; NO_COLOR, TERM=dumb and --no-color take every escape away."""
    code, drawn = on_terminal("errors", "ls")
    plain = [
        on_terminal("errors", "ls", NO_COLOR="1")[1],
        on_terminal("errors", "ls", TERM="dumb")[1],
        on_terminal("errors", "ls", "--no-color")[1],
        on_terminal("--no-color", "errors", "ls")[1],
    ]

    assert code == 0
    assert "\x1b[1mCODE" in drawn and "E_SIZE" in drawn
    assert len(set(plain)) == 1 and "\x1b" not in plain[0] and "E_SIZE" in plain[0]


def test_a_pipe_is_never_coloured() -> None:
    """Whatever the environment asks for, a program that reads gets text."""
    piped = contrada(
        "errors", "ls", env={"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TERM": "xterm-256color"}
    )

    assert piped.exit == 0 and "E_SIZE" in piped.out and "\x1b" not in piped.out


def test_a_person_can_say_no(tmp_path: Path) -> None:
    """At a terminal it is asked first; no is an answer, and nothing is done."""
    fixture_homes(tmp_path)
    home = str(tmp_path / "centre")
    code, shown = on_terminal("--home", home, "centre", "suspend", "fr", "--reason", "x", answer=b"n\n")

    assert code == 1
    assert "Really? suspend fr [y/N]" in shown
    assert "nothing was done" in shown
