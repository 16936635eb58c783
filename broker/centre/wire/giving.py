"""Certificates for the way to Kafka, for an exchange without an authority of its own (`centre certificate`).

Owns who may have one: the roles and units that rights are declared for, and the brokers. The authority is a
directory beside the centre's home, made by the first call; a second call for the same party exchanges its
files, and its connections take them as they come.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from keys.store import prepare_directory, read_credential, write_private
from keys.unlock import CREDENTIAL_SIZE, Secret
from keys.wire.certificate_files import AUTHORITY_KEY, AUTHORITY_SECRET, Authority
from keys.wire.certificate_requests import MAX_REQUEST, key_fingerprint, requested_key
from keys.wire.certificates import ends
from keys.wire.given import read_given
from protocol import topics
from protocol.errors import Rejected
from protocol.identifiers import parse_unit_id
from protocol.limits import DAY
from runtime.bounded import read_bounded
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


@dataclass(frozen=True, slots=True)
class AskedCertificate:
    """A request that holds: a key, asked for by whoever has it."""

    party: str
    key: ec.EllipticCurvePublicKey
    is_known: bool
    """Whether this party's last certificate is for the same key: nobody has to compare it again."""

    def report(self) -> dict[str, Any]:
        """For the person who compares it."""
        return {"party": self.party, "fingerprint": key_fingerprint(self.key)}


def read_asked(party: str, file: Path, *, hosts: Sequence[str], authority: Path) -> AskedCertificate:
    """The request in this file, checked for the party that the operator has typed."""
    _check_party(party, hosts)
    if party in topics.SUPER_USERS:
        # Whoever could bring one of these in would have Kafka.
        raise BadInput(f"a {party}'s key is made here", hint="leave --request away")
    key = requested_key(read_bounded(file, MAX_REQUEST, what="a request for a certificate"), party)
    own = [given for given in read_given(authority) if given.party == party]
    return AskedCertificate(party, key, key_fingerprint(key) in {given.key for given in own})


def sign_request(
    asked: AskedCertificate, *, authority: Path, secret: Path | None, out: Path, days: int
) -> dict[str, Any]:
    """A certificate for the party's own key; returns what to report."""
    opened = _opened(authority, secret)
    made = opened.sign_request_to(out, asked.party, asked.key, now=now(), lifetime=days * DAY)
    return asked.report() | {
        "directory": str(out.absolute()),
        "authority": str(authority.absolute()),
        "until": ends(made),
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
