"""The addressee of the NATS loop, a process of its own: fetch, open, verify, acknowledge, tell.

    python -m tests.bench.nats.addressee URL VERIFY_KEY PRIVATE_KEY    (keys in hex)

Prints `ready`, then the number of each message that it has opened, verified and acknowledged, one a line.
"""

from __future__ import annotations

import asyncio
import sys

import nats
from nacl.public import PrivateKey, SealedBox
from nacl.signing import VerifyKey
from nats.js.api import AckPolicy, ConsumerConfig

STREAM, SUBJECT, CONSUMER = "S", "s.b", "B"
AT_ONCE = 32
WAIT_S = 5


async def main(url: str, verify_key: str, private_key: str) -> None:
    """Until it is ended."""
    signer, box = VerifyKey(bytes.fromhex(verify_key)), SealedBox(PrivateKey(bytes.fromhex(private_key)))
    client = await nats.connect(url)
    config = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT)
    inbox = await client.jetstream().pull_subscribe(SUBJECT, CONSUMER, stream=STREAM, config=config)
    print("ready", flush=True)
    while True:
        try:
            messages = await inbox.fetch(AT_ONCE, timeout=WAIT_S)
        except TimeoutError:  # nothing came
            continue
        for message in messages:
            opened = signer.verify(box.decrypt(message.data))
            await message.ack()
            print(int.from_bytes(opened[:8], "big"), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
