"""The command and group classes, on Click: examples first, a tag for what may change, loading on demand.

Owns the layout of `--help`, the options that every command has, and the lazy tables. Rule: this module and
everything that declares commands import nothing heavy; a command imports what it needs when it runs, so
that `--help` stays under 150 ms.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

from runtime.cli.input_files import PathName
from runtime.cli.pipes import reader_watched
from runtime.kafka.addresses import SERVERS_WORDS, servers_fault
from runtime.kafka.security.access import Unguarded

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_DIRECTORY = PathName(path_type=Path)
WORDS = click.Choice([Unguarded.PLAIN.value, Unguarded.TUNNEL.value])
JSON_HELP = "Print JSON on stdout, and errors as JSON on stderr."

Function = TypeVar("Function", bound=Callable[..., object])


class Impact(StrEnum):
    """What a command may change, as its tag in every listing says."""

    READS = "ro"
    WRITES = "rw"


@dataclass(slots=True)
class Invocation:
    """What was asked for on the command line as a whole."""

    home: Path | None = None
    kafka: str | None = None
    kafka_tls: Path | None = None
    """The directory with the certificate for Kafka; without one, as the home says."""

    kafka_security: str | None = None
    """The word for a way without one; without either, as the home says."""

    kafka_was_typed: bool = False
    """Given as an option, not inherited from the environment."""

    json: bool = False
    """Whether data and errors are JSON, in either form."""

    jsonl: bool = False
    """Whether the JSON is one object for each line."""

    wide: bool = False
    """Whether a terminal is written to as a pipe is."""

    color: bool = True


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


class _Helpful(click.Command):
    """What has a help, which is written as all else: a full disk or a closed stdout is told alike."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """The option, as Click makes it."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.callback = _show_help
        return option


