"""The private keys of one unit, in one directory: made, used, renewed and destroyed.

Owns their life; the directory of all units (directory.py) is passed in as `Parties`. Time comes in as an
argument. Nothing here publishes: what is to be published is returned.

A crash between writing a key and publishing it loses nothing: the signed statement lies in the key's own
file, and the same bytes are returned until the directory has them.
"""

from __future__ import annotations

from pathlib import Path

from keys import key_files
from keys.appointments.own_identity import OwnIdentity
from keys.directory import Directory
from keys.enrolment import request_enrolment, request_rotation
from keys.errors import KeyFileExists, KeyFileUnreadable
from keys.lifecycle import IDENTITY_LIFETIME, rotated_away
from keys.possession import appoint
from keys.secrecy import Guarded
from keys.soft_keys import SEED_SIZE, PrivateIdentity, SoftEpochKey, SoftOpener
from keys.statement_types import Appointment, EpochPublication, Revocation, StatementType
from keys.statements import issue, parse_statement
from keys.store import check_private_directory, prepare_directory
from keys.unlock import Secret
from protocol.epochs import epoch_of, is_to_be_destroyed, to_publish
from protocol.identifiers import Entropy, KeyId, Millis, UnitId
from protocol.parties import Parties
from protocol.public_keys import IdentityPublic
from protocol.signatures import Signer


