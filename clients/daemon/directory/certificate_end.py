"""When a certificate of the way to Kafka ends: this unit's own, or the brokers' that it was shown.

Owns the alarms, one for each certificate. What /readyz and the gauges tell of it is
runtime/kafka/security/certificate_watch.py. Runs in the worker's thread, inside a transaction.
"""

from __future__ import annotations

from clients.daemon.state.unit_context import UnitContext
from clients.daemon.store.noted import note, told_certificate
from keys.wire.validity import Validity
from protocol.times import show_time


def alarm_of_certificates(context: UnitContext) -> None:
    """Raise an alarm once for each certificate that is about to end."""
    if context.certificates is None:
        return
    own, brokers = context.certificates.own(), context.certificates.brokers()
    if own is not None and _is_news(context, "own", own):
        context.alarm("certificate_ending", detail=f"valid until {show_time(own.ends)}")
    if brokers is not None and _is_news(context, "broker", brokers):
        context.alarm("broker_certificate_ending", detail=f"valid until {show_time(brokers.ends)}")


def _is_news(context: UnitContext, whose: str, validity: Validity) -> bool:
    return validity.is_ending(context.clock()) and note(context.store, told_certificate(whose, validity.ends))
