"""The codes of a program's own trouble: files, settings, connections, the command line. None is ever sent.

Owns, for each, what it means and what to do, in one sentence each, for `contrada errors` and for whoever adds
an error: a test walks every class of every package's tree and finds its code here or among the reject codes
(protocol/errors.py). Exit codes stand in exits.py, the long form in docs/runbooks/codes-local.md.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class LocalCode(NamedTuple):
    """What it means, and what to do."""

    means: str
    hint: str


_TRY_AGAIN: Final = "try again in a moment"
_REPORT: Final = "report it, with the log; CONTRADA_TRACEBACK=1 shows all of it to a developer"

LOCAL_CODES: Final[dict[str, LocalCode]] = {
    # The command line.
    "E_USAGE": LocalCode("an option or argument is wrong or missing", "see the command's --help"),
    "E_HOME": LocalCode(
        "no home is named, or the directory is not what it must be",
        "name one with --home or CONTRADA_HOME; the message says what is wrong with it",
    ),
    "E_DRAFT": LocalCode(
        "a draft has faults, or a file is not what it has to be",
        "correct each field that is named, docs/drafts.md; or name the right file",
    ),
    "E_REFUSED": LocalCode(
        "the router refused the message, or would", "correct what the reasons name, send it anew"
    ),
    "E_TIMEOUT": LocalCode(
        "what was waited for did not happen in time; what was handed over is kept",
        "ask again, with a longer --timeout",
    ),
    "E_DECLINED": LocalCode("you were asked, and said no", "nothing was done"),
    "E_INTERRUPTED": LocalCode(
        "Ctrl-C, or a signal", "what was handed over is kept; look before you repeat it"
    ),
    "E_DEGRADED": LocalCode(
        "something is not well, and stands above the message", "see the runbook of what is named"
    ),
    "E_NOT_CHECKED": LocalCode(
        "a copy agrees with itself, and whose ledger it is was not checked",
        "give the policy that you trust with --policy",
    ),
    "E_HANGING": LocalCode(
        "Kafka has decided a transaction and not ended it: nobody reads past it",
        "contrada centre topics end-hanging",
    ),
    "E_OUTPUT": LocalCode(
        "what the command had to say cannot be written to stdout",
        "the work may be done: look before you repeat it",
    ),
    "E_SYSTEM": LocalCode(
        "the system refused a file, a disk or memory", "the message has its words; check that path"
    ),
    "E_INSTALLATION": LocalCode("a part of the program is not there", "install contrada again, whole"),
    "E_DEMO": LocalCode("a part of the demo did not start", "its log is in logs/ of the demo's directory"),
    "E_AMBIGUOUS": LocalCode(
        "several ids begin with the digits that were typed", "type more digits, or all of one"
    ),
    # A daemon, and its local API.
    "E_DAEMON": LocalCode("no daemon answers on the home's socket", "start it: contrada unit run"),
    "E_DAEMON_ERROR": LocalCode("the daemon failed to answer", "see its log, and report it"),
    "E_REQUEST": LocalCode(
        "a request to the local API is not understood", "the message names the field or path"
    ),
    "E_OUT_OF_ORDER": LocalCode(
        "this kind of message may not follow the one that it refers to",
        "only a request is answered or refused, for good once; send the rest as information",
    ),
    "E_KEY_REUSED": LocalCode(
        "another request was taken in under this idempotency key", "use a fresh key for each request"
    ),
    "E_IN_HAND": LocalCode("the first request with this idempotency key is not answered yet", _TRY_AGAIN),
    "E_STOPPING": LocalCode("the daemon is stopping, and takes nothing in", "ask again when it runs"),
    "E_STORE": LocalCode(
        "a database or a copy of a tree cannot be written", "look at the disk and its rights"
    ),
    "E_AT_REST": LocalCode(
        "stored content does not open under the unit's storage key",
        "database and keys are of different backups, or damaged: docs/runbooks/restore-a-unit.md",
    ),
    "E_ERASED": LocalCode("the content was erased; header and decision stay", "nothing: that was ordered"),
    # Any process.
    "E_CONFIG": LocalCode(
        "a setting is missing or wrong", "correct it; docs/configuration.md has all settings"
    ),
    "E_RUNNING": LocalCode("another process works on this home", "stop that one, or use it"),
    "E_CRASHED": LocalCode(
        "a part of the process failed, and ended it", "see the line crashed in its log, report it"
    ),
    "E_UNAVAILABLE": LocalCode("Kafka, or another side, is not to be had now", "look at it, and try again"),
    "E_NOT_FOUND": LocalCode("there is no such thing here", "list what there is with ls"),
    "E_CONFLICT": LocalCode("it is there already, or contradicts what is there", "the message says what"),
    "E_VERIFICATION": LocalCode("something that was read does not verify", "do not rely on it"),
    "E_MISUSE": LocalCode("a program asked for what can never be right", "that is a fault of that program"),
    # Keys and secrets.
    "E_KEYFILE_MISSING": LocalCode("there is no such key file", "check the path; restore it from a backup"),
    "E_KEYFILE_EXISTS": LocalCode(
        "a new key would overwrite one", "move the old one away first, if you mean it"
    ),
    "E_KEYFILE_EXPOSED": LocalCode(
        "others may read or replace a key file or its directory",
        "take their rights; then ask who could have read it",
    ),
    "E_KEYFILE_UNREADABLE": LocalCode(
        "a key file is damaged, or the secret is another one", "check the secret; else restore the file"
    ),
    "E_CREDENTIAL": LocalCode(
        "a secret has not 32 bytes, or a passphrase not 12 characters", "head -c 32 /dev/urandom > FILE"
    ),
    "E_KEY_URI": LocalCode(
        "there is no such place of keys, or its name is not understood",
        "write file:PATH, or name a token as docs/hardware-keys.md has it",
    ),
    "E_TOKEN_PIN": LocalCode(
        "a token's PIN is missing, was refused, or is locked",
        "docs/runbooks/tokens.md; never try it in a loop",
    ),
    "E_TOKEN_KEY": LocalCode(
        "a token has no such key, or does not let it be used so",
        "contrada token show; docs/runbooks/tokens.md",
    ),
    "E_TOKEN_AWAY": LocalCode(
        "a token is not there, or does not answer", "put it in; it is tried again: docs/runbooks/tokens.md"
    ),
    "E_SIGNER_AWAY": LocalCode(
        "the process that holds the router's key does not answer",
        "systemctl start contrada-signer; the router goes on by itself",
    ),
    "E_SIGNER_REFUSED": LocalCode(
        "the process that holds the router's key does not sign this", "docs/runbooks/signer.md, at once"
    ),
    "E_KEY_AWAY": LocalCode("what holds a key does not answer", _TRY_AGAIN),
    "E_KEYSTORE": LocalCode(
        "something else is wrong with a key file", "check its path, its owner and the disk"
    ),
    # The centre and the witnesses.
    "E_TOPIC_CONFLICT": LocalCode(
        "a topic is there, and not as it must be", "declare what is there, or start with fresh topics"
    ),
    "E_LEDGER_MOVED": LocalCode(
        "another ledger moved a log meanwhile; nothing was written", "of two ledgers leave one running"
    ),
    "E_STORE_CORRUPT": LocalCode(
        "what the ledger has stored was altered or is not all there, or a unit's database is damaged",
        "docs/runbooks/ledger-does-not-start.md; docs/runbooks/store-damaged.md",
    ),
    "E_ROLLED_BACK": LocalCode(
        "what is stored is older than what was published",
        "restore the newest copy; docs/runbooks/ledger-stores.md",
    ),
    "E_FORK": LocalCode("a witness has evidence against a log", "docs/runbooks/witness.md, at once"),
    "E_STATE_LOST": LocalCode(
        "a witness or a unit does not remember what it did", "docs/runbooks/witness.md, restore-a-unit.md"
    ),
    "E_TILES": LocalCode(
        "a log's tiles cannot be read, and this witness signs only what it copied", _TRY_AGAIN
    ),
    # The auditor.
    "E_LOG_WITHHELD": LocalCode(
        "a source does not show a log that must be there", "keep the copy; ask another auditor and the centre"
    ),
    "E_SOURCE_EMPTY": LocalCode(
        "a source shows none of the logs that the policy names",
        "check its address: it has audit/, directory/",
    ),
    # Faults without a code of their own.
    **dict.fromkeys(
        ("E_INTERNAL", "E_COMMAND", "E_PROCESS", "E_BROKER", "E_WITNESS"),
        LocalCode("a fault of the program that has no code of its own", _REPORT),
    ),
}
