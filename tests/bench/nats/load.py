"""The same work through NATS as between our daemons: 2 KiB, signed and sealed, A to hub to B, so many in flight.

Signed with Ed25519 and sealed with X25519 (NaCl's sealed box) by libsodium: no post-quantum half, no rules, no
receipt, no audit. That is what somebody would write with a hub that only carries.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator
from itertools import count as from_number

from tests.bench.load import PATIENCE, closed_loop
from tests.bench.nats.server import Skipped

STREAM, SUBJECT = "S", "s.b"
SIZE = 2048


class NatsLoad:
    """The sender of the loop, in this process."""

    def __init__(self, stream, seal, lines: asyncio.StreamReader) -> None:
        self._stream = stream
        self._seal = seal
        self._lines = lines
        self._numbers = from_number()
        self._awaited: dict[int, asyncio.Future[float]] = {}

    async def in_flight(self, most: int, count: int) -> list[float]:
        """Latencies in milliseconds of so many messages, of which so many are on their way at a time."""
        return await closed_loop(self._one, most, count)

    async def _one(self) -> float:
        number, began = next(self._numbers), time.perf_counter()
        arrival = self._awaited[number] = asyncio.get_running_loop().create_future()
        sealed = self._seal(number.to_bytes(8, "big") + os.urandom(SIZE - 8))
        await self._stream.publish(SUBJECT, sealed, timeout=PATIENCE, headers={"Nats-Msg-Id": str(number)})
        return (await arrival - began) * 1000

    async def follow(self) -> None:
        """Note what the addressee tells, for ever."""
        while line := await self._lines.readline():
            self._awaited.pop(int(line)).set_result(time.perf_counter())
        raise RuntimeError("the addressee has ended: see above")


@contextlib.asynccontextmanager
async def nats_load(url: str) -> AsyncIterator[NatsLoad]:
    """A stream, its addressee in a process of its own, and the sender."""
    try:
        import nats
    except ImportError:
        raise Skipped("its client is not installed: make bench does that") from None
    from nacl.public import PrivateKey, SealedBox
    from nacl.signing import SigningKey
    from nats.js.api import StorageType, StreamConfig

    client = await nats.connect(url)
    stream = client.jetstream()
    await stream.add_stream(StreamConfig(name=STREAM, subjects=[SUBJECT], storage=StorageType.FILE))
    signer, private = SigningKey.generate(), PrivateKey.generate()
    box = SealedBox(private.public_key)
    addressee = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.nats.addressee", url,
        bytes(signer.verify_key).hex(), bytes(private).hex(), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert addressee.stdout is not None
    assert (await addressee.stdout.readline()).strip() == b"ready"
    made = NatsLoad(stream, lambda content: box.encrypt(signer.sign(content)), addressee.stdout)
    following = asyncio.create_task(made.follow())
    try:
        yield made
    finally:
        following.cancel()
        (ended,) = await asyncio.gather(following, return_exceptions=True)
        if addressee.returncode is None:
            addressee.terminate()
        await addressee.wait()
        await client.close()
        if isinstance(ended, Exception):  # then the sender has waited in vain
            raise ended
