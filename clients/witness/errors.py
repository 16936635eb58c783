"""The errors of the witness, beside `HomeError` and `AlreadyRunning`, which it shares with the unit's daemon.

    ContradaError
    └── WitnessError
        ├── StateUnavailable   what the witness keeps cannot be read or written: nothing is signed
        ├── StateLost          what the witness must remember is not there: nothing may be signed any more
        └── SourceUnavailable  the log's tiles cannot be had, and this witness signs only what it mirrors

`status` is the HTTP status of the answer. No message carries content.
"""

from __future__ import annotations

from protocol.errors import ContradaError


class WitnessError(ContradaError):
    """The root of this package's errors."""

    code = "E_WITNESS"
    status = 500


class StateUnavailable(WitnessError):
    """The state cannot be read or written now. Nothing was signed; the log may ask again."""

    code = "E_STORE"
    status = 503

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the witness's state cannot be used ({what})", hint="check the disk and the rights of its home"
        )


class StateLost(WitnessError):
    """Without its memory a witness would sign a fork without knowing. A person must decide."""

    code = "E_STATE_LOST"


class SourceUnavailable(WitnessError):
    """The tiles of the log are not to be had, or not in time."""

    code = "E_TILES"
    status = 503
