-- Conversations as the frontends need them: a thread may be locked or closed, users upload files and say what they
-- think of answers. An item's body holds the item in the gateway's own words; its kind is there to look at.

ALTER TABLE threads ADD COLUMN status TEXT NOT NULL DEFAULT 'active';
ALTER TABLE threads ADD COLUMN reason TEXT;

CREATE TABLE attachments (
    owner      TEXT    NOT NULL,
    id         TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    thread     TEXT,
    uploaded   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;

-- Signed addresses name no owner.
CREATE UNIQUE INDEX attachments_by_id ON attachments (id);

CREATE INDEX attachments_by_thread ON attachments (thread, created_at);

-- The last word of a user about an item counts.
CREATE TABLE feedback (
    owner      TEXT    NOT NULL,
    thread     TEXT    NOT NULL,
    item       TEXT    NOT NULL,
    positive   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (owner, thread, item),
    FOREIGN KEY (owner, thread) REFERENCES threads (owner, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
