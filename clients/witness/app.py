"""The witness as a process, or as a part of a unit's daemon: a home to parts, parts to tasks.

`run` is the process: `contrada witness run`. `beside` is the same witness inside `unit run`, for a unit
whose home has one: it listens on its own ports, works in its own thread, and ends with the daemon.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import structlog
import uvloop

from clients.witness.evidence import EvidenceFolder
from clients.witness.head_store import HeadStore
from clients.witness.home import WitnessHome, witness_home
from clients.witness.metrics import WitnessMetrics
from clients.witness.mirror import Mirror, open_tile_source
from clients.witness.queue import WitnessQueue
from clients.witness.service import WitnessService
from clients.witness.settings import WitnessSettings, witness_credential_to_come, witness_secret
from clients.witness.witness_api import monitoring_api, witness_api
from keys.note_keys import NoteSigner, NoteUse, read_note_key
from keys.store import read_private
from keys.unlock import Secret
from protocol.errors import ContradaError, Rejected
from protocol.limits import MAX_POLICY_TEXT
from protocol.tlog.policy import Policy, parse_policy
from runtime.bounded import read_bounded
from runtime.errors import HomeError
from runtime.process import logs
from runtime.process.clock import now
from runtime.process.http import bind_loopback, serve
from runtime.process.notify import keep_watchdog, notify
from runtime.process.tasks import check_end, end_tasks, told_to_stop, waiting_to_stop
from runtime.process.worker import Worker

log = structlog.get_logger()

Task = Coroutine[Any, Any, None]


def check_witness(path: Path) -> str:
    """What a start would need and can be checked without one; says what was checked."""
    home, settings = _opened_home(path)
    return _check(home, settings) or "the settings and the policy are complete and the key opens"


def run_witness(path: Path) -> None:
    """Run the witness of this home until it is told to stop; what keeps it from that is raised."""
    uvloop.run(_run(*_opened_home(path)))


def _opened_home(path: Path) -> tuple[WitnessHome, WitnessSettings]:
    home = witness_home(path)
    home.check()
    settings = WitnessSettings.load(home.settings)
    logs.configure(settings.log_level)
    return home, settings


async def _run(home: WitnessHome, settings: WitnessSettings) -> None:
    stop = told_to_stop()
    async with opened(home, settings, witness_secret(settings, home)) as servers:
        tasks = {asyncio.create_task(part, name="http") for part in servers} | {waiting_to_stop(stop)}
        watchdog = asyncio.create_task(keep_watchdog())
        notify("READY=1")
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        notify("STOPPING=1")
        await end_tasks({*pending, watchdog})
        check_end(done, program="witness")


def _check(home: WitnessHome, settings: WitnessSettings) -> str | None:
    later = witness_credential_to_come(settings, home)
    if later is None:
        _signers(home, settings, witness_secret(settings, home))
    else:
        read_private(home.key)
    read_cosigned_logs(home)
    HeadStore(home.heads, read_only=True).close()
    return later


def check_beside(unit: Path) -> str | None:
    """Raise what would keep the witness of this unit's home, if there is one, from starting.

    What could not be checked is returned.
    """
    home = witness_home(unit)
    if not home.is_there:
        return None
    home.check()
    return _check(home, WitnessSettings.load(home.settings))


@asynccontextmanager
async def witness_beside(unit: Path) -> AsyncIterator[list[Task]]:
    """What a unit's daemon runs for its witness: nothing, where the unit's home has none.

    A witness that cannot start is an alarm, and does not keep the unit from its messages.
    """
    home = witness_home(unit)
    async with AsyncExitStack() as parts:
        servers: list[Task] = []
        try:
            if home.is_there:
                home.check()
                settings = WitnessSettings.load(home.settings)
                servers = await parts.enter_async_context(
                    opened(home, settings, witness_secret(settings, home))
                )
        except ContradaError as error:
            log.error("alarm", code="witness_not_started", reasons=error.code, hint=error.hint)  # noqa: TRY400
        yield servers


@asynccontextmanager
async def opened(home: WitnessHome, settings: WitnessSettings, secret: Secret) -> AsyncIterator[list[Task]]:
    """The witness's servers, to be run; its home is held, and its state open, as long as this is."""
    signers, policy = _signers(home, settings, secret), read_cosigned_logs(home)
    held = home.hold()
    worker = Worker()
    try:
        # SQLite wants to be used where it was opened.
        heads = await worker.do(lambda: HeadStore(home.heads))
        mirror = _mirror(home, settings)
        witness = await worker.do(
            lambda: WitnessService(
                signers=signers,
                policy=policy,
                heads=heads,
                folder=EvidenceFolder(home.evidence),
                metrics=WitnessMetrics.create(),
                clock=now,
                root_at=None if mirror is None else mirror.root_at,
            )
        )
        queue = WitnessQueue(witness, worker, mirror)
        try:
            with _listening(queue, settings) as servers:
                log.info("witness_started", path=settings.name, port=settings.port, count=len(policy.origins))
                yield servers
        finally:
            await queue.close()
            log.info("witness_stopped", path=settings.name)
    finally:
        worker.close()
        held.close()


@contextmanager
def _listening(queue: WitnessQueue, settings: WitnessSettings) -> Iterator[list[Task]]:
    listeners = [(witness_api(queue), bind_loopback(settings.port, setting="port in witness.toml"))]
    if settings.http_port:
        listeners.append(
            (monitoring_api(queue), bind_loopback(settings.http_port, setting="http_port in witness.toml"))
        )
    try:
        yield [serve(pages, listener) for pages, listener in listeners]
    finally:
        for _, listener in listeners:
            listener.close()


def read_cosigned_logs(home: WitnessHome) -> Policy:
    """The logs that this witness cosigns."""
    try:
        return parse_policy(read_bounded(home.policy, MAX_POLICY_TEXT, what="a policy"))
    except FileNotFoundError:
        raise HomeError(
            f"there is no {home.policy}", hint="put the exchange's policy file there; the centre gives it out"
        ) from None
    except Rejected as rejected:
        raise HomeError(f"{home.policy}: {rejected.sentence}", hint=rejected.hint) from None


def _signers(home: WitnessHome, settings: WitnessSettings, secret: Secret) -> tuple[NoteSigner, ...]:
    return read_note_key(home.key, secret=secret).signers(settings.name, NoteUse.WITNESS)


def _mirror(home: WitnessHome, settings: WitnessSettings) -> Mirror | None:
    if settings.mirror is None:
        return None
    return Mirror(home.mirror, open_tile_source(settings.mirror, beside=home.path), monotonic=time.monotonic)
