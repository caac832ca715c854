-- Which configuration profile a machine was given last, and what that procedure keeps of it. Times are milliseconds since 1970-01-01 UTC.
CREATE TABLE applied (
    machine    INTEGER PRIMARY KEY REFERENCES machines (id) ON DELETE CASCADE,
    profile    TEXT,                                -- name of the document; absent: never applied whole
    revision   TEXT,                                -- SHA-256 of the document, hexadecimal
    changed_at INTEGER NOT NULL,
    sealed     BLOB    NOT NULL                     -- the procedure's record
) STRICT;
