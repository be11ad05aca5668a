-- What was answered to requests with an Idempotency-Key: the table of atoll.idempotency.kept_answers.
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
