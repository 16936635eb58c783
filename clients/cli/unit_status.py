"""`unit status`: a daemon's status, as lines for a person."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from runtime.cli.columns import Kind
from runtime.cli.render import Column, moment, plain, say, write, write_table
from runtime.files import new_folder, replace_file

ALARMS = (
    Column("id", "NUMBER"),
    Column("raised", "RAISED", moment),
    Column("code", "ALARM"),
    Column("detail", "DETAIL", kind=Kind.TEXT),
    Column("count", "TIMES"),
    Column("last", "LAST", moment, spare=1),
)


_SHORT: Final = {"certificate": "own TLS", "broker_certificate": "Kafka TLS"}
"""Checks whose names are wider than the column."""


_REQUESTS: Final = {
    "waiting": "to answer",
    "urgent": "of them urgent",
    "near": "near their deadline",
    "overdue": "overdue",
}


def unit_is_well(found: dict[str, Any]) -> bool:
    """Whether everything is well now; an alarm counts until somebody has acknowledged it."""
    ledger = found["ledger"]
    faults = (ledger.get("wrong"), ledger.get("late"), ledger.get("policy_gone"), found["open_alarms"])
    return bool(found["ready"]) and not any(faults)


def show_status(found: dict[str, Any]) -> None:
    """Print it."""
    write(f"unit       {found['unit']} {'ready' if found['ready'] else 'not ready'}")
    for check_name, check in found["checks"].items():
        name = _SHORT.get(check_name, check_name)
        if hint := check.get("hint"):
            write(f"{name:<9}  {'ok, but' if check['ok'] else 'NOT OK'}: {hint}")
            continue
        more = ", ".join(f"{key} {plain(value)}" for key, value in check.items() if key != "ok")
        write(f"{name:<9}  {'ok' if check['ok'] else 'NOT OK'}{f' ({more})' if more else ''}")
    _show_ledger(found["ledger"])
    if (requests := found.get("requests")) and requests["waiting"]:
        due = requests["next_due"]
        told = ", ".join(f"{requests[name]} {words}" for name, words in _REQUESTS.items())
        write(f"requests   {told}" + ("" if due is None else f"; the next by {moment(due)}"))
    write("")
    _show_alarms(found)


def _show_alarms(found: dict[str, Any]) -> None:
    unread = [alarm for alarm in reversed(found["alarms"]) if alarm["state"] == "open"]
    write_table(unread, ALARMS, as_json=False, none="no alarm is open")
    if found["open_alarms"]:
        more = found["open_alarms"] - len(unread)
        say(
            (f"{more} more are open: 'contrada unit alarms ls'; " if more else "")
            + "what was looked at: 'contrada unit alarms ack NUMBER'"
        )


def _show_ledger(ledger: dict[str, Any]) -> None:
    if not ledger["followed"]:
        if ledger.get("policy_gone"):
            write("ledger     NOT FOLLOWED any more: the policy file of this home is gone")
        else:
            write("ledger     not followed: this home has no policy file for it")
        return
    late = f", {ledger['late']} late" if ledger["late"] else ""
    state = "read" if ledger["read"] else "not read yet"
    write(f"ledger     {state}; {ledger['promised']} messages wait for their leaves{late}")
    for log in ledger["logs"]:
        witnesses = plain(sorted(log["witnesses"])) or "nobody"
        write(f"log        {log['origin']} at {log['size']}, cosigned by {witnesses}")
    for wrong in ledger["wrong"]:
        write(f"WRONG      {wrong['code']}: {wrong['about']} {wrong['detail']}".rstrip())


def write_evidence(found: dict[str, Any], out: Path) -> int:
    """A folder for each piece, with the notes as the log signed them; how many there are."""
    out.mkdir(parents=True, exist_ok=True)
    for item in found["items"]:
        about = {key: item[key] for key in ("raised", "code", "about")}
        files = {name: item[name].encode() for name in ("held", "shown") if item[name] is not None}
        files["about.json"] = (json.dumps(about, indent=2) + "\n").encode()
        _write_piece(out / f"{item['id']:04}-{item['code']}", files)
    return len(found["items"])


def _write_piece(folder: Path, files: Mapping[str, bytes]) -> None:
    if folder.exists():  # from an earlier time: the same piece
        for name, data in files.items():
            replace_file(folder / name, data)
        return
    with new_folder(folder) as beside:
        for name, data in files.items():
            (beside / name).write_bytes(data)
