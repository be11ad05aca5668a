-- Every state that an order has come to, numbered from 1, written with the move itself: what live status is told from.
ALTER TABLE orders ADD COLUMN sequence BIGINT NOT NULL DEFAULT 1;

CREATE TABLE order_changes (
    order_id TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('pending', 'confirmed', 'shipped', 'delivered', 'cancelled')),
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (order_id, sequence)
);

-- Of orders from before, the state that they are in is all that is known.
INSERT INTO order_changes (order_id, sequence, status, changed_at) SELECT id, 1, status, updated_at FROM orders;
