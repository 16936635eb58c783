"""Asking witnesses to cosign a checkpoint (C2SP tlog-witness), as their policy line names them.

Owns the requests over HTTP and the meaning of the answers. Rules:
- A witness is asked once for all its keys. What it answers is verified line by line before it is used.
- One that is slow, unreachable or wrong costs a checkpoint its cosignature and does not delay the ledger: all
  are asked at once, and an answer that is not whole in time is none, however steadily it drips.
- A witness that has cosigned a larger tree than the ledger has, and shows the log's signature on it, proves
  that the ledger's store was rolled back, or that another ledger signs with its key: `WitnessAhead`, and the
  ledger stops. A witness that shows no such signature cannot stop the ledger.
- A witness compares the beginning of a half-year with the end of the one before that it signed. So it is not
  asked about the new one before it has answered about that end, whatever its answer (publishing.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from typing import NoReturn

import httpx
import structlog

from broker.errors import RolledBack
from protocol.errors import Code, Rejected
from protocol.limits import CLOCK_TOLERANCE, MAX_NOTE, SECOND
from protocol.tlog.checkpoints import Checkpoint, SignedCheckpoint, parse_checkpoint
from protocol.tlog.cosignatures import accept_cosignatures
from protocol.tlog.notes import VerifierKey, parse_number
from protocol.tlog.policy import Policy
from protocol.tlog.proofs import consistency_proof
from protocol.tlog.tiles import TileReader
from protocol.tlog.witnessing import SIZE_TYPE, format_add_checkpoint
from runtime.bounded import gather_bounded
from runtime.errors import TooLarge
from runtime.process.clock import ClockCheck

log = structlog.get_logger()

_PASSES = frozenset({408, 425, 429, 502, 503, 504})
"""Statuses that are no answer about a checkpoint: the witness, or what stands before it, is busy or away."""


@dataclass(frozen=True, slots=True)
class WitnessPlace:
    """A witness that can be asked: where, and by which keys it signs."""

    url: str
    name: str
    keys: tuple[VerifierKey, ...]


def places(policy: Policy) -> tuple[WitnessPlace, ...]:
    """The witnesses of a policy that have a URL; those of one URL are one witness."""
    keys: dict[str, list[VerifierKey]] = {}
    for witness in policy.witnesses:
        if witness.url is not None:
            keys.setdefault(witness.url.rstrip("/"), []).append(witness.key)
    return tuple(WitnessPlace(url, found[0].name, tuple(found)) for url, found in keys.items())


def missing(policy: Policy, signed: SignedCheckpoint) -> tuple[WitnessPlace, ...]:
    """The witnesses of whose keys at least one has not cosigned yet."""
    return tuple(place for place in places(policy) if not all(signed.note.by(key) for key in place.keys))


@dataclass(slots=True)
class Cosigner:
    """Asks, and remembers how far each witness has come."""

    client: httpx.AsyncClient
    policy: Policy
    seconds: float = 30.0
    """So long may an answer take, all of it."""

    sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    answered: set[tuple[str, str]] = field(default_factory=set)
    """Witnesses that gave an answer when they were asked about a log last: by URL and log."""

    failures: dict[str, str] = field(default_factory=dict)
    """The outcome of the last request to each witness, where it was no cosignature."""

    times: ClockCheck | None = None
    """Told what the witnesses' clocks show."""

    heard: Callable[[str, int | None], None] = lambda *_: None
    """Told of each answer, by the witness's name: when it signed in Unix seconds; None where it did not."""

    clocks_off: dict[str, int] = field(default_factory=dict)
    """Witnesses whose signed times differ from this clock, and by how many seconds (+: theirs is ahead).

    What they signed holds all the same: that the log only grew. When, others say as well.
    """

    async def ask(
        self, witnesses: Iterable[WitnessPlace], signed: SignedCheckpoint, read: TileReader
    ) -> tuple[str, ...]:
        """The signature lines of all who cosign now."""
        # They are asked about one head, and mostly from one on: a tile is read once for all of them.
        read = cache(read)
        answers = await asyncio.gather(*(self._one(place, signed, read) for place in witnesses))
        return tuple(line for lines in answers for line in lines)

    def has_answered(self, place: WitnessPlace, signed: SignedCheckpoint) -> bool:
        """Whether this witness has cosigned this newest head of a log, or said of it that it does not."""
        if all(signed.note.by(key) for key in place.keys):
            return True
        return (place.url, signed.checkpoint.origin) in self.answered

    async def _one(self, place: WitnessPlace, signed: SignedCheckpoint, read: TileReader) -> tuple[str, ...]:
        asked = place.url, signed.checkpoint.origin
        self.answered.add(asked)
        try:
            lines = await self._question(place, signed, read)
        except (httpx.HTTPError, Rejected, TimeoutError, TooLarge) as error:
            if not _is_answer(error):
                self.answered.discard(asked)
            self.failures[place.name] = type(error).__name__
            self.heard(place.name, None)
            log.warning("witness_failed", witness=place.name, error=type(error).__name__)
            return ()
        self.failures.pop(place.name, None)
        if lines:
            self.heard(place.name, max(lines.values()))
        return tuple(lines)

    async def _question(
        self, place: WitnessPlace, signed: SignedCheckpoint, read: TileReader
    ) -> Mapping[str, int]:
        known, checkpoint = (place.url, signed.checkpoint.origin), signed.checkpoint
        for _ in range(2):  # the first answer may be how far the witness is, the second is about that
            old = min(self.sizes.get(known, 0), checkpoint.size)
            asked = 0.0 if self.times is None else self.times.moment()
            answer = await self._post(place, old, signed, read)
            if answer.status_code == httpx.codes.CONFLICT:
                self.sizes[known] = _size_in(answer)
                if self.sizes[known] > checkpoint.size:
                    await self._check_ahead(place, checkpoint)
                continue
            if answer.status_code != httpx.codes.OK:
                log.error(
                    "witness_refused", witness=place.name, origin=checkpoint.origin, status=answer.status_code
                )
                self.sizes.pop(known, None)
            answer.raise_for_status()
            lines = accept_cosignatures(answer.content, checkpoint, place.keys)
            self.sizes[known] = checkpoint.size
            self._hear(place, lines, asked=asked)
            return lines
        raise TimeoutError  # it advances between two requests: another ledger asks it, too

    def _hear(self, place: WitnessPlace, lines: Mapping[str, int], *, asked: float) -> None:
        """What the witness's clock shows: it has signed since it was asked. Its time is in whole seconds."""
        if self.times is None or not lines:
            return
        t = max(lines.values()) * SECOND
        self.times.answered(place.keys[0].name, t, since=asked, grain=SECOND)
        off = t - self.times.wall()
        if abs(off) <= CLOCK_TOLERANCE:
            self.clocks_off.pop(place.name, None)
            return
        if place.name not in self.clocks_off:
            log.error("witness_clock", witness=place.name, seconds=off // SECOND)
        self.clocks_off[place.name] = off // SECOND

    async def _check_ahead(self, place: WitnessPlace, ours: Checkpoint) -> NoReturn:
        """A larger checkpoint from a witness counts only if the log's own key signed it."""
        name = sha256(ours.origin.encode()).hexdigest()
        answer = await self._asked("GET", f"{place.url}/{name}/checkpoint")
        answer.raise_for_status()
        theirs = self.policy.signed_by_log(parse_checkpoint(answer.content))
        if theirs.origin == ours.origin and theirs.size > ours.size:
            raise WitnessAhead(place, ours, theirs)
        raise Rejected(Code.E_CHECKPOINT, f"{place.name} claims more than it can show")

    async def _post(
        self, place: WitnessPlace, old: int, signed: SignedCheckpoint, read: TileReader
    ) -> httpx.Response:
        size = signed.checkpoint.size
        proof = consistency_proof(old, size, read)
        body = format_add_checkpoint(old, proof, signed.data)
        return await self._asked("POST", f"{place.url}/add-checkpoint", body)

    async def _asked(self, method: str, url: str, body: bytes | None = None) -> httpx.Response:
        # No more than an answer has: a witness must not fill the ledger's memory.
        headers = {"accept-encoding": "identity"}
        async with (
            asyncio.timeout(self.seconds),
            self.client.stream(method, url, content=body, headers=headers) as answer,
        ):
            if "content-encoding" in answer.headers:
                raise Rejected(Code.E_NOTE, "an encoded answer, which nobody asked for")
            data = await gather_bounded(answer.aiter_bytes(), MAX_NOTE, name="this one", what="an answer")
        kept = {"content-type": answer.headers.get("content-type", "")}
        return httpx.Response(answer.status_code, headers=kept, content=data, request=answer.request)


def _is_answer(error: Exception) -> bool:
    """Whether a failure is the witness's word on what it was asked, and not that it cannot be asked now."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code not in _PASSES
    return isinstance(error, Rejected | TooLarge)


def _size_in(answer: httpx.Response) -> int:
    if answer.headers.get("content-type", "").partition(";")[0] != SIZE_TYPE:
        raise Rejected(Code.E_NOTE, "a conflict without a size")
    return parse_number(answer.text.removesuffix("\n"))


class WitnessAhead(RolledBack):
    """A witness has cosigned more of a log than this ledger has, and shows the log's signature on it."""

    def __init__(self, place: WitnessPlace, ours: Checkpoint, theirs: Checkpoint) -> None:
        super().__init__(
            f"{ours.origin} has {ours.size} entries here, and its own key has signed {theirs.size}: "
            f"the witness {place.name} has the checkpoint",
            hint="the records and tiles here are an old copy, or another ledger signs with this key. "
            "Stop every other ledger, and restore the newest copy of both",
        )
        self.theirs = theirs
