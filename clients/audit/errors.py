"""What a source of a ledger does that an honest one would not, beside the errors of runtime/errors.py.

    ContradaError
    └── ProcessError
        ├── NotVerified
        │   ├── LogForked      the log signed another history than the copy has
        │   ├── LogWentBack    what is shown is older than what was shown before
        │   └── LogWithheld    what must be there is not shown
        └── NotFound
            └── SourceEmpty    nothing is shown of what the policy names, and nothing was copied before

Rule: absence is told apart. A log that the policy names for a coming half-year, and that no other log refers
to, is not there yet; one that was copied before, or that the next one continues, is withheld.
"""

from __future__ import annotations

from runtime.errors import NotFound, NotVerified


class LogForked(NotVerified):
    """The log signed another history than the copy has."""

    code = "E_LOG_FORK"


class LogWentBack(NotVerified):
    """What a source shows is older than what it has shown before."""

    code = "E_LOG_ROLLBACK"


class LogWithheld(NotVerified):
    """A source does not show what must be there."""

    code = "E_LOG_WITHHELD"


class SourceEmpty(NotFound):
    """A source shows nothing of what the policy names."""

    code = "E_SOURCE_EMPTY"
