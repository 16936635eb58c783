"""Every bound of the protocol, named once. Sizes in bytes, times in milliseconds."""

from __future__ import annotations

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

# The envelope.
MAX_RECORD = 1_200_000  # a Kafka record with a submission or a delivery
MAX_QUARANTINED = 16_384  # so much of a record is held in quarantine, beside its digest and its size
MAX_ASKED_RECORD = 131_072  # a Kafka record of a unit that asks to join, or of the answer
MAX_CIPHERTEXT = 1_048_576
MIN_CIPHERTEXT = 64
MAX_HEADER = 65_536
MAX_DEPTH = 8  # nesting of any CBOR that is read
MAX_CBOR_ITEMS = (
    1_024  # in one reading, where the reader names no other budget; a full envelope has 70, its core 500
)
MAX_RECORD_ITEMS = 4_096  # of a decision's record, which may have 1,024 reasons
MAX_ROW_ITEMS = (
    4_096  # of what has many rows: decisions of one transaction, stated acts, a publication's files
)
MAX_RECIPIENTS = 64
MAX_PURPOSES = 8
MAX_REFERENCES = 8
MAX_ATTACHMENT_ENTRIES = 64
MAX_ONLY = 64  # units named by an H3 limit
MAX_UINT = 2**53 - 1  # also exact in JSON and in JavaScript
MAX_REASONS = 1_024  # 64 addressees can each give rise to several
MAX_DECISION = 262_144  # one decision with all its reasons

# The content.
MAX_PARTS = 256
MAX_ITEMS = 200
MAX_ACKNOWLEDGED = 100  # messages that one acknowledgement speaks of
MAX_TEXT = 20_000
MAX_ATTACHMENT = 524_288
MAX_BODY_JSON = 262_144

# Time (docs/spec, Times).
CLOCK_TOLERANCE = 5 * MINUTE
CLOCK_OFF = 2 * MINUTE  # whose clock is further off than this decides and signs nothing at the centre,
CLOCK_RIGHT = MINUTE  # and goes on when it is no further off than this
MAX_AGE = 7 * DAY
MAX_LIFETIME = 30 * DAY
AGREED_WITHIN = 30 * DAY  # so long what one registrar stated waits for another one
POLICY_NOTICE = 15 * MINUTE  # a policy is in force no sooner after it was stated (docs/adr/0050)
MAX_REVIEW = 30 * 365 * DAY  # how far ahead a sender may put the review of a message

# Epoch keys.
EPOCH = 7 * DAY
EPOCH_GRACE = DAY  # the router still takes the epoch that has just ended
EPOCH_AHEAD = 2  # epochs that a unit publishes ahead
EPOCH_DESTROY_AFTER = 14 * DAY  # the private key is kept this long after its epoch's end

# The router's replay state: it travels in the offset commit, whose metadata Kafka bounds at 4096 bytes.
MAX_STREAMS = 80
MAX_STATE_TEXT = 3_072

# The directory.
MAX_STATEMENT = 32_768
STATEMENTS_A_WEEK = 32  # of a party's own keys; an honest one needs one or two (docs/adr/0043)
STATEMENTS_COUNTED_FROM = 1_796_083_200_000  # 2026-12-01: what the log has from before keeps its place

# The logs (protocol/tlog).
MAX_NOTE = 524_288  # an ML-DSA-44 signature line has 3.3 kB, and each witness writes one
MAX_NOTE_SIGNATURES = 100
MAX_KEY_NAME = 255  # also an origin: both are signed behind one byte of length
MAX_PROOF_PATH = 63  # no tree has more leaves than 2^63
MAX_PROOF_EXTRA = 65_536
MAX_POLICY_TEXT = 1_048_576
MAX_POLICY_LINES = 256  # of each kind: logs, witnesses, groups
