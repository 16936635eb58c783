"""The centre's clock: nothing is stated by one that Kafka's contradicts.

Owns the question, before a command of the centre publishes what it signed. A statement's date counts for
every replica, for ever; one that is wrong cannot be taken back. Kafka alone is asked: it can keep a command
from stating something, as it can by not answering, and can make it state nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from protocol.identifiers import Millis
from protocol.limits import CLOCK_TOLERANCE, SECOND
from runtime.cli.render import say
from runtime.errors import Unavailable
from runtime.kafka.broker_time import KafkaTime, NoTimeTold, TimeSource
from runtime.kafka.security.access import KafkaAddress
from runtime.process.clock import now


async def check_clock(
    kafka: KafkaAddress, *, wall: Callable[[], Millis] = now, source: TimeSource | None = None
) -> None:
    """`Unavailable` while this machine's clock and Kafka's differ by more than clocks may."""
    asked = KafkaTime(kafka) if source is None else source
    try:
        told = await asked.ask()
    except NoTimeTold as error:
        say(f"hint: {error}; this machine's clock was compared with nobody's")
        return
    finally:
        await asked.close()
    ahead = wall() - told
    if abs(ahead) > CLOCK_TOLERANCE:
        off = f"{abs(ahead) // SECOND} s {'ahead of' if ahead > 0 else 'behind'} Kafka's"
        raise Unavailable(
            f"this machine's clock is {off}, and nothing is stated by it",
            hint="set it (or Kafka's, if that one is wrong), and run the command again; nothing was changed",
        )
