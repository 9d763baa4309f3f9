-- Conversations that end by themselves, and what each has cost.

-- What the thread's metadata say, where a query can find it.
ALTER TABLE threads ADD COLUMN sessions TEXT GENERATED ALWAYS AS (json_extract(metadata, '$.sessions')) VIRTUAL;
CREATE INDEX threads_by_sessions ON threads (sessions, updated_at);

-- Nothing for calls outside of threads, and for those whose thread is gone.
ALTER TABLE usage ADD COLUMN thread TEXT;
CREATE INDEX usage_by_thread ON usage (owner, thread);
