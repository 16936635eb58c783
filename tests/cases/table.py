"""Small inputs that went wrong once, each with what is right.

The files beside this are bodies for `contrada send`, and for POST /v1/messages where `door` says so. Names and
numbers are made up, or specimens of the public standard. A case is tried on a real daemon (tests/cli/test_cases.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Taken:
    """It is taken, and the addressee gets these attachments under these media types."""

    attached: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """It is refused: these fields, for these rules, and no others; and words that must stand in what is said."""

    faults: Mapping[str, str]
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One input."""

    file: str
    right: Taken | Refused
    attach: tuple[str, ...] = ()
    """Files that lie beside the draft and are attached, by name."""

    door: str = "send"

    @property
    def path(self) -> Path:
        return HERE / self.file


NFC, NFD = "Z\u00fcrich.pdf", "Zu\u0308rich.pdf"

CASES = (
    Case(
        "data-uri.json", Refused({"attachments[0].content_b64": "base64"}, ("a data: address",)), door="api"
    ),
    Case(
        "duplicate-keys.json", Refused({"to": "once", "draft.items[0].name": "once"}, ("twice",)), door="api"
    ),
    Case(
        "files-georgian.json", Refused({"items[0].files[0]": "file_name"}, ("112 characters of 328 bytes",))
    ),
    Case("files-nfc.json", Taken({NFC: "application/pdf"}), attach=(NFD,)),
    Case("files-nfc.json", Taken({NFC: "application/pdf"}), attach=(NFC,)),
    Case("files-nfc.json", Refused({"--attach Zu\\u0308rich.pdf": "file_twice"}), attach=(NFC, NFD)),
    Case(
        "files-xlsm.json",
        Taken({"list.xlsm": "application/vnd.ms-excel.sheet.macroenabled.12"}),
        attach=("list.xlsm",),
    ),
    Case("files-gz.json", Taken({"log.txt.gz": "application/gzip"}), attach=("log.txt.gz",)),
    Case("lone-surrogate.json", Refused({"subject": "surrogate"}, ("\\ud83d",))),
    Case("two-faults.json", Refused({"items[0].imo": "imo", "items[0].mmsi": "shape"}, ("nine digits",))),
    Case("lower-case-z.json", Taken()),
    Case("leap-second.json", Refused({"items[0].seen_at": "instant"}, ("leap second",))),
    Case("french-id-1988.json", Taken()),
    Case("visa-mrv-a.json", Taken()),
    Case("imo-zero.json", Refused({"items[0].imo": "imo_placeholder"})),
    Case("invisible-name.json", Refused({"items[0].name": "unseen"})),
    Case(
        "position-10-decimals.json",
        Refused({"items[0].latitude": "decimals", "items[0].longitude": "decimals"}),
    ),
)
