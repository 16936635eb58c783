"""Media types: their grammar, and the type that a file is sent under.

Owns both. The grammar is that of RFC 6838, 4.2 (restricted names), and asks for no registration. Letters have
no case there: a type is sent in lower case, so that it has one form.

The type follows from the last ending of the name, by a table of our own: the tables of a machine differ from
one to the next, so that one draft would be taken here and refused there. It names the container and not what
is in it: `log.txt.gz` is gzip. An ending that the table does not know is `application/octet-stream` (RFC
2046, 4.5.1). Types are IANA's; where it has none, the usual one.
"""

from __future__ import annotations

import re
from typing import Final

UNKNOWN_TYPE: Final = "application/octet-stream"
RIGHT_TYPE: Final = "a media type such as image/jpeg (RFC 6838, 4.2)"

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_MEDIA_TYPE: Final = re.compile(f"{_NAME}/{_NAME}")

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_OASIS: Final = "application/vnd.oasis.opendocument"

_BY_ENDING: Final = {
    # Text.
    "txt": "text/plain", "log": "text/plain", "csv": "text/csv", "tsv": "text/tab-separated-values",
    "htm": "text/html", "html": "text/html", "md": "text/markdown", "ics": "text/calendar",
    "vcf": "text/vcard", "rtf": "application/rtf", "xml": "application/xml", "json": "application/json",
    "jsonl": "application/x-ndjson", "geojson": "application/geo+json", "cbor": "application/cbor",
    "gpx": "application/gpx+xml", "kml": "application/vnd.google-earth.kml+xml",
    "kmz": "application/vnd.google-earth.kmz", "yaml": "application/yaml", "yml": "application/yaml",
    # Documents.
    "pdf": "application/pdf", "ps": "application/postscript", "epub": "application/epub+zip",
    "doc": "application/msword", "xls": "application/vnd.ms-excel", "ppt": "application/vnd.ms-powerpoint",
    "docx": f"{_OFFICE}.wordprocessingml.document", "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "pptx": f"{_OFFICE}.presentationml.presentation",
    "docm": "application/vnd.ms-word.document.macroenabled.12",
    "xlsm": "application/vnd.ms-excel.sheet.macroenabled.12",
    "xlsb": "application/vnd.ms-excel.sheet.binary.macroenabled.12",
    "pptm": "application/vnd.ms-powerpoint.presentation.macroenabled.12",
    "odt": f"{_OASIS}.text", "ods": f"{_OASIS}.spreadsheet", "odp": f"{_OASIS}.presentation",
    "vsd": "application/vnd.visio", "eml": "message/rfc822", "mbox": "application/mbox",
    "msg": "application/vnd.ms-outlook", "sqlite": "application/vnd.sqlite3",
    # Images.
    "jpg": "image/jpeg", "jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp",
    "tif": "image/tiff", "tiff": "image/tiff", "bmp": "image/bmp", "svg": "image/svg+xml",
    "heic": "image/heic", "heif": "image/heif", "avif": "image/avif", "jp2": "image/jp2", "jxl": "image/jxl",
    # Sound and film.
    "mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac", "ogg": "audio/ogg", "opus": "audio/ogg",
    "flac": "audio/flac", "wav": "audio/vnd.wave", "amr": "audio/amr", "mp4": "video/mp4", "m4v": "video/mp4",
    "mov": "video/quicktime", "avi": "video/vnd.avi", "mkv": "video/matroska", "webm": "video/webm",
    "3gp": "video/3gpp", "mpg": "video/mpeg", "mpeg": "video/mpeg", "wmv": "video/x-ms-wmv",
    # Containers.
    "zip": "application/zip", "gz": "application/gzip", "tgz": "application/gzip",
    "zst": "application/zstd", "bz2": "application/x-bzip2", "xz": "application/x-xz",
    "7z": "application/x-7z-compressed", "rar": "application/vnd.rar", "tar": "application/x-tar",
    "z": "application/x-compress", "br": "application/x-brotli",
    # Signed and sealed.
    "p7m": "application/pkcs7-mime", "p7s": "application/pkcs7-signature",
    "asice": "application/vnd.etsi.asic-e+zip",
    "asc": "application/pgp-signature", "sig": "application/pgp-signature",
    "gpg": "application/pgp-encrypted", "pgp": "application/pgp-encrypted",
    "pcap": "application/vnd.tcpdump.pcap",
}  # fmt: skip


def media_type_of(name: str) -> str:
    """The type that a file of this name is sent under; the same on every machine."""
    _, dot, ending = name.rpartition(".")
    return _BY_ENDING.get(ending.lower(), UNKNOWN_TYPE) if dot else UNKNOWN_TYPE


def is_media_type(text: str) -> bool:
    """Whether it is one by the grammar; without parameters, of which attachments have none."""
    return _MEDIA_TYPE.fullmatch(text) is not None
