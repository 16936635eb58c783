"""How an auditor's command can end badly, beside the errors of protocol, keys and broker.

BrokerError
├── NotVerified       something does not verify; exit code 7
├── NotFound          what was asked for is not in this copy
└── AlreadyThere      a file would be written over
"""

from __future__ import annotations

from broker.errors import BrokerError


class NotVerified(BrokerError):
    """Something does not verify."""

    code = "E_VERIFICATION"


class NotFound(BrokerError):
    """What was asked for is not in this copy."""

    code = "E_NOT_FOUND"


class AlreadyThere(BrokerError):
    """A file would be written over."""

    code = "E_CONFLICT"
