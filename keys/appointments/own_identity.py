"""The identity of a unit, router or ledger: the key that it signs with, and the one that follows it.

    <name>.key         the signing identity          identity.key
    <name>-next.key    its successor, until it signs identity-next.key

Owns both files. The next key is named by the present one (succession.py), or appointed by a registrar; either
way this process signs with it only once the directory has it, and then without a restart. Rules:
- A key is written before anything is published of it, and none is overwritten before its successor is in the
  directory: a crash in between loses nothing.
- Several processes may share the files: whoever finds the successor made uses that one. So they are looked at
  anew each time; a file of the same bytes has the same key, and its public half is remembered.
"""

from __future__ import annotations

from pathlib import Path

from keys.appointments.succession import succession, successor_end
from keys.directory import Directory
from keys.errors import KeyFileExists, KeyFileMissing, KeyStoreError
from keys.key_files import make_identity, read_identity
from keys.lifecycle import OVERLAP, takes_over
from keys.possession import appoint
from keys.secrecy import Guarded
from keys.soft_keys import PrivateIdentity
from keys.statement_types import Appointment, StatementType
from keys.store import move_private, read_private
from keys.unlock import Secret
from protocol.identifiers import Digest, Entropy, Millis, UnitId, digest
from protocol.parties import IdentityKey
from protocol.public_keys import IdentityPublic


class OwnIdentity(Guarded):
    """A signing identity that is exchanged while it is used. A `protocol.signatures.Signer`.

    One signature is made without a pause between its halves, on the loop on which `adopt` is called: so both
    are by one key.
    """

    __slots__ = ("_entropy", "_identity", "_lying", "_path", "_secret", "_stated")

    def __init__(self, path: Path, *, secret: Secret, entropy: Entropy) -> None:
        self._path = path
        self._secret = secret
        self._entropy = entropy
        self._identity = read_identity(path, secret=secret)
        self._stated: bytes | None = None
        self._lying: dict[Path, tuple[Digest, IdentityPublic]] = {}

    @property
    def name(self) -> UnitId:
        """The unit, router or ledger whose identity it is."""
        return self._identity.name

    @property
    def present(self) -> PrivateIdentity:
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

    def made_successor(self) -> PrivateIdentity:
        """The next key: the one that waits, or a new one."""
        while True:
            try:
                return read_identity(self.next_path, secret=self._secret)
            except KeyFileMissing:
                pass
            try:
                return make_identity(self.next_path, self.name, secret=self._secret, entropy=self._entropy)
            except KeyFileExists:
                continue  # another process was faster

    def reach(self) -> None:
        """`KeyAway` where it could not sign now."""
        self._identity.reach()

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
            public = self._public_in(path)
            known = None if public is None or public == self.public else self._known(public, directory)
            if known is None or not takes_over(known, present, now, overlap=overlap):
                continue
            found = self._read(path)
            if found is not None and found.public == public:
                if path == self.next_path:
                    move_private(path, self._path)
                before, self._identity, self._stated = self.public, found, None
                return before
        return None

    def has(self, public: IdentityPublic) -> bool:
        """Whether this key lies here, or signs."""
        try:
            lying = [self._public_in(path) for path in (self.next_path, self._path)]
        except KeyStoreError:
            lying = []
        return public == self.public or public in lying

    def _public_in(self, path: Path) -> IdentityPublic | None:
        """The public half of the key in this file; None where there is none."""
        if not path.exists():
            return None
        try:
            content = digest(read_private(path))
        except KeyFileMissing:
            return None  # another process has just moved it
        before = self._lying.get(path)
        if before is not None and before[0] == content:
            return before[1]
        found = self._read(path)
        if found is None:
            return None
        self._lying[path] = content, found.public
        return found.public

    def _read(self, path: Path) -> PrivateIdentity | None:
        if not path.exists():
            return None
        try:
            return read_identity(path, secret=self._secret)
        except KeyFileMissing:
            return None  # another process has just moved it

    def _known(self, public: IdentityPublic, directory: Directory) -> IdentityKey | None:
        party = directory.party(public.kid)
        return next((key for key in party if key.unit == self.name and key.public == public), None)
