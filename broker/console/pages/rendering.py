"""Templates to HTML. Every value that a template writes is bounded and made visible, and then escaped.

Owns the environment of the templates and their filters. Rules: nothing is markup but what a template has
itself; a name that a template does not know is an error, and no empty text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from broker.console.pages.shown_text import shown_text
from protocol.limits import DAY, SECOND
from protocol.times import show_time

HERE: Final = Path(__file__).parent
WHOLE: Final = 1_000
"""Letters of what is to be copied, such as a command."""

NONE: Final = "\u2013"
"""A dash, where there is nothing to tell."""

_MINUTE, _HOUR = 60 * SECOND, 3600 * SECOND


def _finalize(value: object) -> object:
    return value if isinstance(value, Markup) else shown_text(value)


def _whole(value: object) -> Markup:
    return escape(shown_text(value, most=WHOLE))


def time_of(value: object) -> str:
    """Unix milliseconds as ISO 8601, in UTC; a dash where there is none."""
    return show_time(value) if isinstance(value, int) else NONE


def span_of(millis: object) -> str:
    """A length of time in its two largest units."""
    if not isinstance(millis, int | float):
        return NONE
    left = abs(int(millis))
    for unit, name, next_unit, next_name in (
        (DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", SECOND, "s"),
    ):
        if left >= unit:
            more = left % unit // next_unit
            return f"{left // unit} {name}" + (f" {more} {next_name}" if more else "")
    return f"{left // SECOND} s"


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"whole": _whole, "time": time_of, "span": span_of, "many": lambda count: f"{count:,}"}
    return made


_TEMPLATES: Final = _environment()


def render(template: str, **values: Any) -> bytes:
    """A page, or a part of one."""
    return _TEMPLATES.get_template(template).render(**values).encode()
