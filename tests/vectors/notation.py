"""How vectors are written: JSON, with bytes as hexadecimal text.

Owns the two forms: a field that is always bytes holds plain hexadecimal; inside a CBOR item, where text and bytes
stand side by side, bytes are written `h'..'` as in RFC 8949, 8.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def shown(item: Any) -> Any:
    """A CBOR item as JSON."""
    if isinstance(item, bytes):
        return f"h'{item.hex()}'"
    if isinstance(item, list | tuple):
        return [shown(part) for part in item]
    if isinstance(item, dict):
        return {str(key): shown(value) for key, value in item.items()}
    return item


def item_of(written: Any) -> Any:
    """The CBOR item behind JSON."""
    if isinstance(written, str) and written.startswith("h'"):
        return bytes.fromhex(written[2:-1])
    if isinstance(written, list):
        return [item_of(part) for part in written]
    if isinstance(written, dict):
        return {int(key): item_of(value) for key, value in written.items()}
    return written


def read(name: str) -> Any:
    """A vector file; an empty object where there is none yet."""
    path = HERE / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def text_of(content: Any) -> str:
    """A vector file's text, the same for the same content."""
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
