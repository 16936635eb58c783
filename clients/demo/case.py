"""The demo's case: a vessel, a forged passport, an urgent request, and what must be refused.

Each act does one thing through a unit's local API, and checks what the others see. Owns what is expected;
changes nothing to make it come true.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from clients.cli.rules_of import reasons
from clients.daemon.sending.kafka_outbox import KafkaOutbox
from clients.daemon.sending.outbox_log import OutboxRecord
from clients.demo.exchange import Exchange, example
from clients.demo.processes import eventually
from clients.demo.scene import PATIENCE, Scene
from protocol import topics
from protocol.canonical import decode
from protocol.identifiers import UnitId
from runtime.cli.kafka_calls import read_to_end, run_quietly
from runtime.kafka.feeds import KafkaFeeds
from runtime.kafka.ports import InputRecord
from runtime.kafka.security.access import KafkaAddress


@dataclass(slots=True)
class Case:
    """One playing of the case. Later acts refer to messages of earlier ones."""

    exchange: Exchange
    vessel_id: str = ""
    request_id: str = ""

    def acts(self) -> list[Callable[[], Scene]]:
        """The acts in their order."""
        return [self.vessel, self.passport, self.urgent_request, self.answer, self.refused, self.tampered]

    def acts_again(self) -> list[Callable[[], Scene]]:
        """What is played on an exchange that was started again."""
        return [self.kept, self.vessel]

    def kept(self) -> Scene:
        """What Italy had received before is there."""
        before = [row for row in self._inbox("it") if row["kind"] == "information"]
        seen = "there" if before and self._can_read("it", before[0]["id"]) else "gone"
        return Scene("what was received before", "there", seen)

    def vessel(self) -> Scene:
        """Information at France's own initiative (DIR 7): Italy and the centre can read it."""
        self.vessel_id = self._send("fr", "information", ["it", "centre"], "vessel.json")
        return Scene(
            "a vessel, FR to IT and the centre",
            "read by it, centre",
            self._readers(self.vessel_id, "it", "centre"),
        )

    def passport(self) -> Scene:
        """A forged passport with a photograph attached."""
        photograph = {
            "name": "passport.png",
            "media_type": "image/png",
            "content_b64": base64.b64encode(example("passport.png")).decode("ascii"),
        }
        draft = json.loads(example("identity-document.json"))
        draft["items"][0]["files"] = ["passport.png"]
        sent = self._send("fr", "information", ["it", "centre"], draft, attachments=[photograph])
        seen = self._readers(sent, "it", "centre")
        attached = self.exchange.daemon("it").get(f"/v1/inbox/{sent}")["attachments"] if seen else []
        same = [a["name"] for a in attached if a["content_b64"] == photograph["content_b64"]]
        return Scene("a passport with its photograph", "read by it, centre; photograph intact",
                   f"{seen}; photograph {'intact' if same else 'missing'}")  # fmt: skip

    def urgent_request(self) -> Scene:
        """An urgent request (DIR 4(4)) from Italy to France."""
        self.request_id = self._send("it", "request", ["fr"], "urgent-request.json")
        return Scene("an urgent request, IT to FR", "read by fr", self._readers(self.request_id, "fr"))

    def answer(self) -> Scene:
        """France answers; Italy can read it."""
        sent = self._send("fr", "answer", ["it"], "answer.json", reply_to=self.request_id)
        return Scene("the answer, FR to IT", "read by it", self._readers(sent, "it"))

    def refused(self) -> Scene:
        """Personal data to a party under a working arrangement: the router refuses and names the rule."""
        sent = self._send("fr", "information", ["nz"], "identity-document.json", without_files=True)
        settled = self._settled("fr", sent)
        rules = "; ".join(f"{row['source']}: {row['unit']}" for row in reasons(settled["reasons"]))
        return Scene(
            "personal data to NZ, which has a working arrangement",
            "refused by data basis, ER 23(4), 25: nz",
            f"{settled['state']} by {rules}",
        )

    def tampered(self) -> Scene:
        """One bit of a sealed message is flipped, and it is put into France's outbox again."""
        before = [len(self._inbox(unit)) for unit in ("it", "centre")]
        damaged = bytearray(
            run_quietly(_first_record(self.exchange.access("centre"), topics.outbox(UnitId("fr"))))
        )
        damaged[len(damaged) // 2] ^= 1
        position = run_quietly(_append(self.exchange.access("unit-fr"), UnitId("fr"), bytes(damaged)))
        rows: list[str] = []

        def in_quarantine() -> bool:
            rows[:] = run_quietly(_quarantined(self.exchange.access("centre"), "fr", position))
            return bool(rows)

        eventually(in_quarantine, within=PATIENCE)
        after = [len(self._inbox(unit)) for unit in ("it", "centre")]
        code = "quarantined" if rows else "not in quarantine"
        delivered = "delivered to nobody" if before == after else "delivered"
        return Scene(
            "a tampered record in FR's outbox", "quarantined, delivered to nobody", f"{code}, {delivered}"
        )

    def _send(self, sender: str, kind: str, to: list[str], draft: Any, **more: Any) -> str:
        content = json.loads(example(draft)) if isinstance(draft, str) else draft
        if more.pop("without_files", False):
            for item in content["items"]:
                item.pop("files", None)
        body = {"kind": kind, "to": to, "draft": content, **more}
        return str(self.exchange.daemon(sender).post("/v1/messages", body)["id"])

    def _readers(self, message: str, *units: str) -> str:
        """Which of these units could open the message, and acknowledged its delivery."""
        readers = [
            unit for unit in units if eventually(partial(self._can_read, unit, message), within=PATIENCE)
        ]
        return f"read by {', '.join(readers)}" if readers else "read by nobody"

    def _can_read(self, unit: str, message: str) -> bool:
        return bool(self.exchange.daemon(unit).get(f"/v1/inbox/{message}")["id"] == message)

    def _settled(self, unit: str, message: str) -> dict[str, Any]:
        found: dict[str, Any] = {"state": "undecided", "reasons": []}

        def decided() -> bool:
            found.update(self.exchange.daemon(unit).get(f"/v1/outbox/{message}"))
            return found["state"] in ("accepted", "refused")

        eventually(decided, within=PATIENCE)
        return found

    def _inbox(self, unit: str) -> list[dict[str, Any]]:
        rows, _ = self.exchange.daemon(unit).pages("/v1/inbox", limit=None)
        # Acknowledgements come by themselves; they are not what a tampered record could have caused.
        return [row for row in rows if row["kind"] != "acknowledgement"]


async def _first_record(kafka: KafkaAddress, topic: str) -> bytes:
    values: list[bytes] = []
    await read_to_end(KafkaFeeds(kafka), topic, lambda record: values.append(record.value))
    return values[0]


async def _append(kafka: KafkaAddress, unit: UnitId, value: bytes) -> int:
    outbox = KafkaOutbox(kafka, unit)
    try:
        return (await outbox.append(0, [OutboxRecord(b"", value)])).offset
    finally:
        await outbox.close()


async def _quarantined(kafka: KafkaAddress, unit: str, position: int) -> list[str]:
    codes: list[str] = []

    def take(record: InputRecord) -> None:
        _, (owner, _, offset, _), _, code, *_ = decode(record.value)
        if (owner, offset) == (unit, position):
            codes.append(code)

    await read_to_end(KafkaFeeds(kafka), topics.QUARANTINE, take)
    return codes
