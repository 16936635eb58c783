"""What every command promises, whatever it does."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
import pytest

from clients.cli.main import ADDED, COMMANDS
from clients.cli.main import contrada as root
from protocol.times import DURATION_WORDS, POINT_WORDS
from runtime.cli.command import Command, Group, Impact, tag_of
from runtime.cli.input_files import PathName
from runtime.cli.params import Duration, Moment, Term, Whole
from tests.cli.terminal import contrada


def _commands(group: Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, Group):
            yield " ".join((*path, name)), command
            yield from _commands(command, (*path, name))
        elif command is not None:
            yield " ".join((*path, name)), command


ALL = dict(_commands(root))
LEAVES = {name: command for name, command in ALL.items() if not isinstance(command, Group)}


def test_all_that_was_asked_for_is_there() -> None:
    """The commands of the exchange, by name."""
    expected = """
        audit fsck, audit mirror, audit prove consistency, audit prove inclusion, audit report, audit search,
        audit verify checkpoint, audit verify directory, audit verify message, audit verify receipt,
        ledger check, ledger erase, ledger export, ledger gap, ledger init, ledger policy, ledger put-back, ledger record, ledger run,
        router init, router renew, router run, router signer, token check, token init, token move, token show, centre appoint, centre keys, centre renew,
        centre agree ls, centre agree to, centre act auditor-access, centre act break-glass, centre act policy-change, centre audit, centre console init, centre console link, centre console run, centre enrol, centre invite, centre invited, centre lost-keys, centre uninvite,
        centre init, centre quarantine ls, centre quarantine release, centre quarantine show, centre quota ls, centre quota set, centre resume,
        centre alarms ack, centre alarms close, centre alarms ls, centre check, centre top, centre watch, debug bundle,
        centre certificate, centre revoke, centre status, centre suspend, centre topics apply, centre topics end-hanging, centre topics hanging, centre topics plan, centre units, completion, demo,
        errors ls, errors show, inbox ack, inbox answer, inbox ls, inbox refuse, inbox show, keys rotate,
        keys show, message proof, message receipt, message trace, outbox again, outbox ls, outbox show,
        policy apply, policy diff, policy show, policy test, request,
        route explain, send, unit alarms ack, unit alarms ls, unit certificate request, unit certificate take, unit check, unit init, unit join, unit run, unit status, units ls, units show, witness init, witness run, witness status"""

    assert sorted(" ".join(name.split()) for name in expected.split(",")) == sorted(LEAVES)


@pytest.mark.parametrize("name", LEAVES)
def test_a_command_has_examples_a_tag_and_json(name: str) -> None:
    """A command shows lines to copy, says what it may change, and speaks JSON."""
    command = LEAVES[name]

    assert isinstance(command, Command)
    assert command.impact in Impact
    assert command.examples
    assert any(name in example for example in command.examples)
    assert "--json" in {opt for param in command.params for opt in param.opts}
    assert command.help and command.short_help


@pytest.mark.parametrize("name", LEAVES)
def test_numbers_and_paths_are_refused_in_our_words(name: str) -> None:
    """No number has the library's complaint, and no empty path is the directory that one is in."""
    for param in (*LEAVES[name].params, *root.params):
        if isinstance(param.type, click.types.IntParamType):
            assert isinstance(param.type, Whole)
        if isinstance(param.type, click.Path):
            assert isinstance(param.type, PathName)
            with pytest.raises(click.BadParameter, match="it is empty; expected a path"):
                param.type.convert("", param, None)


@pytest.mark.parametrize("name", LEAVES)
def test_times_are_explained_in_the_same_words_everywhere(name: str) -> None:
    """Whatever takes a time takes the one grammar, and its help says so; nothing else counts in seconds."""
    command = LEAVES[name]
    with click.Context(command, **command.context_settings) as context:  # whose options of help are kept
        words = " ".join(command.get_help(context).split())
    for param in command.params:
        if isinstance(param.type, Moment):
            assert f"MOMENT {POINT_WORDS}" in words
        elif isinstance(param.type, Duration):
            assert f"DURATION {DURATION_WORDS}" in words
        elif isinstance(param.type, Term):
            assert all(word in words for word in (f"TERM {Term.words}", "MOMENT a date", "DURATION a length"))
        else:
            assert not isinstance(param.type, click.DateTime | click.types.FloatParamType)
            assert TIMELY.isdisjoint(param.opts)


TIMELY = {
    "--since",
    "--until",
    "--at",
    "--wait-for",
    "--timeout",
    "--expires",
    "--review",
    "--h3-delete-by",
    "--compromised-since",
}


@pytest.mark.parametrize("name", LEAVES)
def test_a_command_takes_what_it_declares(name: str) -> None:
    """Every option arrives in the function behind the command, and every argument of it is given."""
    callback = LEAVES[name].callback
    assert callback is not None
    wanted = inspect.signature(inspect.unwrap(callback)).parameters
    # The first is the invocation or the context.
    names = list(wanted)[1:]
    given = [param.name for param in LEAVES[name].params if param.expose_value]
    takes_rest = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in wanted.values())
    required = [n for n in names if wanted[n].kind is not inspect.Parameter.VAR_KEYWORD]

    assert set(required) <= set(given)
    assert takes_rest or set(given) == set(required)


@pytest.mark.parametrize("name", ALL)
def test_the_listing_says_what_the_command_says(name: str) -> None:
    """Tag and short text in the lazy tables are those of the commands."""
    *parents, last = name.split()
    group = root if not parents else ALL[" ".join(parents)]
    assert isinstance(group, Group)
    row = group.lazy.get(last)

    assert row is None or (row.short, row.impact or "") == (ALL[name].short_help, tag_of(ALL[name]))


@pytest.mark.parametrize("name", ["", *ALL])
def test_help_is_printed(name: str) -> None:
    """Help goes to stdout and ends in 0."""
    seen = contrada(*name.split(), "--help")

    assert (seen.exit, seen.err) == (0, "")
    assert seen.out.startswith(f"Usage: contrada {name}".rstrip())
    assert isinstance(ALL.get(name, root), Group) or "Examples:\n  $ " in seen.out


def test_no_added_command_takes_our_names() -> None:
    """What is installed beside us cannot stand in for one of our commands."""
    context = click.Context(root)

    assert len(set(root.list_commands(context))) == len(root.list_commands(context))
    assert set(COMMANDS) <= set(root.list_commands(context))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_names_program_and_variable(shell: str) -> None:
    """The script names our program and our variable."""
    seen = contrada("completion", shell)

    assert seen.exit == 0
    assert "_CONTRADA_COMPLETE" in seen.out


def test_what_others_add_is_described_in_their_own_words() -> None:
    """The line that lists an added command is the one that it has itself."""
    context = click.Context(root)
    for name, words in ADDED.items():
        found = root.get_command(context, name)
        assert found is not None
        assert found.short_help == words
