CREATE TABLE products (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    price BIGINT NOT NULL CHECK (price >= 0),
    category TEXT NOT NULL,
    version BIGINT NOT NULL,
    folded_name TEXT NOT NULL,
    folded_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);

CREATE INDEX products_by_age ON products (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX products_by_name ON products (folded_name, id) WHERE deleted_at IS NULL;
CREATE INDEX products_by_price ON products (price, id) WHERE deleted_at IS NULL;
CREATE INDEX products_by_category ON products (category, created_at, id) WHERE deleted_at IS NULL;

-- Apart from the catalogue, because every sale writes here and only here.
CREATE TABLE stock (
    product_id TEXT NOT NULL PRIMARY KEY REFERENCES products (id),
    available BIGINT NOT NULL CHECK (available >= 0)
);

-- Every change of stock; the sum of a product's changes is its stock. Only ever appended to: an index would make every
-- line of an order touch a page of its own.
CREATE TABLE stock_ledger (
    product_id TEXT NOT NULL,
    change BIGINT NOT NULL CHECK (change <> 0),
    cause TEXT NOT NULL CHECK (cause IN ('added', 'adjusted', 'held', 'released', 'expired')),
    order_id TEXT,
    created_at BIGINT NOT NULL
);

-- One order's hold on all its lines; `lines` is JSON, written once and read whole.
CREATE TABLE reservations (
    order_id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('held', 'settled', 'released', 'expired')),
    lines TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX reservations_held ON reservations (expires_at) WHERE state = 'held';
