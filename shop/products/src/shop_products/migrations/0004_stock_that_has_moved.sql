-- Whether stock has moved since the product's present version was made: while it has not, everyone who has that version
-- has the stock as well. Of stock from before nobody knows.
ALTER TABLE stock ADD COLUMN moved BIGINT NOT NULL DEFAULT 1 CHECK (moved IN (0, 1));
