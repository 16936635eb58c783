"""The identity of a unit, router or ledger: the key that it signs with, and the one that follows it.

    <name>.key         the signing identity          identity.key
    <name>-next.key    its successor, until it signs identity-next.key

Owns both files. The next key is named by the present one (succession.py), or appointed by a registrar; either
way this process signs with it only once the directory has it, and then without a restart. Rules:
- A key is written before anything is published of it, and none is overwritten before its successor is in the
  directory: a crash in between loses nothing.
- Several processes may share the files: whoever finds the successor made uses that one.
"""

from __future__ import annotations

from pathlib import Path

from keys.appointments.succession import succession, successor_end
from keys.directory import Directory
from keys.errors import KeyFileExists, KeyFileMissing, KeyStoreError
from keys.key_files import read_identity, write_identity
from keys.lifecycle import OVERLAP, takes_over
from keys.possession import appoint
from keys.secrecy import Guarded
from keys.soft_keys import SoftIdentity
from keys.statement_types import Appointment, StatementType
from keys.store import move_private
from keys.unlock import Secret
from protocol.identifiers import Entropy, Millis, UnitId
from protocol.parties import IdentityKey
from protocol.public_keys import IdentityPublic


class OwnIdentity(Guarded):
    """A signing identity that is exchanged while it is used. A `protocol.signatures.Signer`.

    One signature is made without a pause between its halves, on the loop on which `adopt` is called: so both
    are by one key.
    """

    __slots__ = ("_entropy", "_identity", "_path", "_secret", "_stated")

    def __init__(self, path: Path, *, secret: Secret, entropy: Entropy) -> None:
        self._path = path
        self._secret = secret
        self._entropy = entropy
        self._identity = read_identity(path, secret=secret)
        self._stated: bytes | None = None

    @property
    def name(self) -> UnitId:
        """The unit, router or ledger whose identity it is."""
        return self._identity.name

    @property
    def present(self) -> SoftIdentity:
        """The present key."""
        return self._identity

    @property
    def public(self) -> IdentityPublic:
        """The public half of the present key."""
        return self._identity.public

    def sign_ed25519(self, message: bytes) -> bytes:
        """64 bytes, RFC 8032."""
        return self._identity.sign_ed25519(message)

    def sign_ml_dsa_65(self, message: bytes) -> bytes:
        """3309 bytes, FIPS 204, hedged."""
        return self._identity.sign_ml_dsa_65(message)

    @property
    def next_path(self) -> Path:
        """Where the successor lies until it signs."""
        return self._path.with_name(f"{self._path.stem}-next{self._path.suffix}")

    def made_successor(self) -> SoftIdentity:
        """The next key: the one that waits, or a new one."""
        while True:
            try:
                return read_identity(self.next_path, secret=self._secret)
            except KeyFileMissing:
                made = SoftIdentity.generate(self.name, self._entropy)
            try:
                write_identity(self.next_path, made, secret=self._secret, entropy=self._entropy)
            except KeyFileExists:
                continue  # another process was faster
            return made

    def appointment(self, stype: StatementType, *, now: Millis, lifetime: int) -> Appointment:
        """The next key, for a registrar to appoint."""
        made = self.made_successor()
        until = Millis(now + lifetime)
        return appoint(stype, self.name, signer=made, not_before=now, not_after=until)

    def succession(self, now: Millis, *, directory: Directory, lifetime: int) -> bytes | None:
        """The statement that names the next key, if it is time; the same bytes until the directory has it."""
        present = self._known(self.public, directory)
        if present is None:
            return None
        until = successor_end(present, directory=directory, now=now, lifetime=lifetime)
        if until is None:
            self._stated = None
        elif self._stated is None:
            self._stated = succession(
                self.name, present=self._identity, successor=self.made_successor(), now=now, until=until
            )
        return self._stated

    def adopt(self, now: Millis, *, directory: Directory, overlap: int = OVERLAP) -> IdentityPublic | None:
        """Sign with the next key from its time on; returns the one before, if it is exchanged now."""
        present = self._known(self.public, directory)
        for path in (self.next_path, self._path):
            # Behind the second lies the next key where another process has put it there.
            found = self._read(path)
            known = None if found is None else self._known(found.public, directory)
            if found is None or known is None or found.public == self.public:
                continue
            if takes_over(known, present, now, overlap=overlap):
                if path == self.next_path:
                    move_private(path, self._path)
                before, self._identity, self._stated = self.public, found, None
                return before
        return None

    def has(self, public: IdentityPublic) -> bool:
        """Whether this key lies here, or signs."""
        try:
            lying = [self._read(path) for path in (self.next_path, self._path)]
        except KeyStoreError:
            lying = []
        return public == self.public or any(found is not None and found.public == public for found in lying)

    def _read(self, path: Path) -> SoftIdentity | None:
        if not path.exists():
            return None
        try:
            return read_identity(path, secret=self._secret)
        except KeyFileMissing:
            return None  # another process has just moved it

    def _known(self, public: IdentityPublic, directory: Directory) -> IdentityKey | None:
        party = directory.party(public.kid)
        return next((key for key in party if key.unit == self.name and key.public == public), None)
