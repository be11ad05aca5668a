-- The table as atoll.idempotency.kept_answers has it for every service; what is kept stays good.
DROP INDEX kept_answers_by_age;
ALTER TABLE kept_answers RENAME TO kept_answers_before;

CREATE TABLE kept_answers (
    route TEXT NOT NULL,
    caller TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    status BIGINT,
    headers TEXT NOT NULL,
    body BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (route, caller, idempotency_key)
);

CREATE INDEX kept_answers_by_age ON kept_answers (created_at);

INSERT INTO kept_answers (route, caller, idempotency_key, fingerprint, status, headers, body, created_at)
SELECT 'POST /orders', user_id, idempotency_key, fingerprint, NULL, '{}', answer, created_at FROM kept_answers_before;

DROP TABLE kept_answers_before;
