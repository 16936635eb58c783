"""Parameter types for Click: units, codes, ids, times. Text becomes values, or an error with a hint.

Owns the textual forms at the command line. Codes are written as everywhere (protocol/content/code_forms.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any, Final

import click

from protocol import limits
from protocol.content.code_forms import read_handling, show_code, show_handling
from protocol.content.texts import is_seen
from protocol.errors import Rejected
from protocol.identifiers import ID_WORDS, IdPrefix, parse_unit_id, read_id_or_prefix, show_id
from protocol.times import (
    DURATION_WORDS,
    POINT_WORDS,
    TOO_LONG,
    Bound,
    read_duration,
    read_point,
    show_duration,
)
from runtime.cli.input_files import PathName
from runtime.process.clock import now

LONGEST_LINE: Final = 200
"""Characters of a name or a reason, as in every record that keeps one (protocol/trail/act_forms.py)."""


class Units(click.ParamType[Any]):
    """One unit or several, joined by commas; written in capitals or not."""

    name = "unit"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The unit ids."""
        if isinstance(value, tuple):
            return value
        names = [name.strip() for name in str(value).split(",")]
        for name in names:
            try:
                parse_unit_id(name.lower())
            except Rejected as error:
                self.fail(f"{name!r} is not a unit id; expected {error.hint}", param, ctx)
        return tuple(name.lower() for name in names)


class OneUnit(Units):
    """Exactly one unit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The unit id."""
        names = super().convert(value, param, ctx)
        if len(names) != 1:
            self.fail("one unit here, not several", param, ctx)
        return names[0]


class Codes(click.Choice[str]):
    """One code of a closed list, as the list writes it."""

    def __init__(self, codes: type[Enum], *, without: Iterable[Enum] = ()) -> None:
        left_out = set(without)
        super().__init__([show_code(code) for code in codes if code not in left_out], case_sensitive=False)
        self.name = codes.__name__.lower()


class HandlingCodes(click.ParamType[str]):
    """Handling codes as in `H0` or `H1+H3`."""

    name = "codes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The codes in their one written form."""
        try:
            return show_handling(read_handling(str(value).upper()))
        except Rejected as error:
            self.fail(f"{value!r} is no set of handling codes; expected {error.hint}", param, ctx)


class Whole(click.IntRange):
    """A whole number within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        if not isinstance(value, int):
            if re.fullmatch("[+-]?[0-9]{1,18}", str(value), re.ASCII) is None:
                self.fail(f"{value!r} is not a whole number; expected {self._bounds()}", param, ctx)
            value = int(value)
        least, most = self.min, self.max
        if (least is not None and value < least) or (most is not None and value > most):
            self.fail(f"{value} is out of bounds; expected {self._bounds()}", param, ctx)
        return int(value)

    def _bounds(self) -> str:
        least = 0 if self.min is None else int(self.min)
        return f"{least} or more" if self.max in (None, limits.MAX_UINT) else f"{least} to {int(self.max)}"


class OneLine(click.ParamType[str]):
    """A line of text that people will read: not empty, and nothing in it that a terminal acts on."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, without spaces around it."""
        text = str(value).strip()
        if not text:
            self.fail(f"nothing is in it; expected one line of 1 to {LONGEST_LINE} characters", param, ctx)
        if len(text) > LONGEST_LINE:
            self.fail(f"it has {len(text)} characters; expected at most {LONGEST_LINE}", param, ctx)
        if not text.isprintable():
            self.fail("a line break or another control character is in it; expected one line", param, ctx)
        return text


class SomeText(click.ParamType[str]):
    """Text in which something is to be seen; what else it must be is for who takes it."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it was typed."""
        if not is_seen(str(value)):
            self.fail("nothing is in it that can be seen; expected text", param, ctx)
        return str(value)


