"""`contrada unit certificate`: a key of the unit's own for the way to Kafka, and its certificate."""
# ruff: noqa: PLC0415 - the work is imported when it is done, so that --help is quick

from __future__ import annotations

from pathlib import Path

import click

from runtime.cli.command import Impact, Invocation, command, group, pass_invocation
from runtime.cli.confirm import confirm
from runtime.cli.input_files import PathName
from runtime.cli.render import Column, moment, say, write_details

certificate = group("certificate", short="the unit's own key for Kafka, and its certificate")

REQUEST = (
    Column("party", "party"),
    Column("request", "request"),
    Column("key", "key"),
    Column("fingerprint", "fingerprint"),
)
ANSWER = (
    Column("party", "party"),
    Column("until", "until", moment),
    Column("authority", "authority"),
    Column("certificate", "certificate"),
)


@command(
    certificate,
    "request",
    impact=Impact.WRITES,
    short="make the next key for Kafka, and the request for its certificate",
    examples=(
        "contrada --home ./fr unit certificate request --out unit-fr.request",
        "contrada --home ./fr unit certificate request --same-key --out unit-fr.request",
    ),
)
@click.option("--out", type=PathName(path_type=Path), required=True, metavar="FILE", help="The request.")
@click.option("--same-key", is_flag=True, help="Keep the present key, whose fingerprint the centre knows.")
@pass_invocation
def certificate_request(invocation: Invocation, *, out: Path, same_key: bool) -> None:
    """Make a key with which this unit shows Kafka who it is, and write the request for its certificate.

    The private key never leaves the unit, and the present pair counts until the answer is taken. Asked twice
    before that, it is the same key. The centre signs the request once you have read the fingerprint to it.
    """
    from clients.cli.unit_certificate import ask_for_certificate

    done = ask_for_certificate(invocation, out=out, same_key=same_key)
    write_details(done, REQUEST, as_json=invocation.json)
    say(f"hint: bring the request to the centre: contrada centre certificate {done['party']} --request {out}")
    say("hint: read the fingerprint to the centre over the telephone")


@command(
    certificate,
    "take",
    impact=Impact.WRITES,
    short="put the certificate that the centre has given beside its key",
    examples=("contrada --home ./fr unit certificate take ./unit-fr-answer",),
)
@click.argument("answer", metavar="DIR", type=PathName(path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask whether an authority is the right one.")
@pass_invocation
def certificate_take(invocation: Invocation, *, answer: Path, yes: bool) -> None:
    """Take the centre's answer: DIR with ca.pem and certificate.pem. A running daemon goes on with it.

    It is taken only for a key that lies here, for this unit's name, and from the authority that this unit
    believes. The first time there is none yet: compare its fingerprint with the centre.
    """
    from clients.cli.unit_certificate import look_at_answer, take_answer

    found = look_at_answer(invocation, answer)
    if not found["is_known"]:
        if not invocation.json:
            write_details(found, ANSWER, as_json=False)
        confirm("is this the fingerprint of the centre's authority", yes=yes)
    write_details(take_answer(invocation, answer), ANSWER, as_json=invocation.json)
