-- Who a machine is, who decided what about it, and what happens afterwards. Times are milliseconds since 1970-01-01 UTC.

ALTER TABLE machines ADD COLUMN profile       TEXT;                       -- name of the profile decided; absent: the default one
ALTER TABLE machines ADD COLUMN ou            TEXT;                       -- organisational unit decided
ALTER TABLE machines ADD COLUMN present       TEXT;                       -- SHA-256 of the provisioning certificate decided
ALTER TABLE machines ADD COLUMN temporary     INTEGER NOT NULL DEFAULT 0; -- its name was made from the UUID: the final one is to come
ALTER TABLE machines ADD COLUMN released_at   INTEGER;                    -- somebody let it in by hand, whatever the guard says
ALTER TABLE machines ADD COLUMN released_by   TEXT;
ALTER TABLE machines ADD COLUMN bound_address TEXT;                       -- of several machines with this UUID, the one at this address is meant
ALTER TABLE machines ADD COLUMN parked_code   TEXT;                       -- why it is not let in, a stable word
ALTER TABLE machines ADD COLUMN parked_reason TEXT;
ALTER TABLE machines ADD COLUMN parked_hint   TEXT;
ALTER TABLE machines ADD COLUMN version_order INTEGER;                    -- firmware as one number, for comparisons
ALTER TABLE machines ADD COLUMN first_verified_at INTEGER;
ALTER TABLE machines ADD COLUMN boot_released_at  INTEGER;                -- a boot action may fire once, whatever the guard says
ALTER TABLE machines ADD COLUMN boot_released_by  TEXT;
ALTER TABLE machines ADD COLUMN wanted_host   TEXT;                       -- final name decided, until the machine carries it
ALTER TABLE machines ADD COLUMN wanted_domain TEXT;

CREATE INDEX machines_changed ON machines (changed_at);
-- Versions of machines that were set up before there was a number for them: `16.1.25` read as the list [16,1,25].
UPDATE machines SET version_order = (
    SELECT (json_extract(v.list, '$[0]') << 48) | (ifnull(json_extract(v.list, '$[1]'), 0) << 32)
         | (ifnull(json_extract(v.list, '$[2]'), 0) << 16) | ifnull(json_extract(v.list, '$[3]'), 0)
    FROM (SELECT '[' || replace(firmware, '.', ',') || ']' AS list FROM journal WHERE machine = machines.id) v
    WHERE json_valid(v.list)
);

-- What somebody said of a machine. A source that changes its mind ends its earlier word (`until`); sources never end each other's.
CREATE TABLE facts (
    id      INTEGER PRIMARY KEY,
    machine INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    key     TEXT    NOT NULL,
    value   TEXT    NOT NULL,
    source  TEXT    NOT NULL,                       -- hello, dns, agent, list, wsman, operator, resolver
    since   INTEGER NOT NULL,                       -- first told
    at      INTEGER NOT NULL,                       -- last told
    until   INTEGER                                 -- no longer said since
) STRICT;
CREATE UNIQUE INDEX facts_current ON facts (machine, key, source, value) WHERE until IS NULL;
CREATE INDEX facts_by_value ON facts (key, value, machine, source) WHERE until IS NULL;
-- History of one machine, and what of it is too old: without this every fact of every machine is looked at.
CREATE INDEX facts_of_machine ON facts (machine, id);

-- Lines of lists that name only an interface address, until a machine with it is known.
CREATE TABLE expected (
    mac  TEXT    PRIMARY KEY,
    said TEXT    NOT NULL,                          -- JSON: pairs of key and value
    at   INTEGER NOT NULL
) STRICT;

-- Named filters over machines, and who fitted when it was last looked at.
CREATE TABLE collections (
    name       TEXT    PRIMARY KEY COLLATE NOCASE,
    filter     TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE members (
    collection TEXT    NOT NULL COLLATE NOCASE REFERENCES collections (name) ON DELETE CASCADE ON UPDATE CASCADE,
    machine    INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    since      INTEGER NOT NULL,
    PRIMARY KEY (collection, machine)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_of_machine ON members (machine);

-- What is to be done to or about one machine, now or again: written with the change that causes it, done at least once.
CREATE TABLE actions (
    id         INTEGER PRIMARY KEY,
    machine    INTEGER NOT NULL REFERENCES machines (id) ON DELETE CASCADE,
    job        INTEGER REFERENCES jobs (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,                    -- of the configuration, or the operation of the job
    cause      TEXT    NOT NULL,                    -- provisioned, joined:COLLECTION, job, final-name
    state      TEXT    NOT NULL,                    -- pending, running, done, failed, blocked, cancelled
    attempts   INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    next_at    INTEGER,
    ended_at   INTEGER,
    message    TEXT,
    code       INTEGER,
    hint       TEXT,
    sealed     BLOB                                 -- the procedure's own record, where it has one
) STRICT;
CREATE INDEX actions_due ON actions (state, next_at);
CREATE INDEX actions_of_machine ON actions (machine, id);
CREATE INDEX actions_of_job ON actions (job, id);

-- One operation over many machines.
CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY,
    operation   TEXT    NOT NULL,
    filter      TEXT    NOT NULL,
    concurrency INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

-- Tokens that clients enrol with, by SHA-256: the token itself is shown once and kept nowhere.
CREATE TABLE enrolment_tokens (
    id         INTEGER PRIMARY KEY,
    digest     BLOB    NOT NULL UNIQUE,
    note       TEXT,
    machine    TEXT,                                -- UUID it is good for; absent: as many machines as `uses` says
    uses       INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;

-- Clients that enrolled. The key that a client made for itself is known by its SHA-256; with it alone it is heard again.
CREATE TABLE enrolments (
    machine    INTEGER PRIMARY KEY REFERENCES machines (id) ON DELETE CASCADE,
    token      INTEGER REFERENCES enrolment_tokens (id) ON DELETE SET NULL,
    client_key BLOB    NOT NULL,
    sequence   INTEGER NOT NULL,                    -- of the newest report; older ones are replays
    source     TEXT    NOT NULL,
    first_at   INTEGER NOT NULL,
    at         INTEGER NOT NULL
) STRICT;
-- A client is found by its key alone, and a key is one client's.
CREATE UNIQUE INDEX enrolments_by_key ON enrolments (client_key);
CREATE INDEX enrolments_of_token ON enrolments (token);
