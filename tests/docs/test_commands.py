"""Every command line in the documentation is one that the program takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest

from clients.cli.main import contrada
from tests.docs.pages import pages

OPERATORS = re.compile(r"[|&;<>()]+")
ENDS = re.compile(r"[0-9]?[|&;<>()]+")

# What a reader puts in: the rest of a line stands as it is typed.
PLACEHOLDERS = {
    "ID": "019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
    "$ID": "019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
    "$ASKED": "019aa5f2-7c1e-7a00-8000-3c5e9f0d1b2a",
    "CODE": "E_SIZE",
    "$KAFKA": "127.0.0.1:9092",
}


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of each call of `contrada` in a line for a shell."""
    lexer = shlex.shlex(line.replace("$(", " ( "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words = list(lexer)
    for at, word in enumerate(words):
        first = (
            at == 0 or OPERATORS.fullmatch(words[at - 1]) or "=" in words[at - 1] or words[at - 1] == "sudo"
        )
        name = word.rpartition("/")[2]
        if first and name in ("contrada", "contrada-as"):
            end = next((i for i in range(at, len(words)) if ENDS.fullmatch(words[i])), len(words))
            # `contrada-as ROLE` runs the words behind it.
            begin = at + (1 if name == "contrada" else 2)
            yield [PLACEHOLDERS.get(word, word) for word in words[begin:end]]


def understand(arguments: list[str], *, whole: bool) -> click.Command:
    """The command that takes these arguments; a click error where none does. Nothing is run."""
    command: click.Command = contrada
    context: click.Context | None = None
    name = "contrada"
    while True:
        try:
            context = command.make_context(name, arguments, parent=context)
        except (click.MissingParameter, click.exceptions.NoArgsIsHelpError):
            if whole:
                raise
            return command
        except click.exceptions.Exit:  # an option that answers by itself, as --version does
            return command
        if not isinstance(command, click.Group):
            return command
        rest = [*context._protected_args, *context.args]
        if not rest:
            return command
        name, found, arguments = command.resolve_command(context, rest)
        assert found is not None
        command = found


def _blocks() -> list[tuple[str, list[str]]]:
    return [(page.name, call) for page in pages() for line in page.lines() for call in calls(line)]


def _spans() -> list[tuple[str, list[str]]]:
    return [
        (page.name, shlex.split(span)[1:])
        for page in pages()
        for span in page.spans()
        if span.startswith("contrada ") and "..." not in span
    ]


def test_there_are_command_lines() -> None:
    """The search finds what it is for."""
    assert len(_blocks()) > 60
    assert ["errors", "show", "E_DATA_BASIS"] in [call for _, call in _blocks()]
    assert list(calls("ID=$(contrada units ls --json | jq . )")) == [["units", "ls", "--json"]]


@pytest.mark.parametrize(
    ("where", "call"), _blocks(), ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_a_line_to_copy_is_whole(where: str, call: list[str]) -> None:
    """A line in a block has a command, options and arguments that exist, and lacks none."""
    command = understand(call, whole=True)

    assert not isinstance(command, click.Group)


@pytest.mark.parametrize(
    ("where", "call"), _spans(), ids=lambda value: value if isinstance(value, str) else " ".join(value)
)
def test_a_command_in_a_sentence_exists(where: str, call: list[str]) -> None:
    """A command that a sentence names is there, with the options that it names."""
    understand([PLACEHOLDERS.get(word, word) for word in call], whole=False)


@pytest.mark.parametrize(
    "line", ["contrada unit fly", "contrada send --frobnicate x", "contrada inbox show", "contrada"]
)
def test_a_slip_is_noticed(line: str) -> None:
    """A command, an option or an argument that is not there fails the test above."""
    with pytest.raises((click.ClickException, AssertionError)):
        for call in calls(line):
            assert not isinstance(understand(call, whole=True), click.Group)


def test_every_command_is_written_about() -> None:
    """Each command of the program stands somewhere in the documentation."""
    written = {understand(call, whole=False) for _, call in (*_blocks(), *_spans())}

    missing = sorted(path for path, command in _commands(contrada, "contrada") if command not in written)

    assert missing == []


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from _commands(found, f"{path} {name}")
