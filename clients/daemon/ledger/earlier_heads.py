"""A head that is smaller than the one that we hold: shown again, or a log that goes back.

Who can write to the topic can show again what was published, and a topic that came back from an older copy
is read again from some way back. Neither accuses the log. It went back if the head is none that its tree has
had, or if somebody signed it later than the head that we hold: nobody but the signers can change a signed
time (c2sp.org/tlog-cosignature).
"""

from __future__ import annotations

from clients.daemon.state.ledger_state import FollowedLog, Ledger
from protocol.errors import Rejected
from protocol.tlog.checkpoints import parse_checkpoint
from protocol.tlog.proofs import root_at
from protocol.tlog.publication import Publication
from protocol.tlog.tiles import smaller_from


def is_shown_again(ledger: Ledger, held: FollowedLog, publication: Publication) -> bool:
    """Whether this smaller head of a log, which its keys have signed, is one from before."""
    if publication.note is None:
        return False
    earlier = parse_checkpoint(publication.note)
    try:
        size = earlier.checkpoint.size
        root = root_at(size, smaller_from(held.tiles.read, size=held.follower.head.size))
    except Rejected:
        return False  # its leaves are not kept here any more
    shown = parse_checkpoint(held.follower.note)
    return root == earlier.checkpoint.root and not ledger.policy.signed_later(earlier, than=shown)
