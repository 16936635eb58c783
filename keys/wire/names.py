"""The names of a party's files for the way to Kafka. Light: read before any library is."""

from __future__ import annotations

from typing import Final

CA_FILE: Final = "ca.pem"
CERTIFICATE_FILE: Final = "certificate.pem"
KEY_FILE: Final = "key.pem"
BROKER_FILE: Final = "broker.pem"