def _show_help(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - Click's signature
    if value and not ctx.resilient_parsing:
        from runtime.cli.render import write_as_is  # noqa: PLC0415 - only when asked; it imports this module

        for line in ctx.get_help().splitlines():
            write_as_is(line)
        ctx.exit()


class Command(_Helpful):
    """A command with examples, a tag and `--json`."""

    def __init__(
        self, *args: Any, impact: Impact, examples: Sequence[str], json_help: str = JSON_HELP, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.impact = impact
        self.examples = tuple(examples)
        self.params = [*self.params, *_common_options(json_help)]

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; a command that only reads ends as soon as nobody reads what it says."""
        if self.impact is not Impact.READS:
            return super().invoke(ctx)
        with reader_watched():
            return super().invoke(ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, then examples, then the text: a reader looks for the line to copy."""
        self.format_usage(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}$ {example}\n")
        self.format_help_text(ctx, formatter)
        self.format_arguments(ctx, formatter)
        self.format_options(ctx, formatter)
        self.format_words(formatter)
        self.format_epilog(ctx, formatter)

    def format_words(self, formatter: click.HelpFormatter) -> None:
        """What the types of the options take, in the words of the type: the same at every command."""
        words = {
            each.type.name.upper(): each.type.words for each in self.params if hasattr(each.type, "words")
        }
        if words:
            with formatter.section("Where"):
                formatter.write_dl(sorted(words.items()))


@dataclass(frozen=True, slots=True)
class Lazy:
    """A command that is imported when it is used: where it is, its tag, and its line in the listing."""

    target: str
    impact: Impact | None
    short: str

    def load(self) -> click.Command:
        """Import it."""
        module, _, attribute = self.target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.target} is not a command")
        return command


class Group(_Helpful, click.Group):
    """A group that shows the tags, and knows some commands by their place only."""

    def __init__(self, *args: Any, lazy: Mapping[str, Lazy] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lazy: dict[str, Lazy] = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """The lazy ones in the order of their table, then the rest in the order of their declarations.

        The one to begin with stands first.
        """
        return [*self.lazy, *(name for name in self.commands if name not in self.lazy)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported if need be."""
        row = self.lazy.get(cmd_name)
        return super().get_command(ctx, cmd_name) if row is None else row.load()

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As Click does, but suggest lazy commands too."""
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(
                error.command_name, possibilities=self.list_commands(ctx), ctx=ctx
            ) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each: name, tag, what it does. Nothing lazy is imported for it."""
        lines = [(name, *self.describe(ctx, name)) for name in self.list_commands(ctx)]
        if lines:
            with formatter.section("Commands (ro reads, rw changes something)"):
                formatter.write_dl([(name, f"{tag:<2}  {short}") for name, tag, short in lines])

    def describe(self, ctx: click.Context, name: str) -> tuple[str, str]:
        """Tag and short text of one of the commands."""
        row = self.lazy.get(name)
        if row is not None:
            return row.impact or "", row.short
        known = self.get_command(ctx, name)
        return ("", "") if known is None else (tag_of(known), known.short_help or "")


def tag_of(command: click.Command) -> str:
    """The command's tag; nothing for a group, whose commands have their own."""
    return command.impact.value if isinstance(command, Command) else ""


def command(
    group: click.Group | None,
    name: str,
    *,
    impact: Impact,
    short: str,
    examples: Sequence[str],
    json_help: str = JSON_HELP,
) -> Callable[[Function], Command]:
    """Declare a command; its docstring is the text of `--help`. Without a group, the caller adds it."""

    def declare(function: Function) -> Command:
        made = click.command(
            name,
            cls=Command,
            impact=impact,
            examples=examples,
            json_help=json_help,
            short_help=short,
            context_settings=CONTEXT_SETTINGS,
        )(function)
        if group is not None:
            group.add_command(made)
        return made

    return declare


def group(name: str, *, short: str, text: str | None = None, lazy: Mapping[str, Lazy] | None = None) -> Group:
    """A group of commands about one noun. `text` is for its own `--help`, where that says more."""
    return Group(name, short_help=short, help=text or short, lazy=lazy, context_settings=CONTEXT_SETTINGS)


def _common_options(json_help: str) -> list[click.Parameter]:
    """`--json`, and the global options again, so that they may stand at the end of the line as well."""
    return [
        click.Option(
            ["--json", "as_json"],
            is_flag=True,
            expose_value=False,
            callback=_set_json,
            help=json_help,
        ),
        click.Option(
            ["--jsonl", "as_jsonl"],
            is_flag=True,
            expose_value=False,
            callback=_set_jsonl,
            help="The same, one object for each line.",
        ),
        click.Option(["--wide"], is_flag=True, expose_value=False, callback=set_wide, hidden=True),
        click.Option(["--no-color"], is_flag=True, expose_value=False, callback=set_no_color, hidden=True),
        click.Option(["--home"], type=_DIRECTORY, expose_value=False, callback=set_named, hidden=True),
        click.Option(["--kafka"], expose_value=False, callback=set_kafka, hidden=True),
        click.Option(["--kafka-tls"], type=_DIRECTORY, expose_value=False, callback=set_named, hidden=True),
        click.Option(["--kafka-security"], type=WORDS, expose_value=False, callback=set_named, hidden=True),
    ]


def _set_json(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - Click's signature
    if value:
        ctx.ensure_object(Invocation).json = True


def _set_jsonl(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - Click's signature
    if value:
        invocation = ctx.ensure_object(Invocation)
        invocation.json = invocation.jsonl = True


def set_wide(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - Click's signature
    """Write to a terminal as to a pipe."""
    if value:
        ctx.ensure_object(Invocation).wide = True


def set_no_color(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - Click's signature
    """Draw without colours."""
    if value:
        ctx.ensure_object(Invocation).color = False


def set_named(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    """Take it from the option, under the name that both have."""
    if value is not None:
        setattr(ctx.ensure_object(Invocation), str(parameter.name), value)


def set_kafka(ctx: click.Context, parameter: click.Parameter, value: str | None) -> None:
    """Take the bootstrap servers from the option, and remember whether a person typed them."""
    if value is not None:
        fault = servers_fault(value)
        if fault is not None:
            raise click.BadParameter(f"{fault}; expected {SERVERS_WORDS}", ctx=ctx, param=parameter)
        invocation = ctx.ensure_object(Invocation)
        source = ctx.get_parameter_source(parameter.name or "")
        invocation.kafka = value
        invocation.kafka_was_typed = source is click.core.ParameterSource.COMMANDLINE
