-- Pre-shared pairs (PID and PPS) of firmware before AMT 11. Times are milliseconds since 1970-01-01 UTC; sealed columns are bound to column
-- and PID, those of a machine to its UUID too.

-- Pairs that somebody brought: what machines hold before this server knows them.
CREATE TABLE psk_vault (
    pid        TEXT    PRIMARY KEY,                 -- 8 characters, no dash
    scope      TEXT    NOT NULL,                    -- machine: for one only; shared: for as many as hold it
    state      TEXT    NOT NULL,                    -- free, exported, used
    machine    TEXT,                                -- UUID of the one that it opened, if it is for one only
    comment    TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    used_at    INTEGER,                             -- opened a machine last
    pps        BLOB    NOT NULL,                    -- sealed
    mebx       BLOB,                                -- sealed: the setup menu password that its machines have
    new_mebx   BLOB                                 -- sealed: the one that they get
) STRICT;

-- Every pair that a machine had or may have, as its journal says. position 0 is the likeliest; retired ones keep their row.
CREATE TABLE machine_psk (
    id         INTEGER PRIMARY KEY,
    machine    INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    pid        TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    added_at   INTEGER NOT NULL,
    retired_at INTEGER,
    sealed     BLOB    NOT NULL
) STRICT;
CREATE INDEX machine_psk_of_machine ON machine_psk (machine, position);
CREATE INDEX machine_psk_by_pid ON machine_psk (pid);

-- PID that a machine said in its last hello; absent: it waits for a certificate.
ALTER TABLE machines ADD COLUMN pid TEXT;
CREATE INDEX machines_by_pid ON machines (pid) WHERE pid IS NOT NULL;
