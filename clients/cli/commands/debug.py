"""`contrada debug`: what somebody who helps needs to know, of a unit or of the centre."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.input_files import PathName
from runtime.cli.render import Column, say, write_table

debug = group("debug", short="what somebody who helps needs to know, without secrets")

PARTS = (Column("part", "PART"), Column("bytes", "BYTES"), Column("error", "NOT HAD", spare=1))


@command(
    debug,
    "bundle",
    impact=Impact.READS,
    short="gather versions, settings, offsets, metrics and logs into one file",
    examples=(
        "contrada --home ./centre debug bundle --out bundle.tar.gz",
        "contrada debug bundle --out bundle.tar.gz --log unit.log --no-kafka",
    ),
)
@click.option(
    "--out", type=PathName(path_type=Path), required=True, metavar="FILE", help="The archive to write."
)
@click.option(
    "--log", "logs", type=PathName(path_type=Path), multiple=True, metavar="FILE",
    help="A log as a process wrote it, or as journalctl -o cat prints it.",
)  # fmt: skip
@click.option("--no-kafka", is_flag=True, help="Ask Kafka nothing.")
@pass_invocation
def debug_bundle(invocation: Invocation, *, out: Path, logs: tuple[Path, ...], no_kafka: bool) -> None:
    """Gather what helps to find a fault, of a unit's home or the centre's, into an archive of yours alone.

    Only what is on a list goes in: numbers, codes, states, versions. Settings that are paths, addresses or
    names are told as set. No content, no key, no secret, no free text. What cannot be had is named.
    """
    from clients.cli.bundle.gathering import gather_bundle
    from runtime.files import write_new_file

    bundle = gather_bundle(invocation, logs=logs, with_kafka=not no_kafka)
    write_new_file(out, bundle.packed(), hint="name another file with --out", private=True)
    rows = [{"part": name, "bytes": len(data), "error": ""} for name, data in sorted(bundle.parts.items())]
    rows += [{"part": name, "bytes": 0, "error": error} for name, error in sorted(bundle.failed.items())]
    write_table(rows, PARTS, as_json=invocation.json, none="nothing")
    say(f"hint: look through {out} before you give it to anybody: tar -xOzf {out} | less")
