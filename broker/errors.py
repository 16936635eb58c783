"""The errors of the centre's processes, beside those of runtime/errors.py that all processes share.

ContradaError
└── BrokerError
    ├── StoreCorrupt     what the ledger has stored was altered or is incomplete: an operator must look
    └── RolledBack       what the ledger has stored is older than what it has published: the same
"""

from __future__ import annotations

from protocol.errors import ContradaError


class BrokerError(ContradaError):
    """The root of this package's errors."""

    code = "E_BROKER"


class StoreCorrupt(BrokerError):
    """What the ledger has stored was altered, or is incomplete."""

    code = "E_STORE_CORRUPT"


class RolledBack(BrokerError):
    """What the ledger has stored is older than what it has published."""

    code = "E_ROLLED_BACK"
