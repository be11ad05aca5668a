-- What an order has come through stands in its own row: every state as `status:milliseconds`, with a space between.
ALTER TABLE orders ADD COLUMN changes TEXT NOT NULL DEFAULT '';
UPDATE orders SET changes = COALESCE(
    (
        SELECT string_agg(c.status || ':' || c.changed_at, ' ' ORDER BY c.sequence)
        FROM order_changes AS c WHERE c.order_id = orders.id
    ),
    status || ':' || updated_at
);
DROP TABLE order_changes;

-- Why it was cancelled, when it was not its buyer who did.
ALTER TABLE orders ADD COLUMN reason TEXT;

-- When products is asked about an order that is still pending by then.
ALTER TABLE orders ADD COLUMN ask_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX orders_pending ON orders (ask_at) WHERE status = 'pending';

-- Products hears of orders by events now. Of what it had still to be told, pending orders are asked about; cancellations
-- are announced at the next start.
CREATE TABLE untold_cancellations (
    order_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    sequence BIGINT NOT NULL
);
INSERT INTO untold_cancellations (order_id, user_id, sequence)
SELECT id, user_id, sequence FROM orders WHERE owed = 'release';
DROP INDEX orders_owed;
ALTER TABLE orders DROP COLUMN owed;

-- Users, as users tells of them. A deletion stays, whatever comes after it.
CREATE TABLE buyers (
    user_id TEXT NOT NULL PRIMARY KEY,
    is_deleted BIGINT NOT NULL CHECK (is_deleted IN (0, 1))
);
