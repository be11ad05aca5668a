-- What the rows of imported files became: the same handle and options are the same product in every file.
CREATE TABLE imported_products (
    handle TEXT NOT NULL,
    options TEXT NOT NULL,
    product_id TEXT NOT NULL REFERENCES products (id),
    -- The last import that had it, and in which line.
    import_id TEXT NOT NULL,
    line BIGINT NOT NULL,
    PRIMARY KEY (handle, options)
);
