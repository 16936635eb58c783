"""The errors of the centre's processes.

ContradaError
└── BrokerError
    ├── Unavailable       Kafka, the directory or the disk is not to be had now; trying again may help
    ├── Misconfigured     a setting is missing or wrong; trying again does not help
    ├── Exists            what is to be made is there already
    ├── NotThere          what is asked for is not there
    ├── StoreCorrupt      what the ledger has stored was altered or is not all there: a person must look
    └── RolledBack        what the ledger has stored is older than what it has published: the same
"""

from __future__ import annotations

from protocol.errors import ContradaError


class BrokerError(ContradaError):
    """The root of this package's errors."""

    code = "E_BROKER"


class Unavailable(BrokerError):
    """Something that the router needs is not to be had now."""

    code = "E_UNAVAILABLE"


class Misconfigured(BrokerError):
    """A setting is missing or wrong."""

    code = "E_CONFIG"


class Exists(BrokerError):
    """What is to be made is there already."""

    code = "E_CONFLICT"


class NotThere(BrokerError):
    """What is asked for is not there."""

    code = "E_NOT_FOUND"


class StoreCorrupt(BrokerError):
    """What the ledger has stored was altered, or is not all there."""

    code = "E_STORE_CORRUPT"


class RolledBack(BrokerError):
    """What the ledger has stored is older than what it has published."""

    code = "E_ROLLED_BACK"
