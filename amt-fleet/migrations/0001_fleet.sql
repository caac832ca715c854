-- Times are milliseconds since 1970-01-01 UTC. Columns called `sealed` hold AES-256-GCM (see `seal`), bound to column and UUID.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- One row a machine. The UUID is what a hello says; the id is ours, so that identity can grow beyond the UUID.
CREATE TABLE machines (
    id              INTEGER PRIMARY KEY,
    uuid            TEXT    NOT NULL UNIQUE,
    origin          TEXT    NOT NULL,               -- who made the row: hello, list, caller
    created_at      INTEGER NOT NULL,
    changed_at      INTEGER NOT NULL,
    admitted        INTEGER NOT NULL DEFAULT 0,
    state           TEXT    NOT NULL,
    redo            INTEGER NOT NULL DEFAULT 0,     -- provision again at the next hello, although verified
    address         TEXT,                           -- last seen
    hello_at        INTEGER,
    host_name       TEXT,
    domain_name     TEXT,
    dns_suffix      TEXT,                           -- what the firmware compares the provisioning certificate with
    attempts        INTEGER NOT NULL DEFAULT 0,     -- since the last success or hello
    retry_at        INTEGER,
    failure_code    INTEGER,
    failure_stage   TEXT,
    failure_message TEXT,
    failure_hint    TEXT,
    control_mode    TEXT,
    tls_version     TEXT,
    tls_suite       TEXT,
    tls_engine      TEXT,
    winner          TEXT,                           -- SHA-256 of the provisioning certificate that was accepted
    verified_at     INTEGER
) STRICT;
CREATE UNIQUE INDEX machine_names ON machines (host_name, ifnull(domain_name, '')) WHERE host_name IS NOT NULL;
CREATE INDEX machine_states ON machines (state);

-- The procedure's record, newest only; what it once held of credentials and certificates stays in the tables below.
CREATE TABLE journal (
    machine     INTEGER PRIMARY KEY REFERENCES machines (id) ON DELETE CASCADE,
    step        TEXT    NOT NULL,
    commit_sent INTEGER NOT NULL,
    verified    INTEGER NOT NULL,
    realm       TEXT,
    firmware    TEXT,
    certificate TEXT,                               -- SHA-256 of the TLS server certificate
    written_at  INTEGER NOT NULL,
    writes      INTEGER NOT NULL DEFAULT 1,
    sealed      BLOB    NOT NULL
) STRICT;

-- Every credential that a machine had or may have. position 0 is the likeliest; retired ones keep their row.
CREATE TABLE credentials (
    id         INTEGER PRIMARY KEY,
    machine    INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    kind       TEXT    NOT NULL,                    -- admin, mebx
    account    TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    added_at   INTEGER NOT NULL,
    retired_at INTEGER,
    sealed     BLOB    NOT NULL
) STRICT;
CREATE INDEX credentials_of_machine ON credentials (machine, kind, position);

CREATE TABLE certificates (
    id          INTEGER PRIMARY KEY,
    machine     INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    sha256      TEXT    NOT NULL,
    issued_at   INTEGER NOT NULL,
    der         BLOB    NOT NULL,
    UNIQUE (machine, sha256)
) STRICT;

CREATE TABLE ca_requests (
    id         INTEGER PRIMARY KEY,
    machine    INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    request    TEXT    NOT NULL,                    -- the authority's own name for it
    csr        TEXT    NOT NULL,                    -- SHA-256 of the PKCS#10 that was submitted
    state      TEXT    NOT NULL,                    -- pending, issued, denied
    message    TEXT,
    first_at   INTEGER NOT NULL,
    asked_at   INTEGER NOT NULL,
    times      INTEGER NOT NULL DEFAULT 1,
    UNIQUE (machine, request)
) STRICT;

CREATE TABLE events (
    id      INTEGER PRIMARY KEY,
    machine INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    message TEXT    NOT NULL
) STRICT;
CREATE INDEX events_of_machine ON events (machine, id);

CREATE TABLE hellos (
    id      INTEGER PRIMARY KEY,
    machine INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    at      INTEGER NOT NULL,
    source  TEXT    NOT NULL,
    retry   INTEGER NOT NULL,
    bytes   BLOB    NOT NULL
) STRICT;
CREATE INDEX hellos_of_machine ON hellos (machine, id);
