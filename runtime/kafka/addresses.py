"""The addresses of Kafka's brokers, as people write them. Light: read before any client is imported.

    servers = server *( "," server )
    server  = host [ ":" port ]         host: a name, an IPv4 address, or an IPv6 address in [ ]

Owns the form, which of them never leave this machine, and what is said where nobody answers there. The client
library takes more, and fails on what it takes in words of its own.
"""

from __future__ import annotations

import re
from typing import Final

from runtime.errors import Unavailable

SERVERS_WORDS: Final = "HOST:PORT, several joined by commas, such as kafka-1.example:9092"

_SERVER: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII)

_LOOPBACK: Final = re.compile(r"127(?:\.[0-9]{1,3}){3}", re.ASCII)


def servers_fault(text: str) -> str | None:
    """What is wrong with it; None where nothing is."""
    for server in map(str.strip, text.split(",")):
        found = _SERVER.fullmatch(server)
        if not server:
            return "an address is empty"
        if found is None:
            return f"{server!r} is no address of a broker"
        if found[1] is not None and not 0 < int(found[1]) < 65_536:
            return f"{server!r} has a port that does not exist"
    return None


def on_loopback(servers: str) -> bool:
    """Whether all of them are this machine. A name is asked of nobody: only `localhost` counts."""
    return all(map(_is_loopback, servers.split(",")))


def _is_loopback(server: str) -> bool:
    host = re.sub(r":[0-9]*$", "", server.strip())
    return host in {"localhost", "[::1]"} or _LOOPBACK.fullmatch(host) is not None


def not_reachable(servers: object, error: BaseException) -> Unavailable:
    """What is raised where no broker answers."""
    return Unavailable(
        f"Kafka is not reachable at {servers} ({type(error).__name__})",
        hint="start it, or correct its address: --kafka, or 'kafka' in the settings",
    )
