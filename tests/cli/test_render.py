"""Output: whole, plain in a pipe, drawn on a terminal, and harmless to it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import get_args

import pytest

from clients.cli.received import MOMENTS, save_attachments, show_content
from protocol.content import file_names
from protocol.content.bodies import MODELS
from protocol.content.entities import Item
from protocol.content.file_names import saved_names
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
from tests.mutants.engine import Mutant
from tests.mutants.operations import rewritten
from tests.mutants.promises import assert_missed

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


_SAVING = 'write_new_files(files, hint="name another directory with --save-to", again=True, private=True)'


def names_that_would_do_harm(folder: Path) -> None:
    names = ["-rf", "a/list", "b/list", "x" * 360 + ".pdf", "..", "NUL.txt", "gpj\u202efdp.exe"]
    files = [
        {"name": name, "content_b64": base64.b64encode(bytes([at])).decode()} for at, name in enumerate(names)
    ]
    saved = save_attachments({"attachments": files}, folder)
    assert [path.name for path in saved] == [
        "_rf", "list", "list (2)", "x" * 251 + ".pdf", "attachment", "_NUL.txt", "gpjfdp.exe",
    ]  # fmt: skip
    assert [path.read_bytes() for path in saved] == [bytes([at]) for at in range(len(names))]
    assert {path.stat().st_mode & 0o777 for path in saved} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_each_attachment_is_saved_under_a_safe_name_for_its_owner_alone(tmp_path: Path) -> None:
    """None ends the saving of the others, none is lost, and what arrives is nobody else's to read."""
    names_that_would_do_harm(tmp_path / "case")


@pytest.mark.parametrize(
    "mutant",
    [
        Mutant(save_attachments, rewritten(_SAVING, "write_new_files(files, again=True)")),
        Mutant(save_attachments, rewritten("0o700", "0o755")),
        Mutant(saved_names, rewritten("same_name(chosen) in taken", "False")),
        Mutant(file_names._safe, rewritten("clean[:1] in ('-', '.', ' ')", "False")),
    ],
)
async def test_each_rule_of_saving_is_needed(mutant: Mutant, tmp_path: Path) -> None:
    await assert_missed(mutant, names_that_would_do_harm, (tmp_path / "case",))


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