class UnitKeys(Guarded):
    """The keys of one unit."""

    __slots__ = ("_directory", "_entropy", "_opener", "_own", "_secret", "_storage_key")

    def __init__(
        self, directory: Path, own: OwnIdentity, *, storage_key: bytes, secret: Secret, entropy: Entropy
    ) -> None:
        self._directory = directory
        self._own = own
        self._storage_key = storage_key
        self._secret = secret
        self._entropy = entropy
        self._opener = SoftOpener()

    @classmethod
    def create(cls, directory: Path, *, unit: UnitId, secret: Secret, entropy: Entropy) -> UnitKeys:
        """New keys in this directory; `KeyFileExists` if it has some."""
        prepare_directory(directory)
        storage_key = entropy(SEED_SIZE)
        # The identity goes last: with it there, everything is. Without it, an earlier call was interrupted.
        try:
            key_files.write_storage(directory, unit, key=storage_key, secret=secret, entropy=entropy)
        except KeyFileExists:
            storage_key = key_files.read_storage(directory, unit, secret=secret)
        path = directory / key_files.IDENTITY_FILE
        key_files.make_identity(path, unit, secret=secret, entropy=entropy)
        own = OwnIdentity(path, secret=secret, entropy=entropy)
        return cls(directory, own, storage_key=storage_key, secret=secret, entropy=entropy)

    @classmethod
    def load(cls, directory: Path, *, secret: Secret, entropy: Entropy) -> UnitKeys:
        """The keys in this directory."""
        check_private_directory(directory)
        own = OwnIdentity(directory / key_files.IDENTITY_FILE, secret=secret, entropy=entropy)
        storage_key = key_files.read_storage(directory, own.name, secret=secret)
        keys = cls(directory, own, storage_key=storage_key, secret=secret, entropy=entropy)
        keys.refresh()
        return keys

    @property
    def unit(self) -> UnitId:
        """Whose keys they are."""
        return self._own.name

    @property
    def signer(self) -> PrivateIdentity:
        """The unit's signing identity."""
        return self._own.present

    @property
    def is_apart(self) -> bool:
        """Whether a token is asked for signatures, which takes its time and may fail."""
        return self._secret.kind == "token"

    def reach(self) -> None:
        """`KeyAway` where the unit could not sign now."""
        self._own.reach()

    @property
    def opener(self) -> SoftOpener:
        """The unit's epoch keys. The same object for the life of this one, kept up to date."""
        return self._opener

    @property
    def storage_key(self) -> bytes:
        """32 bytes, over the unit's local database."""
        return self._storage_key

    def refresh(self) -> None:
        """Read epoch keys that another process has written meanwhile, and forget those it destroyed."""
        found = {kid: path for _, kid, path in key_files.epoch_files(self._directory)}
        for kid in self._opener.kids() - found.keys():
            self._opener.drop(kid)
        for kid in found.keys() - self._opener.kids():
            key = key_files.read_epoch(found[kid], secret=self._secret)
            if key.unit != self.unit:
                raise KeyFileUnreadable(f"{found[kid]} is a key of another unit", hint="move it away")
            self._opener.put(key)

    def ensure_epochs(self, now: Millis, *, parties: Parties | None = None) -> list[bytes]:
        """Make the missing epoch keys, and return the statements that are to be published.

        With the directory given, only those that it does not have; without, all of the running epoch and
        the next two, which does no harm either: a statement that is there already is ignored.
        """
        self.refresh()
        statements = (self._ensure_epoch(epoch, now, parties) for epoch in to_publish(now))
        return [statement for statement in statements if statement is not None]

    def lost_epochs(self, now: Millis, *, parties: Parties) -> tuple[KeyId, ...]:
        """Published keys that others may seal to now, and whose private half is not here: revoke them."""
        live = (parties.epoch_key_for(self.unit, epoch) for epoch in to_publish(now))
        return tuple(key.public.kid for key in live if key and key.public.kid not in self._opener.kids())

    def destroy_expired(self, now: Millis, *, seen: Millis | None = None) -> tuple[int, ...]:
        """Destroy the expired epoch keys, and return their epochs.

        `seen` is the latest time that a router's verified decision bore. With it, a local clock that has
        jumped ahead destroys nothing too early.
        """
        moment = now if seen is None else min(now, seen)
        gone = []
        for epoch, kid, path in list(key_files.epoch_files(self._directory)):
            if is_to_be_destroyed(epoch, moment):
                self._opener.drop(kid)
                key_files.destroy_epoch(path, entropy=self._entropy)
                gone.append(epoch)
        return tuple(gone)

    def enrolment_request(self, now: Millis, *, contact: str) -> bytes:
        """The request for enrolment, for a registrar, by a way that both trust."""
        made = self._appointment_of(self.signer, now)
        return request_enrolment(made, signer=self.signer, contact=contact, epochs=self.ensure_epochs(now))

    def rotation_request(self, now: Millis) -> bytes:
        """Make the next identity, if there is none waiting, and ask a registrar to appoint it."""
        successor = self._own.made_successor()
        made = self._appointment_of(successor, now)
        return request_rotation(made, successor=successor, predecessor=self.signer)

    def _appointment_of(self, identity: Signer, now: Millis) -> Appointment:
        return appoint(
            StatementType.IDENTITY,
            self.unit,
            signer=identity,
            not_before=now,
            not_after=Millis(now + IDENTITY_LIFETIME),
        )

    def succession(self, now: Millis, *, directory: Directory) -> bytes | None:
        """The statement by which the present identity names the next one, if it is time for it.

        The same bytes until the directory has it: what was published already is ignored there.
        """
        return self._own.succession(now, directory=directory, lifetime=IDENTITY_LIFETIME)

    @property
    def has_successor(self) -> bool:
        """Whether the next identity lies here, named or not."""
        return self._own.next_path.exists()

    def adopt_rotation(self, now: Millis, *, directory: Directory) -> IdentityPublic | None:
        """Sign with the next identity as soon as the directory has it; returns the one before, if so."""
        return self._own.adopt(now, directory=directory, overlap=0)

    def rotated_away(self, now: Millis, *, directory: Directory) -> tuple[KeyId, ...]:
        """Earlier identities of this unit whose overlap with the present one is over."""
        over = rotated_away(self.signer.public.kid, directory.identities(self.unit), now)
        return tuple(key.public.kid for key in over)

    def revoke(
        self, kid: KeyId, *, reason: str, now: Millis, compromised_since: Millis | None = None
    ) -> bytes:
        """A statement that withdraws one of the unit's own keys."""
        return issue(Revocation(self.unit, kid, reason, compromised_since), signer=self.signer, issued=now)

    def _ensure_epoch(self, epoch: int, now: Millis, parties: Parties | None) -> bytes | None:
        own = [key for key in self._opener.held() if key.epoch == epoch]
        if parties is not None:
            if parties.epoch_key_for(self.unit, epoch) is not None:
                return None
            own = [key for key in own if parties.epoch_key(self.unit, key.kid) is None]
        if not own:
            return self._state(SoftEpochKey.generate(self.unit, epoch, self._entropy), now).statement
        key = own[-1]
        # A statement by an identity that has been rotated away may be refused by now, and one of a week whose
        # quota somebody has used up is (statement_quota.py): sign it again. So is one of an identity that was
        # appointed with a cooling-off time, from before it counted.
        stated = parse_statement(key.statement).statement
        mine = None if parties is None else parties.identity(self.unit, self.signer.public.kid)
        rested = mine is not None and stated.issued < mine.not_before
        if rested or stated.issuer != self.signer.public.kid or epoch_of(stated.issued) < epoch_of(now):
            key = self._state(key, now, replace=True)
        return key.statement

    def _state(self, key: SoftEpochKey, now: Millis, *, replace: bool = False) -> SoftEpochKey:
        publication = EpochPublication(self.unit, key.epoch, key.public)
        stated = key.stated(issue(publication, signer=self.signer, issued=now))
        key_files.write_epoch(
            self._directory, stated, secret=self._secret, entropy=self._entropy, replace=replace
        )
        self._opener.put(stated)
        return stated
