"""A strict reader of the CDDL that docs/spec uses, so that the normative text is checked to the letter.

Owns the part of RFC 8610 that contrada.cddl needs: arrays, maps with integer keys, choices, occurrences, ranges,
literals, `.size`, `.cbor`, `.regexp`. Unlike pycddl it looks into `.cbor`, refuses entries that a map does not
name, and tells true from 1. Anything else in the text is an error here, so that the text stays within it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from protocol.canonical import decode
from protocol.errors import Rejected

_TOKEN = re.compile(
    r"""\s+|;[^\n]*|(?P<occur>\d*\*\d*(?=\s))|(?P<int>-?\d+)|(?P<text>"[^"]*")|(?P<ctl>\.[a-z]+)"""
    r"""|(?P<name>[a-z][a-z0-9-]*)|(?P<sign>=>|\.\.|[=/\[\]{}(),:])"""
)


@dataclass(frozen=True)
class Token:
    """One word of the text."""

    kind: str
    text: str


def _words(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        # `..` before a control: ".." begins like one.
        if text.startswith("..", at):
            yield Token("sign", "..")
            at += 2
            continue
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"not in our part of CDDL: {text[at : at + 40]!r}")
        at = found.end()
        if found.lastgroup is not None:
            yield Token(found.lastgroup, found[0])


class Spec:
    """The rules of a text. `matches(rule, item)` says whether an item is what the rule describes."""

    def __init__(self, text: str) -> None:
        self._words = [*_words(text), Token("end", "")]
        self._at = 0
        self.rules: dict[str, Any] = {}
        while self._peek().kind != "end":
            name = self._take("name").text
            self._take("sign", "=")
            assert name not in self.rules, f"{name} is defined twice"
            self.rules[name] = self._type()
        self.used: set[str] = set()
        self._check_names()

    def matches(self, rule: str, item: Any) -> bool:
        """Whether the item has the form of this rule."""
        return self._matches(("name", rule), item)

    def _check_names(self) -> None:
        todo = list(self.rules.values())
        while todo:
            node = todo.pop()
            if isinstance(node, tuple):
                if node[0] == "name" and node[1] not in (
                    "uint",
                    "int",
                    "bstr",
                    "tstr",
                    "bool",
                    "null",
                    "any",
                ):
                    assert node[1] in self.rules, f"{node[1]} is not defined"
                    self.used.add(node[1])
                todo += node[1:]
            elif isinstance(node, list):
                todo += node

    # The grammar.

    def _peek(self, ahead: int = 0) -> Token:
        return self._words[self._at + ahead]

    def _take(self, kind: str, text: str | None = None) -> Token:
        word = self._peek()
        assert word.kind == kind and text in (None, word.text), f"{kind} {text} expected, found {word.text!r}"
        self._at += 1
        return word

    def _sign(self, text: str) -> bool:
        if self._peek() == Token("sign", text):
            self._at += 1
            return True
        return False

    def _type(self) -> tuple:
        choices = [self._controlled()]
        while self._sign("/"):
            choices.append(self._controlled())
        return choices[0] if len(choices) == 1 else ("choice", choices)

    def _controlled(self) -> tuple:
        base = self._plain()
        if self._sign(".."):
            return ("range", base[1], self._plain()[1])
        if self._peek().kind == "ctl":
            control = self._take("ctl").text
            assert control in (".size", ".cbor", ".regexp"), control
            return (control, base, self._plain())
        return base

    def _plain(self) -> tuple:
        if self._sign("("):
            inner = self._type()
            self._take("sign", ")")
            return inner
        if self._sign("["):
            return ("array", self._group("]"))
        if self._sign("{"):
            return ("map", self._group("}"))
        word = self._peek()
        self._at += 1
        match word.kind:
            case "int":
                return ("literal", int(word.text))
            case "text":
                return ("literal", word.text[1:-1])
            case "name":
                return ("name", word.text)
        raise AssertionError(f"a type expected, found {word.text!r}")

    def _group(self, closing: str) -> list:
        entries = []
        while not self._sign(closing):
            least, most = 1, 1
            if self._peek().kind == "occur":
                low, _, high = self._take("occur").text.partition("*")
                least, most = int(low or 0), int(high or 10**9)
            key = None
            following = self._peek(1)
            if following in (Token("sign", ":"), Token("sign", "=>")):
                word = self._peek()
                key = int(word.text) if word.kind == "int" else word.text
                self._at += 2
            entries.append(("entry", key, least, most, self._type()))
            if not self._sign(","):
                self._take("sign", closing)
                break
        return entries

    # The matching.

    def _matches(self, node: tuple, item: Any) -> bool:
        match node:
            case ("name", str(name)):
                return self._named(name, item)
            case ("literal", value):
                return type(item) is type(value) and item == value
            case ("choice", list(choices)):
                return any(self._matches(choice, item) for choice in choices)
            case ("range", low, high):
                return type(item) is int and low <= item <= high
            case (".size", base, bounds):
                return self._matches(base, item) and self._matches(bounds, len(_octets(item)))
            case (".regexp", base, ("literal", str(pattern))):
                return self._matches(base, item) and re.fullmatch(pattern, item) is not None
            case (".cbor", base, inner):
                return self._matches(base, item) and self._inside(inner, item)
            case ("array", list(entries)):
                return type(item) is list and self._array(entries, item)
            case ("map", list(entries)):
                return type(item) is dict and self._map(entries, item)
        raise AssertionError(node)

    def _named(self, name: str, item: Any) -> bool:
        match name:
            case "uint":
                return type(item) is int and item >= 0
            case "int":
                return type(item) is int
            case "bstr":
                return type(item) is bytes
            case "tstr":
                return type(item) is str
            case "bool":
                return type(item) is bool
            case "null":
                return item is None
            case "any":
                return True
        return self._matches(self.rules[name], item)

    def _inside(self, inner: tuple, item: bytes) -> bool:
        try:
            return self._matches(inner, decode(item))
        except Rejected:
            return False

    def _array(self, entries: list, item: list) -> bool:
        at = 0
        for _, _, least, most, node in entries:
            count = 0
            while count < most and at < len(item) and self._matches(node, item[at]):
                at, count = at + 1, count + 1
            if count < least:
                return False
        return at == len(item)

    def _map(self, entries: list, item: dict) -> bool:
        return {key for _, key, *_ in entries} == item.keys() and all(
            self._matches(node, item[key]) for _, key, _, _, node in entries
        )


def _octets(item: bytes | str) -> bytes:
    return item.encode() if isinstance(item, str) else item
