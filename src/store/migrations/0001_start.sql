-- What belongs to users. Every table has an owner, and every query asks for it.
--
-- Times are milliseconds since 1970. Sequence numbers only grow and are never given twice, so that a page of a list
-- begins where the one before it ended, whatever was added or deleted in between.

CREATE TABLE facts (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    status     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (owner, id)
) STRICT;

CREATE INDEX facts_by_status ON facts (owner, status, sequence);

CREATE TABLE threads (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    owner      TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    title      TEXT,
    metadata   TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- The number of the next item: taken from here, not from the items, for the last of those may be deleted.
    next_item  INTEGER NOT NULL DEFAULT 1,
    UNIQUE (owner, id)
) STRICT;

CREATE INDEX threads_by_owner ON threads (owner, sequence);

CREATE TABLE items (
    owner      TEXT    NOT NULL,
    thread     TEXT    NOT NULL,
    sequence   INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    hidden     INTEGER NOT NULL,
    body       TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (owner, thread, sequence),
    UNIQUE (owner, thread, id),
    FOREIGN KEY (owner, thread) REFERENCES threads (owner, id) ON DELETE CASCADE
) STRICT;

-- One row for each model call. A turn that is told twice counts once.
CREATE TABLE usage (
    sequence         INTEGER PRIMARY KEY AUTOINCREMENT,
    owner            TEXT    NOT NULL,
    turn             TEXT    NOT NULL,
    step             INTEGER NOT NULL,
    model            TEXT    NOT NULL,
    input            INTEGER,
    cached_input     INTEGER,
    output           INTEGER,
    reasoning        INTEGER,
    created_at       INTEGER NOT NULL,
    UNIQUE (owner, turn, step)
) STRICT;

CREATE INDEX usage_by_time ON usage (owner, created_at);
