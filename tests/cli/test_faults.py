"""What is wrong with what was handed over: all of it at once, in the words of the command line, on a real daemon."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.cli.draft_faults import _OPTIONS
from clients.daemon.sending.requests import AckRequest, H3Limits, SendRequest
from tests.cli.served import ServedUnit, served_unit

VESSEL = {"type": "vessel", "name": "x", "purposes": ["operational"], "data_class": "non-personal"}
DRAFT = {"subject": "A yacht", "language": "en", "crime_areas": ["migrant-smuggling"], "items": [VESSEL]}


@pytest.fixture(scope="module")
def unit() -> Iterator[ServedUnit]:
    with tempfile.TemporaryDirectory(prefix="cd-") as directory, served_unit(Path(directory)) as made:
        yield made


def written(path: Path, draft: Any) -> str:
    file = path / "draft.json"
    file.write_text(draft if isinstance(draft, str) else json.dumps(draft))
    return str(file)


def test_faults_of_every_sort_are_told_at_once(unit: ServedUnit, tmp_path: Path) -> None:
    """Of the draft, between its fields, of its files, of an attachment's name and of a time: one answer."""
    (tmp_path / "con.txt").write_bytes(b"x")
    item = VESSEL | {"imo": "1", "latitude": "1.0", "files": ["missing.jpg"]}
    seen = unit.contrada(
        "send", "--to", "pt", "--handling", "H3", "--h3-delete-by", "2020-01-01", "--attach", str(tmp_path / "con.txt"),
        written(tmp_path, DRAFT | {"items": [item]}),
    )  # fmt: skip
    first = unit.contrada(
        "send", "--to", "pt", "--handling", "H3", "--h3-delete-by", "2020-01-01",
        written(tmp_path, DRAFT | {"items": [item]}),
    )  # fmt: skip

    # The attachment's name is a fault of the request's form, which is read before the clock is asked.
    assert seen.exit == first.exit == 2
    assert [line.split("; expected")[0].strip() for line in seen.err.splitlines()] == [
        "contrada: not everything that was said is right: (E_REQUEST)",
        '--attach con.txt: found "con"',
        'items[0].imo: found "1"',
        "items[0].longitude: found nothing",
    ]
    assert [line.split("; expected")[0].strip() for line in first.err.splitlines()[:-1]] == [
        "contrada: this is not a valid information yet: (E_DRAFT)",
        'items[0].imo: found "1"',
        "items[0].longitude: found nothing",
        "items[0].files[0]: found no attachment of this name",
        "--h3-delete-by: found 2020-01-01T23:59:59Z, which is over",
    ]


def test_a_time_that_is_over_is_told_without_a_word_of_files(unit: ServedUnit, tmp_path: Path) -> None:
    """In the option's words, and with no hint about files, which are not wrong."""
    options = ("--to", "pt", "--handling", "H3", "--h3-delete-by", "2020-01-01")
    seen = unit.contrada("send", *options, written(tmp_path, DRAFT))

    assert seen.exit == 2
    assert seen.err == (
        "contrada: this is not a valid information yet: (E_DRAFT)\n"
        "  --h3-delete-by: found 2020-01-01T23:59:59Z, which is over; expected a time to come\n"
        "hint: correct what is named, and leave the rest as it is\n"
    )


def test_a_program_reads_the_faults_as_a_list(unit: ServedUnit, tmp_path: Path) -> None:
    """With --json each fault has its field, its rule, what was found and what would be right."""
    draft = written(tmp_path, DRAFT | {"language": "English"})
    error = json.loads(unit.contrada("send", "--to", "pt", "--json", draft).err)["error"]

    assert error["faults"] == [
        {
            "field": "language",
            "rule": "shape",
            "found": '"English"',
            "expected": "a language code such as en or pt-BR",
        }
    ]


