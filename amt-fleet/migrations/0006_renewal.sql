-- How long the certificate of each machine is good, and what a renewal of it keeps. Times are milliseconds since 1970-01-01 UTC.
ALTER TABLE machines ADD COLUMN certificate_from INTEGER;
ALTER TABLE machines ADD COLUMN certificate_until INTEGER;

CREATE TABLE renewals (
    machine    INTEGER PRIMARY KEY REFERENCES machines (id) ON DELETE CASCADE,
    changed_at INTEGER NOT NULL,
    sealed     BLOB    NOT NULL                     -- the procedure's record, as long as a renewal is under way
) STRICT;
