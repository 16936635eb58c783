"""The certificate that a process of the exchange shows Kafka: of its own role, and never the centre's.

    --kafka-tls shows the role already   its settings name these files
    ./centre-tls                         ./router-tls, ./ledger-tls beside it
    any other name                       tls/router, tls/ledger in the home

Owns which files the settings of a process name when it is founded. Where the authority of this exchange lies
here and opens, they are made; where not, the settings name where they are to be put. Rules: the centre is a
super user, and a router that is broken into must not be one; files of somebody else are never taken or
written over. What Kafka allows each role is protocol/topics.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature

from keys.store import read_credential
from keys.wire.certificate_files import AUTHORITY_KEY, AUTHORITY_SECRET, Authority
from keys.wire.certificates import LEAF_LIFETIME, Shown, read_shown
from runtime.bounded import read_bounded
from runtime.errors import Conflict, Misconfigured
from runtime.kafka.security.access import KafkaAccess, KafkaAddress, TlsFiles
from runtime.kafka.security.tls import MAX_CERTIFICATE_FILE
from runtime.process.clock import now

CENTRE: Final = "centre"
AUTHORITY_BESIDE: Final = "ca"


class Provision(StrEnum):
    """Where a process's files come from."""

    GIVEN = "given"
    """--kafka-tls names them."""
    KEPT = "kept"
    """They were there already."""
    MADE = "made"
    """The authority of this exchange has made them now."""
    MISSING = "missing"
    """Somebody has to put them there before the process starts."""


@dataclass(frozen=True, slots=True)
class ProcessFiles:
    """The files of one role, and what is to be done about them."""

    role: str
    access: KafkaAccess
    """The way to Kafka as this role."""

    provision: Provision
    authority: Path | None = None

    def make(self) -> None:
        """Make them, if the authority is to: not before everything else has been looked at."""
        if self.provision is Provision.MADE and self.authority is not None and self.access.tls is not None:
            authority = Authority.load(
                self.authority, secret=read_credential(self.authority / AUTHORITY_SECRET)
            )
            directory = self.access.tls.certificate.parent
            authority.issue_to(directory, self.role, now=now(), lifetime=LEAF_LIFETIME)

    def report(self) -> dict[str, str]:
        """For what the command prints: where the certificate is, and what the operator has to do for it."""
        if self.access.tls is None:
            return {}
        found = {"certificate": str(self.access.tls.certificate)}
        if self.provision is not Provision.MISSING:
            return found
        where = self.access.tls.certificate.parent
        return found | {
            "to_do": f"put the {self.role}'s ca.pem, certificate.pem and key.pem into {where} "
            f"before it starts: contrada centre certificate {self.role} --authority DIR --out {where}"
        }


def process_files(
    role: str, address: KafkaAddress, *, home: Path, authority: Path | None = None
) -> ProcessFiles:
    """The files of this role, beside those with which the founding command speaks to Kafka. Makes nothing."""
    access = KafkaAccess(address) if isinstance(address, str) else address
    files = access.tls
    if files is None:
        return ProcessFiles(role, access, Provision.GIVEN)
    shown = _shown(files)
    if shown.principal == role:
        return ProcessFiles(role, access, Provision.GIVEN)
    own = TlsFiles.below(_place(role, files, home))
    found = KafkaAccess(access.servers, own)
    if any(path.exists() for path in (own.ca, own.certificate, own.key)):
        _check_own(role, own)
        return ProcessFiles(role, found, Provision.KEPT)
    there = authority_here(files, authority)
    if there is None:
        return ProcessFiles(role, found, Provision.MISSING)
    return ProcessFiles(role, found, Provision.MADE, there)


def authority_here(files: TlsFiles, named: Path | None = None) -> Path | None:
    """The directory of the authority that has issued these files; None where it is not here, or is shut.

    Without a name it is looked for beside their directory. `Misconfigured` where one is named and is not it.
    """
    directory = named or files.certificate.absolute().parent.parent / AUTHORITY_BESIDE
    if not all((directory / name).exists() for name in (AUTHORITY_KEY, AUTHORITY_SECRET)):
        if named is not None:
            raise Misconfigured(
                f"{named} has no authority that opens here",
                hint=f"'contrada centre certificate' makes one, with {AUTHORITY_KEY} and {AUTHORITY_SECRET}",
            )
        return None
    authority = Authority.load(directory, secret=read_credential(directory / AUTHORITY_SECRET))
    try:
        _shown(files).certificate.verify_directly_issued_by(authority.credentials.certificate)
    except (ValueError, TypeError, InvalidSignature):
        if named is not None:
            raise Misconfigured(
                f"{named} is not the authority of {files.certificate}",
                hint="name the one that has issued it, or leave --authority away",
            ) from None
        return None
    return directory.absolute()


def _place(role: str, files: TlsFiles, home: Path) -> Path:
    shown = files.certificate.absolute().parent
    if CENTRE in shown.name:
        return shown.with_name(shown.name.replace(CENTRE, role))
    return home.absolute() / "tls" / role


def _check_own(role: str, files: TlsFiles) -> None:
    found = _shown(files).principal
    if found != role:
        raise Conflict(
            f"{files.certificate} is the certificate of {found}, and not the {role}'s",
            hint=f"move it away, or say --kafka-tls with a directory of the {role}'s own",
        )


def _shown(files: TlsFiles) -> Shown:
    try:
        return read_shown(read_bounded(files.certificate, MAX_CERTIFICATE_FILE, what="a certificate"))
    except (OSError, ValueError):
        raise Misconfigured(
            f"{files.certificate} is no certificate",
            hint="'contrada centre certificate' makes one: a PEM file",
        ) from None
