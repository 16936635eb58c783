"""The ledger's trust: its own keys for its own logs, and the witnesses of its policy file.

Owns what the ledger knows of its keys. Its own policy names every log that it has, past shards and coming
ones; the file that it gives to others names some years of them. Rule: the witnesses and the quorum come from
that file alone, so that the ledger and its readers cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from keys.note_keys import NoteKey, NoteSigner
from protocol.errors import Rejected
from protocol.limits import MAX_POLICY_TEXT
from protocol.tlog.notes import VerifierKey
from protocol.tlog.policy import Policy, PolicyLog, parse_policy
from runtime.bounded import read_bounded
from runtime.errors import Misconfigured


@dataclass(slots=True)
class OwnKeys:
    """The keys of the ledger's logs, each loaded once."""

    key: NoteKey
    _signers: dict[str, Sequence[NoteSigner]] = field(default_factory=dict)

    def signers(self, origin: str) -> Sequence[NoteSigner]:
        """With what this log signs."""
        known = self._signers.get(origin)
        if known is None:
            known = self._signers[origin] = self.key.signers(origin)
        return known

    def vkeys(self, origin: str) -> Sequence[VerifierKey]:
        """The public halves."""
        return [signer.verifier for signer in self.signers(origin)]


def read_policy_file(path: Path) -> Policy:
    """The policy file."""
    try:
        return parse_policy(read_bounded(path, MAX_POLICY_TEXT, what="a policy"))
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be read ({error.strerror})", hint="'contrada ledger init' writes it"
        ) from None
    except Rejected as rejected:
        raise Misconfigured(
            f"{path} is not a policy: {rejected.sentence}", hint="correct that line"
        ) from None


def own_policy(keys: OwnKeys, origins: Sequence[str], file: Policy) -> Policy:
    """The policy by which the ledger checks itself.

    Refuses a file that names other keys for the ledger's logs.
    """
    for origin in origins:
        stated = file.log_keys(origin)
        if stated and {key.public for key in stated} != {key.public for key in keys.vkeys(origin)}:
            raise Misconfigured(
                f"the policy names other keys for {origin} than ours",
                hint="this note key or this policy is another ledger's: restore the one that fits",
            )
    logs = tuple(PolicyLog(key) for origin in origins for key in keys.vkeys(origin))
    return Policy(logs, file.witnesses, file.groups, file.quorum)
