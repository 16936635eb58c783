"""A router that is made to meet a secret everywhere it could; run as a process, for its stderr.

    python -m tests.unit.broker.leak SECRET

The secret stands in contents, in records that cannot be read, in headers that lie, in statements that do not
verify, in the exceptions of a failing commit and in what libraries log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import warnings

import structlog

from keys.statement_types import StatusChange
from keys.statements import issue
from protocol.content.parts import Part
from protocol.identifiers import MessageId, ThreadId, UnitId
from runtime.process import logs
from tests.sim.world import World
from tests.unit.broker.router.claims import Exhausted, ScriptedClaim, Statements, replica_of, router_of


def submissions(world: World, secret: bytes) -> list[bytes]:
    """Good ones, and every kind of bad one."""

    def sealed(to: str, **changes: object) -> bytes:
        return world.seal(world.core("fr", [to], **changes), Part(0, secret * 20)).submission

    good = sealed("it")
    tampered = [
        good[:at] + secret + good[at + len(secret) :] for at in (0, 40, len(good) // 2, len(good) - 60)
    ]
    foreign = world.seal(world.core("it", ["fr"]), Part(0, secret), by="it").submission
    expired = sealed("it", created=world.now - 90_000_000_000, expires=world.now - 1)
    return [
        secret,
        secret * 1000,
        b"\xa1\x61" + secret,
        good,
        good,  # a replay
        *tampered,
        good + secret,
        foreign,
        expired,
        sealed("nz"),
        sealed("it", message_id=MessageId((secret * 16)[:16]), thread=ThreadId((secret * 16)[:16])),
    ]


async def work(secret: bytes) -> None:
    """Route all of it, through every path that writes a log line."""
    world = World()
    forged = issue(
        StatusChange(UnitId("it"), suspended=True, reason=secret.decode()),
        signer=world.parties["fr"].identity,
        issued=world.now,
    )
    feed = Statements([*world.directory.snapshot(), secret, secret * 9, forged])
    replica = replica_of(world, feed)
    following = asyncio.create_task(replica.run())
    batch = submissions(world, secret)
    router = router_of(world, replica)
    with contextlib.suppress(Exhausted):
        await router.work(ScriptedClaim(UnitId("fr"), [batch]))
    failing = ScriptedClaim(UnitId("fr"), [batch], failing=RuntimeError(secret.decode()))
    with contextlib.suppress(RuntimeError):
        await router.work(failing)
    following.cancel()


def library(secret: str) -> None:
    """What a library might say about what it was given."""
    warnings.warn(f"not as expected: {secret}", UserWarning, stacklevel=1)
    for name in ("aiokafka.producer.sender", "asyncio", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.error("could not send %r", secret)
        logger.warning("bad record: " + secret)  # noqa: G003 - what a library does wrong
        try:
            raise ValueError(secret)
        except ValueError:
            logger.exception("while sending " + secret, extra={"record": secret})  # noqa: G003 - what a library does wrong


def hostile() -> None:
    """A logger whose name tries to write more than a name."""
    logging.getLogger('hostile", "code": "E_FORGED\n').error("x")


def careless(secret: str) -> None:
    """What somebody might write into our own code one day."""
    log = structlog.get_logger()
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("failed", value=secret, record={"content": secret}, content=secret.encode())
    log.info("decided", header=secret, name=secret, body=[secret])


if __name__ == "__main__":
    logs.configure("debug")
    asyncio.run(work(sys.argv[1].encode()))
    library(sys.argv[1])
    careless(sys.argv[1])
    hostile()
