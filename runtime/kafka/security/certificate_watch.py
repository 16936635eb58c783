"""When the certificates end with which a process and its brokers show each other who they are.

    own       as the file says now: a new one counts at once
    brokers   as each showed at the last handshake, the one that ends first; none before the first

Owns what is told of it: for /readyz, for gauges, for people. Rules: nothing waits for this, and nothing is
refused by it: TLS does that, when one has ended. Where Kafka is spoken to in plain there is nothing to tell.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from keys.wire.certificates import read_shown
from keys.wire.validity import Validity
from protocol.identifiers import Millis
from protocol.limits import DAY, SECOND
from runtime.bounded import read_bounded
from runtime.errors import Misconfigured, TooLarge
from runtime.kafka.security.access import KafkaAddress, TlsFiles, tls_files
from runtime.kafka.security.tls import MAX_CERTIFICATE_FILE, context_of

if TYPE_CHECKING:
    from prometheus_client import Gauge

EXCHANGE: Final = "exchange it: docs/runbooks/certificates.md"

Told = dict[str, object]


@dataclass(frozen=True, slots=True)
class CertificateWatch:
    """The certificates of one way to Kafka."""

    files: TlsFiles | None
    clock: Callable[[], Millis]

    @classmethod
    def at(cls, address: KafkaAddress, clock: Callable[[], Millis]) -> CertificateWatch:
        """Those of these servers."""
        return cls(tls_files(address), clock)

    def own(self) -> Validity | None:
        """The life of the certificate that this process shows; None without one that can be read."""
        if self.files is None:
            return None
        try:
            pem = read_bounded(self.files.certificate, MAX_CERTIFICATE_FILE, what="a certificate")
            return read_shown(pem).validity
        except (OSError, ValueError, TooLarge):
            return None  # between two files; the pair before is in use (runtime/kafka/security/tls.py)

    def brokers(self) -> Validity | None:
        """The life of the broker's that ends first; None before the first handshake."""
        if self.files is None:
            return None
        try:
            return min(list(context_of(self.files).seen.values()), default=None)
        except Misconfigured:
            return None

    def show(self, own: Gauge, brokers: Gauge) -> None:
        """Let these gauges say how many seconds are left; infinitely many where nothing can end."""
        own.set_function(lambda: self._seconds(self.own()))
        brokers.set_function(lambda: self._seconds(self.brokers()))

    def checks(self) -> dict[str, Told]:
        """For /readyz: only the own one, once it has ended, keeps a process from what it has to do."""
        found: dict[str, Told] = {}
        if (own := self.own()) is not None:
            found["certificate"] = {"ok": own.left(self.clock()) > 0, **self._told(own)}
            found["certificate"] |= self._advice("this process's certificate for Kafka", own)
        if (brokers := self.brokers()) is not None:
            found["broker_certificate"] = {"ok": True, **self._told(brokers)}
            found["broker_certificate"] |= self._advice("a broker's certificate", brokers)
        return found

    def _told(self, one: Validity) -> Told:
        return {"until": one.ends, "days_left": max(0, one.left(self.clock()) // DAY)}

    def _advice(self, whose: str, one: Validity) -> Told:
        now = self.clock()
        if not one.is_ending(now):
            return {}
        return {"ending": True, "hint": f"{whose} {one.when(now)}; {EXCHANGE}"}

    def _seconds(self, one: Validity | None) -> float:
        return math.inf if one is None else max(0.0, one.left(self.clock()) / SECOND)
