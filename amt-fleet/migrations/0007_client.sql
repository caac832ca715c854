-- How long the certificate is good by which a machine logs in to its network (802.1X). Times are milliseconds since 1970-01-01 UTC.
ALTER TABLE applied ADD COLUMN client_from INTEGER;
ALTER TABLE applied ADD COLUMN client_until INTEGER;
