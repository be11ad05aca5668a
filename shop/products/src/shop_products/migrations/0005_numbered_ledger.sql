-- The rows of one product's ledger are numbered 1, 2, 3, … in the order in which its stock moved: many write at once,
-- and neither a clock nor the place of a row says which was first. What was written before this has the number 0.
ALTER TABLE stock ADD COLUMN moves BIGINT NOT NULL DEFAULT 0;
ALTER TABLE stock_ledger ADD COLUMN number BIGINT NOT NULL DEFAULT 0;
