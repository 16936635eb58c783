"""Trust policies (C2SP tlog-policy): which logs and which witnesses make a checkpoint trusted.

    log <vkey> [<url>]
    witness <name> <vkey> [<url>]
    group <name> all|any|<k> <name>...
    quorum <name>|none

Owns reading such a file and judging a checkpoint by it. Writing one is in protocol/tlog/policy_text.py.
Rules, where they are stricter than C2SP:
- When several log lines name one origin, all these keys must have signed: Ed25519 and ML-DSA-44 both.
- A line by a known key that does not verify makes the whole note invalid (C2SP says SHOULD).
- A log's key is no witness's key.
- The file ends in a newline, so that a file cut short is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from protocol import limits
from protocol.errors import Code, Rejected
from protocol.tlog.checkpoints import Checkpoint, Seconds, SignedCheckpoint, signature_time
from protocol.tlog.cosignatures import WITNESS_ALGORITHMS, cosignature_time
from protocol.tlog.notes import NoteAlgorithm, VerifierKey, parse_vkey

LOG_ALGORITHMS = frozenset((NoteAlgorithm.ED25519, NoteAlgorithm.COSIGNED_ML_DSA_44))
NO_QUORUM = "none"
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
_BLANKS = re.compile("[ \t]+")
_THRESHOLD = re.compile("[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class PolicyLog:
    """One key of a log; its name is the log's origin."""

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """One key of a witness, under the name that the policy gives to it."""

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True)
class QuorumGroup:
    """Witnesses or groups, of which so many must have cosigned."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trusted:
    """A checkpoint that its log signed, and that enough witnesses cosigned."""

    checkpoint: Checkpoint
    witnesses: Mapping[str, Seconds]
    """The witnesses' names in the policy, and when each cosigned."""

    groups: tuple[str, ...]
    """The groups that are complete."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file, read."""

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...]
    groups: tuple[QuorumGroup, ...]
    quorum: str

    @property
    def origins(self) -> tuple[str, ...]:
        """The logs by name, each once."""
        return tuple(dict.fromkeys(log.key.name for log in self.logs))

    def log_keys(self, origin: str) -> tuple[VerifierKey, ...]:
        """All keys with which this log must sign; none for an unknown log."""
        return tuple(log.key for log in self.logs if log.key.name == origin)

    def signed_by_log(self, signed: SignedCheckpoint) -> Checkpoint:
        """The checkpoint, if each of the log's keys signed it. Says nothing about witnesses."""
        keys = self.log_keys(signed.checkpoint.origin)
        if not keys:
            raise Rejected(Code.E_LOG_UNKNOWN, f"the policy has no log {signed.checkpoint.origin}")
        for key in keys:
            lines = signed.note.by(key)
            times = [signature_time(signed.checkpoint, key, line.signature) for line in lines]
            if not lines or None in times:
                raise Rejected(Code.E_LOG_SIGNATURE, f"not signed by {key.name} with key {key.key_id.hex()}")
        return signed.checkpoint

    def cosigned(self, signed: SignedCheckpoint) -> Mapping[str, Seconds]:
        """The witnesses of the policy that cosigned, and when; a false cosignature is refused."""
        return {
            witness.name: max(cosignature_time(signed.checkpoint, witness.key, line) for line in lines)
            for witness in self.witnesses
            if (lines := signed.note.by(witness.key))
        }

    def times(self, signed: SignedCheckpoint) -> Mapping[str, Seconds]:
        """What the clocks of its signers showed: of `ledger`, and of each witness by its key's name.

        Signatures are verified here: a line that does not verify says nothing of anybody's clock. All logs of
        a policy are one party, and so are all keys of one witness.
        """
        keys = [("ledger", key) for key in self.log_keys(signed.checkpoint.origin)]
        keys += [(witness.key.name, witness.key) for witness in self.witnesses]
        found: dict[str, Seconds] = {}
        for party, key in keys:
            for line in signed.note.by(key):
                if time := signature_time(signed.checkpoint, key, line.signature):
                    found[party] = max(time, found.get(party, time))
        return found

    def borne_out(self, signed: SignedCheckpoint) -> Mapping[str, Seconds]:
        """The same, and of nobody more than most of them bear out.

        The signatures of one checkpoint are made within seconds of each other. So a clock that is far ahead
        of most of the others shows nothing of the time, and it may have been set right since: nobody would
        hear of it before the next checkpoint, which may wait for whoever believed it. A lower bound that is
        lowered stays true.
        """
        found = self.times(signed)
        most = sorted(found.values())[(len(found) - 1) // 2] if found else Seconds(0)
        return {party: min(time, most) for party, time in found.items()}

    def signed_later(self, signed: SignedCheckpoint, *, than: SignedCheckpoint) -> bool:
        """Whether the log or a witness signed this checkpoint later than they signed that one.

        A log that goes back to a smaller tree has to sign it anew. Who only shows again what it once
        published cannot change the times that were signed.
        """
        before, now = self.times(than), self.times(signed)
        return any(time > before[party] for party, time in now.items() if party in before)

    def complete(self, witnesses: Mapping[str, Seconds]) -> tuple[str, ...]:
        """The groups that these witnesses complete."""
        there = set(witnesses)
        for group in self.groups:  # members are defined before their group, so one pass is enough
            if len(there.intersection(group.members)) >= group.threshold:
                there.add(group.name)
        return tuple(group.name for group in self.groups if group.name in there)

    def trusted(self, signed: SignedCheckpoint) -> Trusted:
        """The checkpoint, if it is trusted; `Rejected` says what is missing."""
        checkpoint = self.signed_by_log(signed)
        witnesses = self.cosigned(signed)
        groups = self.complete(witnesses)
        if self.quorum not in (NO_QUORUM, *witnesses, *groups):
            who = ", ".join(witnesses) or "nobody"
            raise Rejected(Code.E_QUORUM, f"cosigned by {who}, and that is not the quorum {self.quorum}")
        return Trusted(checkpoint, witnesses, groups)


def parse_policy(text: str | bytes) -> Policy:
    """The policy that this text states; `Rejected(E_LOG_POLICY)` names the line that is wrong."""
    if isinstance(text, bytes):
        # Octets that are no UTF-8 are opaque: they stay distinct, and match no key's name.
        text = text.decode("utf-8", "surrogateescape")
    if len(text) > limits.MAX_POLICY_TEXT:
        raise _wrong(f"{len(text)} characters, at most {limits.MAX_POLICY_TEXT} are read")
    if found := _FORBIDDEN.search(text):
        at = text.count("\n", 0, found.start()) + 1
        raise _wrong(f"line {at}: a control character (U+{ord(found[0]):04X})")
    if not text.endswith("\n"):
        raise _wrong("no newline at the end: the file is cut off" if text else "the file is empty")
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        words = _BLANKS.split(line.strip(" \t"))
        if words[0].startswith("#") or words == [""]:
            continue
        try:
            reader.read(words)
        except Rejected as error:
            raise Rejected(Code.E_LOG_POLICY, f"line {number}: {error.sentence}") from None
    return reader.policy()


@dataclass(slots=True)
class _Reader:
    """The lines so far. What a line may name, the lines before it have defined."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[QuorumGroup] = field(default_factory=list)
    quorum: str | None = None
    publics: set[bytes] = field(default_factory=set)
    defined: set[str] = field(default_factory=lambda: {NO_QUORUM})
    members: set[str] = field(default_factory=set)

    def read(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                key = self._key(vkey, LOG_ALGORITHMS)
                self.logs.append(PolicyLog(key, *url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                key = self._key(vkey, WITNESS_ALGORITHMS)
                self._define(name)
                self.witnesses.append(PolicyWitness(name, key, *url))
            case ["group", name, threshold, *members] if members:
                self._group(name, threshold, members)
            case ["quorum", name] if self.quorum is None and name in self.defined:
                self.quorum = name
            case ["quorum", _]:
                raise _wrong("a second quorum, or one of a name that is not defined before it")
            case _:
                raise _wrong("not a log, witness, group or quorum line")
        if max(len(self.logs), len(self.witnesses), len(self.groups)) > limits.MAX_POLICY_LINES:
            raise _wrong(f"more than {limits.MAX_POLICY_LINES} lines of one kind")

    def policy(self) -> Policy:
        if self.quorum is None:
            raise _wrong("no quorum line; write 'quorum none' to ask for no witness")
        return Policy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def _key(self, vkey: str, algorithms: frozenset[NoteAlgorithm]) -> VerifierKey:
        key = parse_vkey(vkey)
        if key.algorithm not in algorithms:
            raise _wrong("a key whose algorithm is for another use")
        # Twice the same key would let one holder count as two, or a log be its own witness.
        if key.public in self.publics:
            raise _wrong("a key that was named before")
        self.publics.add(key.public)
        return key

    def _group(self, name: str, threshold: str, members: list[str]) -> None:
        # A member of two groups could count twice in one quorum.
        if any(m not in self.defined or m == NO_QUORUM or m in self.members for m in members):
            raise _wrong("a member that is not defined before, or is a member already")
        if len(set(members)) != len(members):
            raise _wrong("a member named twice")
        needed = {"any": 1, "all": len(members)}.get(threshold)
        if needed is None:
            needed = int(threshold) if _THRESHOLD.fullmatch(threshold) else 0
        if not 1 <= needed <= len(members):
            raise _wrong("a threshold that is not any, all, or between 1 and the number of members")
        self._define(name)
        self.members |= set(members)
        self.groups.append(QuorumGroup(name, needed, tuple(members)))

    def _define(self, name: str) -> None:
        if name in self.defined:
            raise _wrong("a name that is defined already")
        self.defined.add(name)


def _wrong(what: str) -> Rejected:
    return Rejected(Code.E_LOG_POLICY, what)
