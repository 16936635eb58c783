"""Certificates for the way to Kafka, for an exchange without an authority of its own (`centre certificate`).

Owns who may have one: the roles and units that rights are declared for, and the brokers. The authority is a
directory beside the centre's home, made by the first call; a second call for the same party exchanges its
files, and its connections take them as they come.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keys.store import prepare_directory, read_credential, write_private
from keys.unlock import CREDENTIAL_SIZE, Secret
from keys.wire.certificate_files import AUTHORITY_KEY, AUTHORITY_SECRET, Authority
from keys.wire.certificates import ends
from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import parse_unit_id
from protocol.limits import DAY
from runtime.cli.errors import BadInput
from runtime.process.clock import now

BROKER = "broker"


def give_certificate(
    party: str, *, authority: Path, secret: Path | None, out: Path, hosts: Sequence[str], days: int
) -> dict[str, Any]:
    """A new key and certificate for this party; returns what to report."""
    _check_party(party, hosts)
    made = _opened(authority, secret).issue_to(out, party, now=now(), lifetime=days * DAY, hosts=hosts)
    return {
        "party": party,
        "directory": str(out.absolute()),
        "authority": str(authority.absolute()),
        "until": ends(made.certificate),
    }


def _check_party(party: str, hosts: Sequence[str]) -> None:
    if party == BROKER:
        if not hosts:
            raise BadInput("a broker's certificate names its hosts", hint="say --host, once for each")
        return
    if hosts:
        raise BadInput("only a broker's certificate names hosts", hint="leave --host away")
    if party in (*topics.ROLES, *topics.SUPER_USERS):
        return
    try:
        parse_unit_id(party.removeprefix(topics.UNIT_PREFIX))
        known = party.startswith(topics.UNIT_PREFIX)
    except Rejected:
        known = False
    if not known:
        named = ", ".join((BROKER, "centre", *topics.ROLES))
        raise BadInput(f"{party!r} is nobody in Kafka", hint=f"one of {named}, or unit- and a unit's id")


def _opened(directory: Path, secret: Path | None) -> Authority:
    if (directory / AUTHORITY_KEY).exists():
        return Authority.load(directory, secret=_secret(directory, secret))
    prepare_directory(directory)
    if secret is None and not (directory / AUTHORITY_SECRET).exists():
        write_private(directory / AUTHORITY_SECRET, os.urandom(CREDENTIAL_SIZE), entropy=os.urandom)
    return Authority.make(directory, secret=_secret(directory, secret), now=now())


def _secret(directory: Path, secret: Path | None) -> Secret:
    return read_credential(secret or directory / AUTHORITY_SECRET)
