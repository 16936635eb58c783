"""The group coordinator of the model: members, generations, and committed positions.

Owns who is a member under which generation (the classic protocol, KIP-62 and KIP-394), and the positions with their
metadata, those of transactions that have not ended included (KIP-447). Time is the loop's; a member that is not heard
of for its session's time is gone. Source of the rules: Kafka 4.1, GroupMetadataManager and OffsetMetadataManager.
Not modelled: static members, and the new protocol of KIP-848.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.years.kafka.codes import Refusal
from tests.years.kafka.group_state import Group, Member, Place, Position, Reply, Stage
from tests.years.kafka.log import Refused

if TYPE_CHECKING:
    from tests.years.kafka.cluster import KafkaModel


class GroupCoordinator:
    """All groups of the cluster, whichever broker speaks for them."""

    def __init__(self, model: KafkaModel) -> None:
        self._model = model
        self.groups: dict[str, Group] = {}
        self._names = 0

    def group(self, name: str) -> Group:
        """The group of this name; one that nobody joined has no members."""
        one = self.groups.get(name)
        if one is None:
            one = self.groups[name] = Group(name)
        return one

    # Membership.

    def join(self, asked: Any, party: str, reply: Reply) -> None:
        """JoinGroup 5: answered once all members have asked, or were waited for long enough."""
        group, name = self.group(asked.group), asked.member_id
        if not name:
            self._names += 1
            name = f"member-{self._names}-{party}"
            group.expected[name] = None
            reply(0, Refusal.MEMBER_ID_REQUIRED, -1, "", "", name, [])
            return
        member = group.members.get(name)
        if member is None and name not in group.expected:
            reply(0, Refusal.UNKNOWN_MEMBER, -1, "", "", name, [])
            return
        protocols = [(kind, bytes(data)) for kind, data in asked.group_protocols]
        same = member is not None and member.protocols == protocols
        if member is None:
            others = [{kind for kind, _ in one.protocols} for one in group.members.values()]
            if others and not set.intersection({kind for kind, _ in protocols}, *others):
                reply(0, Refusal.INCONSISTENT_PROTOCOL, -1, "", "", name, [])
                return
            group.expected.pop(name)
            member = group.members[name] = Member(
                name, party, asked.session_timeout / 1000, asked.rebalance_timeout / 1000, protocols, 0.0
            )
        member.protocols, member.party = protocols, party
        member.session, member.rebalance = asked.session_timeout / 1000, asked.rebalance_timeout / 1000
        self._hear(group, member)
        if same and (group.stage is Stage.SYNCING or (group.stage is Stage.STABLE and name != group.leader)):
            reply(*self._joined(group, member))
            return
        if member.joining is not None:
            member.joining(0, Refusal.REBALANCING, -1, "", "", name, [])
        member.joining = reply
        if group.stage is not Stage.JOINING:
            self._rebalance(group)
        self._complete_if_all(group)

    def sync(self, asked: Any, reply: Reply) -> None:
        """SyncGroup 3: the leader shares out, and everybody gets a share."""
        group = self.group(asked.group)
        member = group.members.get(asked.member_id)
        if (code := self._fault(group, member, asked.generation_id)) or group.stage is Stage.JOINING:
            reply(0, code or Refusal.REBALANCING, b"")
            return
        assert member is not None
        self._hear(group, member)
        if group.stage is Stage.STABLE:
            reply(0, 0, member.share)
            return
        member.syncing = reply
        if member.name == group.leader:
            shares = {name: bytes(data) for name, data in asked.group_assignment}
            group.stage = Stage.STABLE
            group.round += 1
            for one in group.members.values():
                one.share = shares.get(one.name, b"")
                waiting, one.syncing = one.syncing, None
                if waiting is not None:
                    self._hear(group, one)
                    waiting(0, 0, one.share)

    def beat(self, asked: Any, reply: Callable[[Refusal], None], *, hold: bool) -> bool:
        """Heartbeat 1; whether it is held until something happens."""
        group = self.group(asked.group)
        member = group.members.get(asked.member_id)
        code = self._fault(group, member, asked.generation_id)
        if not code:
            assert member is not None
            self._hear(group, member)
            if group.stage is Stage.JOINING:
                code = Refusal.REBALANCING
            elif hold and group.stage is Stage.STABLE:
                member.beating = reply
                return True
        reply(code)
        return False

    def release(self, group: str, name: str, *, silent: bool = False) -> None:
        """A held heartbeat is answered; or, `silent`, it counts as not heard from here on."""
        found = self.groups.get(group)
        member = None if found is None else found.members.get(name)
        if found is not None and member is not None and member.beating is not None:
            beating, member.beating = member.beating, None
            self._hear(found, member)
            if not silent:
                beating(Refusal.NONE)

    def leave(self, asked: Any) -> Refusal:
        """LeaveGroup 1."""
        group = self.group(asked.group)
        if asked.member_id not in group.members:
            return Refusal.UNKNOWN_MEMBER
        self._remove(group, asked.member_id)
        return Refusal.NONE

    def push_out(self, seconds: float) -> None:
        """The coordinator stood still for so long: nobody's session was running."""
        for group in self.groups.values():
            for member in group.members.values():
                member.heard += seconds

    # Positions.

    def commit(self, name: str, generation: int, member: str, positions: Mapping[Place, Position]) -> Refusal:
        """OffsetCommit 3: of a member under its generation, or of nobody where there are no members."""
        group = self.group(name)
        if code := self._may_commit(group, generation, member):
            return code
        for place, position in positions.items():
            group.keep(place, group.append(), position)
        return Refusal.NONE

    def commit_pending(
        self, name: str, producer: int, generation: int, member: str, positions: Mapping[Place, Position]
    ) -> Refusal:
        """TxnOffsetCommit 5: they count once the transaction is committed.

        Who names no generation is refused by nothing, as a client of before KIP-447 is.
        """
        group = self.group(name)
        is_judged = (generation >= 0 or member) and not self._model.mutant("generation_ignored")
        if is_judged and (code := self._fault(group, group.members.get(member), generation)):
            return code
        pending = group.pending.setdefault(producer, {})
        pending.update((place, (group.append(), position)) for place, position in positions.items())
        return Refusal.NONE

    def end_pending(self, name: str, producer: int, *, commit: bool) -> None:
        """The transaction has ended. A position that another one wrote later holds, whichever ended first."""
        group = self.group(name)
        positions = group.pending.pop(producer, {})
        for place, (logged, position) in positions.items() if commit else ():
            group.keep(place, group.append() if self._model.mutant("last_end_holds") else logged, position)

    def position(self, name: str, place: Place, *, stable: bool) -> Position | None:
        """The committed position; `Refused` where a stable one is asked for and a transaction is not over."""
        group = self.group(name)
        pending = any(place in positions for positions in group.pending.values())
        if stable and pending and not self._model.mutant("unstable_ignored"):
            raise Refused(Refusal.UNSTABLE)
        found = group.positions.get(place)
        if found is None or group.reads(place[0]):
            return found
        since = found[2] if group.members else max(found[2], group.emptied)
        if self._model.clock() - since > self._model.positions_kept_ms:
            group.forget(place)
            return None
        return found

    # What happens by itself.

    def _may_commit(self, group: Group, generation: int, member: str) -> Refusal:
        if generation < 0 and not member:
            return Refusal.UNKNOWN_MEMBER if group.members else Refusal.NONE
        return self._fault(group, group.members.get(member), generation)

    @staticmethod
    def _fault(group: Group, member: Member | None, generation: int) -> Refusal:
        if member is None:
            return Refusal.UNKNOWN_MEMBER
        return Refusal.NONE if generation == group.generation else Refusal.ILLEGAL_GENERATION

    def _hear(self, group: Group, member: Member) -> None:
        member.heard = self._model.loop.time()
        if not group.watched:
            group.watched = True
            self._model.later(member.session, self._look, group)

    def _look(self, group: Group) -> None:
        """Remove members whose session is over; come back when the next one's could be."""
        group.watched = False
        if self.groups.get(group.name) is not group:
            return
        now, soonest = self._model.loop.time(), None
        for member in list(group.members.values()):
            if member.joining is not None or member.beating is not None:
                left = member.session  # one that waits for us is there
            else:
                left = member.heard + member.session - now
            if left <= 1e-9:
                self._remove(group, member.name)
            elif soonest is None or left < soonest:
                soonest = left
        if soonest is not None and not group.watched:
            group.watched = True
            self._model.later(soonest, self._look, group)

    def _remove(self, group: Group, name: str) -> None:
        member = group.members.pop(name)
        if member.joining is not None:
            member.joining(0, Refusal.UNKNOWN_MEMBER, -1, "", "", name, [])
        if member.syncing is not None:
            member.syncing(0, Refusal.UNKNOWN_MEMBER, b"")
        if member.beating is not None:
            member.beating(Refusal.UNKNOWN_MEMBER)
        if not group.members:
            self._empty(group)
        elif group.stage is Stage.JOINING:
            self._complete_if_all(group)
        else:
            self._rebalance(group)
            self._complete_if_all(group)

    def _empty(self, group: Group) -> None:
        if group.stage is not Stage.EMPTY:
            group.generation += 1
        group.stage, group.leader, group.emptied = Stage.EMPTY, "", self._model.clock()
        group.round += 1

    def _rebalance(self, group: Group) -> None:
        was_empty = group.stage is Stage.EMPTY
        group.stage = Stage.JOINING
        group.round += 1
        for member in list(group.members.values()):
            syncing, member.syncing = member.syncing, None
            if syncing is not None:
                syncing(0, Refusal.REBALANCING, b"")
            beating, member.beating = member.beating, None
            if beating is not None:
                self._hear(group, member)
                beating(Refusal.REBALANCING)
        patience = max(member.rebalance for member in group.members.values())
        if was_empty and self._model.first_rebalance_delay:
            patience = self._model.first_rebalance_delay
        self._model.later(patience, self._stop_waiting, group, group.round)

    def _stop_waiting(self, group: Group, round_: int) -> None:
        if (
            self.groups.get(group.name) is not group
            or group.round != round_
            or group.stage is not Stage.JOINING
        ):
            return
        for name, member in list(group.members.items()):
            if member.joining is None:
                del group.members[name]
        if group.members:
            self._complete(group)
        else:
            self._empty(group)

    def _complete_if_all(self, group: Group) -> None:
        if group.stage is not Stage.JOINING or not all(one.joining for one in group.members.values()):
            return
        if group.generation == 0 and self._model.first_rebalance_delay:
            return  # the delay of the first one
        self._complete(group)

    def _complete(self, group: Group) -> None:
        group.generation += 1
        group.stage = Stage.SYNCING
        group.round += 1
        kinds = [{kind for kind, _ in one.protocols} for one in group.members.values()]
        common = set.intersection(*kinds)
        first = next(iter(group.members.values()))
        group.protocol = next(kind for kind, _ in first.protocols if kind in common)
        if group.leader not in group.members:
            group.leader = first.name
        for member in list(group.members.values()):
            joining, member.joining = member.joining, None
            self._hear(group, member)
            if joining is not None:
                joining(*self._joined(group, member))
        # Whoever does not ask for a share within the time of a rebalance is gone.
        self._model.later(
            max(one.rebalance for one in group.members.values()), self._stop_syncing, group, group.round
        )

    def _stop_syncing(self, group: Group, round_: int) -> None:
        if (
            self.groups.get(group.name) is not group
            or group.round != round_
            or group.stage is not Stage.SYNCING
        ):
            return
        for name, member in list(group.members.items()):
            if member.syncing is None and group.members.get(name) is member:
                self._remove(group, name)

    @staticmethod
    def _joined(group: Group, member: Member) -> tuple[Any, ...]:
        listed: list[tuple[str, None, bytes]] = []
        if member.name == group.leader:
            listed = [
                (one.name, None, next(data for kind, data in one.protocols if kind == group.protocol))
                for one in group.members.values()
            ]
        return 0, 0, group.generation, group.protocol, group.leader, member.name, listed
