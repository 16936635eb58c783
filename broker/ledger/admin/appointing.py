"""The appointment of the ledger's key in an exchange that was founded before there were ledgers.

Owns what such an exchange lacks: the ledger's identity, the registrar's statement that appoints it, and the
topics that came with the ledger. A founding of today has made all of it, and then nothing is done here, and
Kafka is not asked. A second run after a failure completes the first.
"""

from __future__ import annotations

import os
from pathlib import Path

from broker.centre.registry import Registry, registrar_of
from keys.ceremony import appoint_ledger, ledger_identity
from keys.key_files import IDENTITY_FILE
from protocol import topics
from runtime.cli.command import Invocation
from runtime.cli.kafka_calls import run_quietly
from runtime.cli.render import say
from runtime.cli.unlocking import existing_secret
from runtime.kafka.admin import KafkaTopicAdmin
from runtime.process.clock import now
from runtime.process.directory_file import local_directory
from runtime.process.homes import CentreHome


def make_sure_of_appointment(invocation: Invocation, path: Path) -> None:
    """Have the home's ledger key appointed, if it is not."""
    home = CentreHome(path)
    if home.is_centre and not _is_appointed(home):
        run_quietly(_appoint(invocation))


def _is_appointed(home: CentreHome) -> bool:
    """As far as this home has read the directory; one that has not read it was founded today."""
    if not (home.keys / "ledger" / IDENTITY_FILE).exists():
        return False
    if not home.replica.exists():
        return True
    own = ledger_identity(home.keys, secret=existing_secret(home), entropy=os.urandom)
    return local_directory(home).operator_key(own.public.kid) is not None


async def _appoint(invocation: Invocation) -> None:
    async with Registry.open(invocation) as registry:
        home = registry.home
        await KafkaTopicAdmin(registry.kafka).apply(topics.shared())
        own = ledger_identity(home.keys, secret=existing_secret(home), entropy=os.urandom)
        if registry.directory.operator_key(own.public.kid) is None:
            registrar = registrar_of(home, registry.directory)
            await registry.state([appoint_ledger(own, registrar=registrar, now=now())])
            if registry.waits:
                say("hint: the ledger's key waits for another registrar: contrada centre agree ls")