@pytest.mark.parametrize("items", [1, 3])
def test_a_file_that_no_item_names_is_added(unit: ServedUnit, tmp_path: Path, items: int) -> None:
    """To all items, so that it takes the codes of all; it is said so, and it arrives."""
    (tmp_path / "photo.jpg").write_bytes(b"x")
    draft = written(tmp_path, DRAFT | {"items": [VESSEL] * items})
    seen = unit.contrada("send", "--to", "pt", "--attach", str(tmp_path / "photo.jpg"), draft)
    arrived = unit.deliver(seen.out.strip())

    assert seen.exit == 0
    where = "the item" if items == 1 else "each of the 3 items"
    assert f"photo.jpg is named by no item: added to {where}\n" in seen.err
    assert [file["name"] for file in arrived["attachments"]] == ["photo.jpg"]
    assert [item["files"] for item in arrived["body"]["items"]] == [["photo.jpg"]] * items


def test_a_file_that_an_item_names_is_added_to_no_other(unit: ServedUnit, tmp_path: Path) -> None:
    """Whoever says where a file belongs is not second-guessed, whatever the form of the name."""
    (tmp_path / "Zu\u0308rich.jpg").write_bytes(b"x")
    draft = written(tmp_path, DRAFT | {"items": [VESSEL, VESSEL | {"files": ["Z\u00fcrich.jpg"]}]})
    seen = unit.contrada("send", "--to", "pt", "--attach", str(tmp_path / "Zu\u0308rich.jpg"), draft)

    assert "added" not in seen.err
    assert [item.get("files") for item in unit.deliver(seen.out.strip())["body"]["items"]] == [
        None,
        ["Z\u00fcrich.jpg"],
    ]


def test_a_draft_without_items_carries_no_file(unit: ServedUnit, tmp_path: Path) -> None:
    """A refusal has nothing that a file could take its codes from, and that is said."""
    (tmp_path / "a.txt").write_bytes(b"x")
    draft = written(tmp_path, DRAFT | {"items": []})
    seen = unit.contrada("send", "--to", "pt", "--attach", str(tmp_path / "a.txt"), draft)

    assert seen.exit == 2
    assert '--attach a.txt: found "a.txt"; expected an item that names it in its files' in seen.err


def test_what_the_router_would_refuse_is_refused_here_in_its_words(unit: ServedUnit, tmp_path: Path) -> None:
    """What header and clock decide: the same code, rule and hint as behind a router, the same exit code, nothing kept."""
    options = ("--to", "pt,it", "--handling", "H3", "--h3-only", "it", written(tmp_path, DRAFT))
    seen = unit.contrada("send", *options)
    explained = unit.contrada("route", "explain", *options, "--json")
    rows = json.loads(unit.contrada("outbox", "ls", "--json").out)

    assert seen.exit == 6
    assert seen.err == (
        "contrada: the router would refuse the message\n"
        "  pt is not among the units that the H3 of the message allows: it (E_H3_LIMIT; H3 limits, ER 19(2))\n"
        "hint: stay within the limits that the H3 code of this message sets\n"
    )
    assert "E_H3_LIMIT" in explained.out
    assert all("pt" not in row["to"] or "it" not in row["to"] for row in rows)


def test_a_draft_that_is_no_json_is_explained_without_a_daemon(unit: ServedUnit, tmp_path: Path) -> None:
    """All faults of the text, and of what could be read of it."""
    draft = json.dumps(DRAFT | {"language": "x"})[:-1] + ', "subject": "A boat \\ud83d", "facts": NaN}'
    seen = unit.contrada("send", "--to", "pt", written(tmp_path, draft))

    assert seen.exit == 2
    assert [line.split(":")[0].strip() for line in seen.err.splitlines()[1:-1]] == [
        "subject",
        "facts",
        "language",
    ]


@pytest.mark.parametrize("form", [SendRequest, AckRequest, H3Limits])
def test_every_field_of_a_request_has_its_option(form: type) -> None:
    """No name of the API reaches a person who typed options: a new field has its option here."""
    names = {field.alias or name for name, field in form.model_fields.items()}
    known = {name.removeprefix("h3.") for name in _OPTIONS} | {"kind", "draft", "attachments", "echo"}

    assert names <= known
