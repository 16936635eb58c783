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
    idempotency_key TEXT,                           -- of earlier versions: stands in request_keys now
    request_mac     BLOB,
    dek             BLOB,                           -- both NULL once the content was erased, and in receipts
    content         BLOB
) STRICT;

CREATE INDEX IF NOT EXISTS outbox_queued ON outbox (id) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS outbox_under_way ON outbox (thread, id) WHERE state IN ('queued', 'sealed', 'sent');
CREATE INDEX IF NOT EXISTS outbox_own ON outbox (id) WHERE automatic = 0;
CREATE INDEX IF NOT EXISTS outbox_refused ON outbox (id) WHERE state = 'refused' AND automatic = 0;
CREATE INDEX IF NOT EXISTS outbox_thread ON outbox (thread);
CREATE UNIQUE INDEX IF NOT EXISTS outbox_once ON outbox (idempotency_key) WHERE idempotency_key IS NOT NULL;

-- Requests that were taken in under an idempotency key, and what was answered (request_keys.py).
CREATE TABLE IF NOT EXISTS request_keys (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    key             TEXT NOT NULL UNIQUE,
    mac             BLOB NOT NULL,                  -- of the request; tells another one, and shows no content
    message         INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    state           TEXT NOT NULL,                  -- of the message when it was answered
    taken           INTEGER NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS request_keys_message ON request_keys (message);

INSERT OR IGNORE INTO request_keys (key, mac, message, state, taken)
    SELECT idempotency_key, request_mac, id, state, created FROM outbox
    WHERE idempotency_key IS NOT NULL ORDER BY id;
UPDATE outbox SET idempotency_key = NULL, request_mac = NULL WHERE idempotency_key IS NOT NULL;

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

-- What routers said of our sealings (receipts.py): one row for each of their transactions, as it came.
CREATE TABLE IF NOT EXISTS decisions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    value           BLOB NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS decided_in (
    sealing         INTEGER PRIMARY KEY REFERENCES sealings (id) ON DELETE CASCADE,
    decisions       INTEGER NOT NULL REFERENCES decisions (id)
) STRICT;

CREATE INDEX IF NOT EXISTS decided_in_decisions ON decided_in (decisions);

CREATE TRIGGER IF NOT EXISTS decided_goes AFTER DELETE ON decided_in
WHEN NOT EXISTS (SELECT 1 FROM decided_in WHERE decisions = old.decisions) BEGIN
    DELETE FROM decisions WHERE id = old.decisions;
END;

-- How far each addressee has come with what we sent.
CREATE TABLE IF NOT EXISTS acknowledgements (
    message         INTEGER NOT NULL REFERENCES outbox (id),
    unit            TEXT NOT NULL,
    stage           INTEGER NOT NULL,
    received        INTEGER NOT NULL,
    PRIMARY KEY (message, unit)
) STRICT, WITHOUT ROWID;

-- Addressees who had not acknowledged a message when they should have (unacknowledged.py). They may yet.
CREATE TABLE IF NOT EXISTS unacknowledged (
    message         INTEGER NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    unit            TEXT NOT NULL,
    told            INTEGER NOT NULL DEFAULT 0,     -- 1 once an officer was told
    PRIMARY KEY (message, unit)
) STRICT, WITHOUT ROWID;

CREATE INDEX IF NOT EXISTS unacknowledged_told ON unacknowledged (told, message);

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
CREATE INDEX IF NOT EXISTS inbox_opened ON inbox (id) WHERE state = 'opened' AND kind <> 5;
CREATE INDEX IF NOT EXISTS inbox_thread ON inbox (thread);
CREATE INDEX IF NOT EXISTS inbox_owed ON inbox (id) WHERE receipt_owed = 1;
CREATE INDEX IF NOT EXISTS inbox_receipted ON inbox (receipted_by) WHERE receipted_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS inbox_subject ON inbox (subject);

-- Received messages that their originators' H3 has deleted at a date (deletions.py).
CREATE TABLE IF NOT EXISTS deletions (
    message         INTEGER PRIMARY KEY REFERENCES inbox (id) ON DELETE CASCADE,
    due             INTEGER NOT NULL,
    erased          INTEGER,                        -- when it was done
    told_by         INTEGER REFERENCES outbox (id)  -- the acknowledgement that says so, which may speak of others too
) STRICT;

CREATE INDEX IF NOT EXISTS deletions_due ON deletions (due) WHERE erased IS NULL;
CREATE INDEX IF NOT EXISTS deletions_untold ON deletions (message) WHERE erased IS NOT NULL AND told_by IS NULL;
CREATE INDEX IF NOT EXISTS deletions_told ON deletions (told_by) WHERE told_by IS NOT NULL;

-- Answers and refusals, sent and received (replies.py): how far each request is answered, and what is odd.
CREATE TABLE IF NOT EXISTS replies (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    request         BLOB NOT NULL,                  -- the id of the message that is replied to, and its sender
    asker           TEXT NOT NULL,
    author          TEXT NOT NULL,                  -- who replied
    reply           TEXT NOT NULL,
    outbox          INTEGER REFERENCES outbox (id) ON DELETE CASCADE,
    inbox           INTEGER REFERENCES inbox (id) ON DELETE CASCADE,
    odd             TEXT                            -- why it may not stand there; NULL if it may
) STRICT;

CREATE INDEX IF NOT EXISTS replies_request ON replies (request, asker, author);
CREATE INDEX IF NOT EXISTS replies_outbox ON replies (outbox) WHERE outbox IS NOT NULL;
CREATE INDEX IF NOT EXISTS replies_inbox ON replies (inbox) WHERE inbox IS NOT NULL;

-- Received requests that are not answered for good (received_requests.py), and until when they are to be.
CREATE TABLE IF NOT EXISTS received_requests (
    message         INTEGER PRIMARY KEY REFERENCES inbox (id) ON DELETE CASCADE,
    urgent          INTEGER NOT NULL,
    due             INTEGER NOT NULL
) STRICT;

-- Deliveries that did not verify: where they stand in Kafka, and why; nothing of them is believed.
CREATE TABLE IF NOT EXISTS rejected (
    topic           TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    code            TEXT NOT NULL,
    received        INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, position)
) STRICT, WITHOUT ROWID;

