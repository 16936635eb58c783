-- The daemon's database. Order is the order of row ids, never of times: a clock may jump.
-- Content stands here encrypted only, each message under a key of its own (at_rest.py).
-- Large columns come last: what stands behind them costs a walk over all their pages to read.

CREATE TABLE IF NOT EXISTS outbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    mid             BLOB NOT NULL UNIQUE CHECK (length(mid) = 16),
    thread          BLOB NOT NULL CHECK (length(thread) = 16),
    kind            INTEGER NOT NULL,
    recipients      TEXT NOT NULL,                  -- JSON: [[unit, role], ...]
    state           TEXT NOT NULL CHECK (state IN ('queued', 'sealed', 'sent', 'accepted', 'refused')),
    automatic       INTEGER NOT NULL,               -- a receipt: the daemon's own acknowledgement of delivery
    created         INTEGER NOT NULL,
    changed         INTEGER NOT NULL,
    sealed_times    INTEGER NOT NULL DEFAULT 0,
    reasons         TEXT NOT NULL DEFAULT '[]',     -- JSON: [[code, unit or null], ...]
    idempotency_key TEXT,
    request_mac     BLOB,
    dek             BLOB,                           -- both NULL once the content was erased, and in receipts
    content         BLOB
) STRICT;

CREATE INDEX IF NOT EXISTS outbox_queued ON outbox (id) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS outbox_under_way ON outbox (thread, id) WHERE state IN ('queued', 'sealed', 'sent');
CREATE INDEX IF NOT EXISTS outbox_own ON outbox (id) WHERE automatic = 0;
CREATE UNIQUE INDEX IF NOT EXISTS outbox_once ON outbox (idempotency_key) WHERE idempotency_key IS NOT NULL;

-- One row for each time that a message was sealed: what lies in Kafka, byte for byte.
CREATE TABLE IF NOT EXISTS sealings (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    message         INTEGER NOT NULL REFERENCES outbox (id),
    stream          BLOB NOT NULL CHECK (length(stream) = 8),
    seq             INTEGER NOT NULL,
    partition       INTEGER NOT NULL,
    subject         BLOB NOT NULL,
    digest          BLOB NOT NULL UNIQUE,           -- SHA-256 of the submission, as decisions name it
    position        INTEGER,                        -- Kafka's offset, once acknowledged
    verdict         INTEGER,                        -- RecordType, once decided
    record          BLOB,                           -- the router's record of the decision
    submission      BLOB                            -- NULL once the router has decided
) STRICT;

CREATE INDEX IF NOT EXISTS sealings_undecided ON sealings (partition, id) WHERE verdict IS NULL;
CREATE INDEX IF NOT EXISTS sealings_message ON sealings (message);
CREATE INDEX IF NOT EXISTS sealings_subject ON sealings (subject);

-- How far each addressee has come with what we sent.
CREATE TABLE IF NOT EXISTS acknowledgements (
    message         INTEGER NOT NULL REFERENCES outbox (id),
    unit            TEXT NOT NULL,
    stage           INTEGER NOT NULL,
    received        INTEGER NOT NULL,
    PRIMARY KEY (message, unit)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS inbox (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    sender          TEXT NOT NULL,
    mid             BLOB NOT NULL CHECK (length(mid) = 16),
    thread          BLOB NOT NULL CHECK (length(thread) = 16),
    kind            INTEGER NOT NULL,
    subject         BLOB NOT NULL,
    role            INTEGER NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('new', 'opened', 'acknowledged')),
    received        INTEGER NOT NULL,
    opened          INTEGER,
    acknowledged    INTEGER,
    topic           TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    receipt_owed    INTEGER NOT NULL,               -- 1 until the acknowledgement of delivery is in the outbox
    receipted_by    INTEGER REFERENCES outbox (id), -- that acknowledgement, which may speak of others too
    dek             BLOB,                           -- both NULL once the content was erased
    signed_header   BLOB NOT NULL,
    receipt         BLOB NOT NULL,                  -- the router's decision, with its proof
    content         BLOB,
    UNIQUE (mid, sender)                            -- a message is received once, however often it arrives
) STRICT;

CREATE INDEX IF NOT EXISTS inbox_new ON inbox (id) WHERE state = 'new' AND kind <> 5;
CREATE INDEX IF NOT EXISTS inbox_owed ON inbox (id) WHERE receipt_owed = 1;
CREATE INDEX IF NOT EXISTS inbox_receipted ON inbox (receipted_by) WHERE receipted_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS inbox_subject ON inbox (subject);

-- Deliveries that did not verify: where they stand in Kafka, and why; nothing of them is believed.
CREATE TABLE IF NOT EXISTS rejected (
    topic           TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    code            TEXT NOT NULL,
    received        INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, position)
) STRICT, WITHOUT ROWID;

-- How far each feed was read. Written in the same transaction as what was read.
CREATE TABLE IF NOT EXISTS positions (
    topic           TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- What an officer must look at. Ids and codes only.
CREATE TABLE IF NOT EXISTS alarms (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    raised          INTEGER NOT NULL,
    code            TEXT NOT NULL,
    detail          TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS meta (
    key             TEXT PRIMARY KEY,
    value           TEXT NOT NULL
) STRICT, WITHOUT ROWID;
