"""What was noted once and for good: that an officer was told, that a key or a statement is the unit's own.

Owns these rows of the table `meta`, and their names. Every function runs in the worker's thread; `note`
expects an open transaction, which has the alarm as well: who is killed between both does neither.
"""

from __future__ import annotations

from clients.daemon.store.database import Store
from protocol.identifiers import Digest, KeyId, Millis

Note = str
"""The name of a row."""


def told(what: Digest) -> Note:
    """An alarm was raised about this statement, or record."""
    return f"told:{what.hex()}"


def told_end(kid: KeyId) -> Note:
    """An alarm was raised about the end of this key."""
    return f"told-end:{kid.hex()}"


def told_certificate(whose: str, until: Millis) -> Note:
    """An alarm was raised about the certificate of `own` or `broker` that ends then."""
    return f"told-certificate:{whose}:{until}"


def own_identity(kid: KeyId) -> Note:
    """This unit has signed with this key."""
    return f"own-identity:{kid.hex()}"


def own_statement(what: Digest) -> Note:
    """This daemon has made this statement."""
    return f"own-statement:{what.hex()}"


def note(store: Store, what: Note) -> bool:
    """Note it; whether it was not noted before."""
    return store.write("INSERT OR IGNORE INTO meta VALUES (?, '1')", what) == 1


def is_noted(store: Store, what: Note) -> bool:
    """Whether it was noted."""
    return store.row("SELECT 1 FROM meta WHERE key = ?", what) is not None