-- Deliveries that a router decided at a time that has not come here (deferred.py), as they came.
CREATE TABLE IF NOT EXISTS deferred (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    topic           TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    until           INTEGER NOT NULL,               -- the time of the decision, as far as clocks may differ
    value           BLOB NOT NULL,
    UNIQUE (topic, partition, position)
) STRICT;

CREATE INDEX IF NOT EXISTS deferred_until ON deferred (until);

-- How far each feed was read. Written in the same transaction as what was read.
CREATE TABLE IF NOT EXISTS positions (
    topic           TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    position        INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- Some of the records that were read of each feed, the newest among them (positions.py): offset and digest of
-- each. A log that has others at these places is not the one that was read.
CREATE TABLE IF NOT EXISTS read_records (
    topic           TEXT NOT NULL,
    partition       INTEGER NOT NULL,
    ladder          BLOB NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;

-- What an officer must look at. Ids and codes only.
CREATE TABLE IF NOT EXISTS alarms (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    raised          INTEGER NOT NULL,
    code            TEXT NOT NULL,
    detail          TEXT NOT NULL
) STRICT;

CREATE INDEX IF NOT EXISTS alarms_code ON alarms (code, id);

-- What each stands for (alarms.py): one alarm for all that has one cause, with how often it came, the last time
-- that it did, and its detail then. An alarm of an earlier version has no row here: it came once.
CREATE TABLE IF NOT EXISTS alarm_occurrences (
    alarm           INTEGER PRIMARY KEY REFERENCES alarms (id) ON DELETE CASCADE,
    cause           TEXT NOT NULL,
    count           INTEGER NOT NULL,
    last            INTEGER NOT NULL,
    last_detail     TEXT NOT NULL
) STRICT;

-- Which of them an officer has acknowledged (alarms.py): kept as long as the alarm is.
CREATE TABLE IF NOT EXISTS alarm_acknowledgements (
    alarm           INTEGER PRIMARY KEY REFERENCES alarms (id) ON DELETE CASCADE,
    acknowledged    INTEGER NOT NULL,
    by              TEXT NOT NULL,
    note            TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS meta (
    key             TEXT PRIMARY KEY,
    value           TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What this unit holds of each log of the ledger (ledger.py): the last trusted checkpoint, and the tree's edge.
CREATE TABLE IF NOT EXISTS ledger_logs (
    id              INTEGER PRIMARY KEY,
    origin          TEXT NOT NULL UNIQUE,
    next_offset     INTEGER NOT NULL,               -- publications before it were taken in
    advanced        INTEGER NOT NULL,
    nodes           BLOB NOT NULL,
    note            BLOB NOT NULL
) STRICT;

-- The trees themselves, hashes only: of the leaves the newest million, of the levels above everything.
CREATE TABLE IF NOT EXISTS ledger_tiles (
    log             INTEGER NOT NULL REFERENCES ledger_logs (id),
    level           INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    hashes          BLOB NOT NULL,
    PRIMARY KEY (log, level, number)
) STRICT;

-- Leaves that routers have promised us and that are not proved yet (promises.py).
CREATE TABLE IF NOT EXISTS promises (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    side            INTEGER NOT NULL,               -- 1: about a sealing of ours, 2: about a received message
    subject         INTEGER NOT NULL,               -- its row in sealings or in inbox
    made            INTEGER NOT NULL,
    late            INTEGER NOT NULL DEFAULT 0,     -- 1 once an officer was told that it is missing
    type            INTEGER,                        -- of a decision on a sealing: RecordType, leaf and salt
    leaf            BLOB,
    salt            BLOB                            -- NULL where the decision's record is not kept: no proof is
) STRICT;

-- Leaves that are proved: place, path and checkpoint make a tlog-proof of each. A proof is evidence: it stays
-- as long as the row that it is about, content erased or not, and goes with it; so does a promise. A
-- checkpoint stays as long as a proof rests on it. The daemon itself deletes no message.
CREATE TABLE IF NOT EXISTS inclusions (
    side            INTEGER NOT NULL,
    subject         INTEGER NOT NULL,
    type            INTEGER NOT NULL,               -- RecordType of the leaf
    checkpoint      INTEGER NOT NULL REFERENCES ledger_checkpoints (id),
    position        INTEGER NOT NULL,
    proved          INTEGER NOT NULL,
    salt            BLOB,
    path            BLOB NOT NULL,
    PRIMARY KEY (side, subject, type)
) STRICT, WITHOUT ROWID;

-- Trusted checkpoints that proofs rest on, with all their signatures.
CREATE TABLE IF NOT EXISTS ledger_checkpoints (
    id              INTEGER PRIMARY KEY,
    origin          TEXT NOT NULL,
    size            INTEGER NOT NULL,
    note            BLOB NOT NULL,
    UNIQUE (origin, size)
) STRICT;

CREATE INDEX IF NOT EXISTS inclusions_checkpoint ON inclusions (checkpoint);

CREATE TRIGGER IF NOT EXISTS sealing_goes AFTER DELETE ON sealings BEGIN
    DELETE FROM promises WHERE side = 1 AND subject = old.id;
    DELETE FROM inclusions WHERE side = 1 AND subject = old.id;
END;

CREATE TRIGGER IF NOT EXISTS received_goes AFTER DELETE ON inbox BEGIN
    DELETE FROM promises WHERE side = 2 AND subject = old.id;
    DELETE FROM inclusions WHERE side = 2 AND subject = old.id;
END;

CREATE TRIGGER IF NOT EXISTS proof_goes AFTER DELETE ON inclusions
WHEN NOT EXISTS (SELECT 1 FROM inclusions WHERE checkpoint = old.checkpoint) BEGIN
    DELETE FROM ledger_checkpoints WHERE id = old.checkpoint;
END;

-- What a log said of itself that cannot be: both notes, for whoever has to be convinced.
CREATE TABLE IF NOT EXISTS ledger_evidence (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    raised          INTEGER NOT NULL,
    code            TEXT NOT NULL,
    about           TEXT NOT NULL,                  -- the log, or the unit that saw another one
    held            BLOB,
    shown           BLOB
) STRICT;
