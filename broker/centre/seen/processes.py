"""Asking the processes of the exchange whether they are ready: where they are, and what they answer.

Whoever answers there may be anybody: an answer is taken for ours only where it has our form, within a bound.
"""

from __future__ import annotations

import http.client
import urllib.parse
from typing import Any

from protocol.json_text import read_json
from runtime.cli.home import read_settings
from runtime.deadline import within
from runtime.process.homes import CentreHome

ANSWERS_WITHIN = 10.0
_MAX_ANSWER = 1 << 20


def ask_process(url: str) -> dict[str, Any]:
    """The readiness answer of a router or of the ledger itself."""
    parts = urllib.parse.urlsplit(url if "://" in url else f"http://{url}")
    unknown = {"url": url, "ready": False, "checks": {}}
    try:
        host, port = parts.hostname or "127.0.0.1", parts.port
    except ValueError:
        return unknown | {"error": "not an address: its port does not exist"}
    if parts.scheme != "http":
        return unknown | {"error": "not an address of http"}
    connection = http.client.HTTPConnection(host, port, timeout=ANSWERS_WITHIN)

    def ask() -> bytes:
        connection.request("GET", "/readyz")
        return connection.getresponse().read(_MAX_ANSWER)

    try:
        read = read_json(within(ANSWERS_WITHIN, ask), at_most=_MAX_ANSWER)
    except TimeoutError:
        return unknown | {"error": f"no answer in {ANSWERS_WITHIN:.0f} s"}
    except (OSError, http.client.HTTPException, ValueError):
        return unknown | {"error": "not reachable"}
    finally:
        connection.close()
    body = read.value
    checks = _checks_in(body)
    if read.faults or checks is None:
        return unknown | {"error": "no process of the exchange"}
    return {"url": url, "ready": body.get("ready") is True, "checks": checks}


def _checks_in(body: Any) -> dict[str, dict[str, Any]] | None:
    """The checks of an answer, each with its fields; None where it is no answer of ours."""
    checks = body.get("checks") or {} if isinstance(body, dict) else None
    if not isinstance(checks, dict) or not all(isinstance(check, dict) for check in checks.values()):
        return None
    return checks


def own_ledger(home: CentreHome) -> tuple[str, ...]:
    """Where the ledger of this home answers, if it has one that does."""
    if not home.ledger_settings.exists():
        return ()
    own = read_settings(home.ledger_settings)
    port = own.get("http_port")
    return (f"http://127.0.0.1:{port}",) if isinstance(port, int) and port else ()


def configured_places(found: object) -> tuple[str, ...]:
    """Where processes answer, as a setting names one place or several."""
    match found:
        case str():
            return (found,)
        case list():
            return tuple(str(url) for url in found)
        case _:
            return ()
