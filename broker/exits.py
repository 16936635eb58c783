"""How a router ends when it is started without the command line: which error in which exit code.

A part of the table of the command line, which this package must not import; a test holds the two against
each other. The service manager acts by these: what a person has to mend does not get better by starting
again, so 2, 4, 5 and 7 must never stand for what passes by itself.
"""

from __future__ import annotations

from typing import Final

from protocol.errors import ContradaError, Rejected

FAILURE: Final = 1
_GROUPS: Final[dict[int, str]] = {
    2: "E_CONFIG E_KEY_URI E_MISUSE",
    4: "E_KEYFILE_EXPOSED E_KEYFILE_UNREADABLE E_CREDENTIAL",
    5: "E_KEYFILE_MISSING E_NOT_FOUND",
    7: "E_STORE_CORRUPT E_ROLLED_BACK E_VERIFICATION",
    8: "E_UNAVAILABLE",
    9: "E_KEYFILE_EXISTS E_CONFLICT E_LEDGER_MOVED",
}
OF_CODE: Final[dict[str, int]] = {code: exit_ for exit_, codes in _GROUPS.items() for code in codes.split()}


def of_code(code: str) -> int:
    """The exit code for one of our stable error codes; a plain failure for one that is not expected here."""
    return OF_CODE.get(code, FAILURE)


def told(error: ContradaError) -> str:
    """The error as the command line tells it: a sentence, its code, what to do."""
    # Rejected shows its code first; here the code follows the sentence, for every error alike.
    message = Exception.__str__(error) if isinstance(error, Rejected) else str(error)
    lines = [f"contrada: {message} ({error.code})"]
    return "\n".join(lines + [f"hint: {hint}" for hint in error.hint.splitlines()])
