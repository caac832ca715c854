-- A client is found by its key alone, and a key is one client's.

CREATE UNIQUE INDEX enrolments_by_key ON enrolments (client_key);
