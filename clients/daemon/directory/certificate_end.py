"""When a certificate of the way to Kafka ends: this unit's own, or the brokers' that it was shown.

Owns the alarms, one for each certificate. What /readyz and the gauges tell of it is
runtime/kafka/security/certificate_watch.py. Runs in the worker's thread, inside a transaction.
"""

from __future__ import annotations

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.noted import note, told_certificate
from protocol.times import show_time


def alarm_of_certificates(context: UnitContext) -> None:
    """Raise an alarm once for each certificate that is about to end."""
    if context.certificates is None:
        return
    for code, validity in context.certificates.ending().items():
        if note(context.store, told_certificate(code, validity.ends)):
            context.alarm(code, detail=f"valid until {show_time(validity.ends)}")
