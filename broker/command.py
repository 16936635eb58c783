"""How the commands of the centre's processes look: examples first, `ro` or `rw`, `--json`.

Owns that look for router, ledger and audit: the same as that of the rest of the command line, which this
package must not import. What a command takes besides is its own. Rule: nothing heavy is imported here, nor
where commands are declared; a command imports its work when it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

CONTEXT_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
JSON_HELP = "Print JSON on stdout, and errors as JSON on stderr."
Function = TypeVar("Function", bound=Callable[..., object])


class Command(click.Command):
    """A command with examples, a tag and `--json`."""

    def __init__(
        self, *args: Any, tag: str, examples: Sequence[str], json_help: str = JSON_HELP, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.tag = tag
        self.examples = tuple(examples)
        self.params.append(click.Option(["--json", "as_json"], is_flag=True, help=json_help))

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Usage, examples, the words, the options."""
        self.format_usage(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"{'':>{formatter.current_indent}}$ {example}\n")
        self.format_help_text(ctx, formatter)
        self.format_options(ctx, formatter)


class Group(click.Group):
    """A group that shows what its commands may change."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line each: name, tag, what it does."""
        found = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        lines = [
            (name, f"{getattr(each, 'tag', ''):<2}  {each.short_help}")
            for name, each in found
            if each is not None
        ]
        with formatter.section("Commands (ro reads, rw changes something)"):
            formatter.write_dl(lines)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - Click's signature
        """In the order in which they were declared: the one to begin with stands first."""
        return list(self.commands)


def command(
    group: click.Group | None,
    name: str,
    *,
    tag: str,
    short: str,
    examples: Sequence[str],
    json_help: str = JSON_HELP,
) -> Callable[[Function], Command]:
    """Declare a command; its docstring is the text of `--help`. Without a group, somebody else adds it."""

    def declare(function: Function) -> Command:
        made = click.command(
            name,
            cls=Command,
            tag=tag,
            examples=examples,
            json_help=json_help,
            short_help=short,
            context_settings=CONTEXT_SETTINGS,
        )(function)
        if group is not None:
            group.add_command(made)
        return made

    return declare


def group(name: str, *, short: str, text: str | None = None) -> Group:
    """A group of commands about one noun. `text` is for its own `--help`, where that says more."""
    return Group(name, short_help=short, help=text or short, context_settings=CONTEXT_SETTINGS)
