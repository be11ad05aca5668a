-- A key is published before it signs, and signs until the next one does; no moment means: it stands ready.
ALTER TABLE signing_keys RENAME COLUMN position TO number;
ALTER TABLE signing_keys RENAME COLUMN created_at TO published_at;
ALTER TABLE signing_keys ADD COLUMN signs_from BIGINT;
UPDATE signing_keys SET signs_from = published_at;

-- Whoever changes keys takes this row first, so that changes come one after the other.
CREATE TABLE signing_key_changes (
    id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    changes BIGINT NOT NULL
);
INSERT INTO signing_key_changes (id, changes) VALUES (1, 0);
