-- The certificates that this console shows to machines with mutual TLS, with their keys. Times are milliseconds since 1970-01-01 UTC.
CREATE TABLE console (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    version    INTEGER NOT NULL,                    -- counts up: of two programs that change it at once, one is told so
    changed_at INTEGER NOT NULL,
    sealed     BLOB    NOT NULL                     -- certificates, keys, and the request that is not decided
) STRICT;
