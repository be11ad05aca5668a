-- `lines` is JSON, written once and read whole. `owed` is what products must still be told of the order:
-- to settle its stock, or to release it.
CREATE TABLE orders (
    id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    lines TEXT NOT NULL,
    total BIGINT NOT NULL CHECK (total >= 0),
    currency TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')),
    owed TEXT CHECK (owed IN ('settle', 'release')),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX orders_by_user ON orders (user_id, created_at, id);
CREATE INDEX orders_owed ON orders (owed, created_at) WHERE owed IS NOT NULL;

-- What was answered to a request with an Idempotency-Key, byte for byte.
CREATE TABLE kept_answers (
    user_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    answer BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, idempotency_key)
);

CREATE INDEX kept_answers_by_age ON kept_answers (created_at);
