-- Events of ours: written with the state that they tell of, sent afterwards, and kept for a week. `relay` is the process
-- that added the event and sends it at once; any may send what is left over.
CREATE TABLE outbox (
    event_id TEXT NOT NULL PRIMARY KEY,
    type TEXT NOT NULL,
    body BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    relay TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    published_at BIGINT
);

CREATE INDEX outbox_waiting ON outbox (added_at, sequence, event_id) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- One row: who sends what is left over, and the broker that all published events are known to be at.
CREATE TABLE outbox_relay (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    holder TEXT NOT NULL,
    held_until BIGINT NOT NULL,
    epoch TEXT NOT NULL,
    run TEXT NOT NULL
);

INSERT INTO outbox_relay (id, holder, held_until, epoch, run) VALUES (1, '', 0, '', '');

-- Events of others: noted with their effect, so that each has it once.
CREATE TABLE inbox (
    event_id TEXT NOT NULL PRIMARY KEY,
    noted_at BIGINT NOT NULL
);

CREATE INDEX inbox_by_age ON inbox (noted_at);

-- Events whose handling failed. `next_at` is when it is tried again; NULL for a dead letter.
CREATE TABLE inbox_failures (
    event_id TEXT NOT NULL PRIMARY KEY,
    type TEXT NOT NULL,
    body BYTEA NOT NULL,
    deliveries BIGINT NOT NULL,
    next_at BIGINT,
    reason TEXT NOT NULL,
    stack TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    first_failed_at BIGINT NOT NULL,
    last_failed_at BIGINT NOT NULL
);

CREATE INDEX inbox_failures_due ON inbox_failures (next_at) WHERE next_at IS NOT NULL;
