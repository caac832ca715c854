-- Machines whose setup was taken back: not set up again before somebody says so. Times are milliseconds since 1970-01-01 UTC.
ALTER TABLE machines ADD COLUMN taken_back_at INTEGER;                    -- absent: it was not, or somebody has let it in again
ALTER TABLE machines ADD COLUMN taken_back_by TEXT;                       -- who had it done
ALTER TABLE machines ADD COLUMN taken_back    TEXT;                       -- full or partial
