"""The client's side of mutual TLS: a context that follows its files, and what is said of a plain connection.

Owns the one place where a certificate of ours is shown to Kafka. Rules: TLS 1.3 and nothing older; the
broker's name is compared with its certificate; each new connection takes the files as they are then, so that
a certificate of a few days is exchanged without a restart. Files that do not fit each other, as between the
writing of two, leave the ones that were taken before.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import structlog

from keys.wire.validity import Validity
from protocol.identifiers import Millis
from runtime.errors import Misconfigured
from runtime.kafka.security.access import KafkaAddress, TlsFiles, tls_files, unguarded_hint

log = structlog.get_logger()

MAX_CERTIFICATE_FILE: Final = 100_000
"""Bytes of a PEM file with a certificate and those above it."""

MOST_BROKERS: Final = 100
"""So many names of brokers are remembered."""

_State = tuple[tuple[int, int, int], ...]


class _Greeting(ssl.SSLObject):
    """A connection that notes what the other side has shown, once that is verified."""

    note: Callable[[ssl.SSLObject], None]

    def do_handshake(self) -> None:
        super().do_handshake()  # raises while it waits for more bytes
        self.note(self)


class FileContext(ssl.SSLContext):
    """A context whose connections are made with the files as they are now."""

    _files: TlsFiles
    _state: _State
    _current: ssl.SSLContext

    seen: dict[str, Validity]
    """The certificate of each broker by its name, as of the last handshake."""

    @classmethod
    def of(cls, files: TlsFiles) -> FileContext:
        """The context of these files, or `Misconfigured`."""
        made = cls(ssl.PROTOCOL_TLS_CLIENT)
        made._files, made._state = files, _state(files)
        made._current, made.seen = _load(files), {}
        return made

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """What asyncio and uvloop call for each new connection."""
        self._follow()
        made = self._current.wrap_bio(*args, **kwargs)
        if isinstance(made, _Greeting):
            made.note = self._note
        return made

    def _note(self, greeted: ssl.SSLObject) -> None:
        shown, name = greeted.getpeercert() or {}, greeted.server_hostname or ""
        begins, ends = (shown.get(field) for field in ("notBefore", "notAfter"))
        if isinstance(begins, str) and isinstance(ends, str) and (name in self.seen or self._has_room):
            self.seen[name] = Validity(ends=_millis_of(ends), begins=_millis_of(begins))

    @property
    def _has_room(self) -> bool:
        return len(self.seen) < MOST_BROKERS

    def _follow(self) -> None:
        try:
            found = _state(self._files)
            if found == self._state:
                return
            self._current = _load(self._files)
        except Misconfigured as fault:
            log.warning("kafka_certificate_not_taken", hint=str(fault))
            return
        self._state = found
        log.info("kafka_certificate_taken", path=str(self._files.certificate))


@cache
def context_of(files: TlsFiles) -> FileContext:
    """One context for all clients of a process that use these files."""
    return FileContext.of(files)


def check_access(address: KafkaAddress) -> None:
    """Whether the files are there and fit, or `Misconfigured`; that there are none is told as at a start."""
    files = tls_files(address)
    if files is None:
        tell_access(address)
    else:
        _load(files)


def tell_access(address: KafkaAddress) -> None:
    """Say in the log how this process speaks to Kafka: a plain connection is no secret of a settings file."""
    files = tls_files(address)
    if files is None:
        log.warning("kafka_is_plain", bootstrap=str(address), hint=unguarded_hint(address))
    else:
        log.info("kafka_over_tls", bootstrap=str(address), path=str(files.certificate))


def _state(files: TlsFiles) -> _State:
    try:
        found = [path.stat() for path in (files.ca, files.certificate, files.key)]
    except OSError as error:
        raise _unusable(files, error) from None
    return tuple((one.st_mtime_ns, one.st_ino, one.st_size) for one in found)


def _load(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # compares names, wants a certificate
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.sslobject_class = _Greeting
    try:
        context.load_verify_locations(cafile=files.ca)
        # Without a passphrase: one that is asked for on the terminal would hold up a service.
        context.load_cert_chain(files.certificate, files.key, password=b"")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise _unusable(files, error) from None
    return context


def _millis_of(text: str) -> Millis:
    return Millis(ssl.cert_time_to_seconds(text) * 1000)


def _unusable(files: TlsFiles, error: Exception) -> Misconfigured:
    why = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
    return Misconfigured(
        f"{files.ca}, {files.certificate} and {files.key} are no way to Kafka ({why})",
        hint="kafka_ca, kafka_certificate, kafka_key are PEM files: whom to believe, a certificate, its key",
    )
