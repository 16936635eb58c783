"""`contrada completion`: the completion script for a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from runtime.cli.command import Impact, command
from runtime.cli.render import write_as_is
from runtime.errors import NotFound


@command(
    None,
    "completion",
    impact=Impact.READS,
    short="the completion script for a shell",
    examples=(
        'eval "$(contrada completion bash)"',
        "contrada completion fish > ~/.config/fish/completions/contrada.fish",
    ),
)
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and options."""
    made = get_completion_class(shell)
    if made is None:
        raise NotFound(f"no completion for {shell}")
    root = ctx.find_root()
    for line in made(root.command, {}, "contrada", "_CONTRADA_COMPLETE").source().splitlines():
        write_as_is(line)