class Identifier(click.ParamType[str]):
    """The id of a message or conversation, or its first digits; which one they mean is for who is asked."""

    name = "id"
    words = ID_WORDS

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id, or so much of it, in its one written form."""
        try:
            read = read_id_or_prefix(str(value))
        except Rejected as rejected:
            self.fail(_not_so(value, rejected), param, ctx)
        return str(read) if isinstance(read, IdPrefix) else show_id(read)


class KeyName(click.ParamType[bytes | IdPrefix]):
    """A key id in hexadecimal, with or without the spaces of a fingerprint, or its first digits."""

    name = "key"
    words = ID_WORDS

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes | IdPrefix:
        """The 16 bytes, or what they begin with."""
        if isinstance(value, bytes | IdPrefix):
            return value
        try:
            return read_id_or_prefix(str(value).replace(" ", ""))
        except Rejected as rejected:
            self.fail(_not_so(value, rejected), param, ctx)


class Sha256(click.ParamType[bytes]):
    """A SHA-256 in hexadecimal."""

    name = "sha256"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """32 bytes."""
        if isinstance(value, bytes):
            return value
        if re.fullmatch(r"[0-9a-fA-F]{64}", str(value)) is None:
            self.fail(f"{value!r} is not a SHA-256; expected 64 hexadecimal digits", param, ctx)
        return bytes.fromhex(str(value))


class Duration(click.ParamType[int]):
    """A length of time such as `90s`, `15m`, `8h`, `7d` (protocol/times.py); in whole seconds."""

    name = "duration"
    words = DURATION_WORDS

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds."""
        if isinstance(value, int):
            return value
        try:
            return read_duration(str(value)) // limits.SECOND
        except Rejected as rejected:
            self.fail(_not_so(value, rejected), param, ctx)


class Moment(click.ParamType[int]):
    """A point in time (protocol/times.py) as a bound; in Unix milliseconds.

    As an upper bound it is the first millisecond behind what was written: a date includes its whole day.
    """

    name = "moment"
    words = POINT_WORDS

    def __init__(self, bound: Bound) -> None:
        self.bound = bound

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Unix milliseconds."""
        if isinstance(value, int):
            return value
        try:
            return read_point(str(value), now=now()).as_bound(self.bound)
        except Rejected as rejected:
            self.fail(_not_so(value, rejected), param, ctx)


class Term(click.ParamType[int]):
    """By when, as a length of time from now or as a point in time (protocol/times.py); in seconds."""

    name = "term"
    words = "a DURATION from now, or a MOMENT"

    def __init__(self, *, at_most: int) -> None:
        self.at_most = at_most
        """Milliseconds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Seconds from now."""
        if isinstance(value, int):
            return value
        try:
            left = self._left(str(value))
        except Rejected as rejected:
            self.fail(_not_so(value, rejected), param, ctx)
        longest = show_duration(self.at_most)
        if left < limits.SECOND:
            self.fail(f"{value!r} is over; expected a time to come, at most {longest} from now", param, ctx)
        if left > self.at_most:
            found = f"{show_duration(left)} from now"
            self.fail(f"{value!r} is too late, {found}; expected at most {longest}", param, ctx)
        return left // limits.SECOND

    def _left(self, text: str) -> int:
        try:
            return read_duration(text)
        except Rejected as no_length:
            moment = now()
            try:
                return read_point(text, now=moment).as_bound(Bound.TERM) - moment
            except Rejected as no_point:
                # A number is a length without its unit; all else may have been meant as either.
                if text.strip().isdigit():
                    raise no_length from None
                if no_length.sentence == TOO_LONG:
                    hint = f"at most {show_duration(self.at_most)}"
                    raise Rejected(no_length.reason, no_length.sentence, hint=hint) from None
                hint = "a length of time such as 8h or 7d, or a date or time such as 2026-11-22"
                raise Rejected(no_point.reason, no_point.sentence, hint=hint) from None


limit_option = click.option(
    "--limit",
    metavar="N",
    type=Whole(1),
    help="Only the newest so many; without it, all.",
)
since_option = click.option("--since", type=Moment(Bound.LOWER), help="From then on.")
until_option = click.option("--until", type=Moment(Bound.UPPER), help="Up to then.")
authority_option = click.option(
    "--authority",
    type=PathName(path_type=Path),
    metavar="DIR",
    help="Where the authority of the certificates for Kafka lies. [default: ca, beside those of --kafka-tls]",
)


def refuse_empty_span(since: int | None, until: int | None) -> None:
    """Refuse a search that ends before it begins: it would find nothing, and look like an answer."""
    if since is not None and until is not None and since >= until:
        raise click.UsageError("--until lies before --since")


def _not_so(value: object, rejected: Rejected) -> str:
    return f"{value!r} is {rejected.sentence}; expected {rejected.hint}"


def flatten(groups: Iterable[tuple[str, ...]]) -> list[str]:
    """`--to a,b --to c` as one list, in order, each once: naming a unit twice in one option is a mistake."""
    return list(dict.fromkeys(name for group in groups for name in group))
