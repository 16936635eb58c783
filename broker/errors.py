"""The errors of the centre's processes.

ContradaError
└── BrokerError
    ├── Unavailable       Kafka, the directory or the disk is not to be had now; trying again may help
    └── Misconfigured     a setting is missing or wrong; trying again does not help
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
