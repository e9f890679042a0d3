-- One row: where the log stands. Revisions count commits; decision_revision is
-- that of the last commit that held a decision; all up to cut is in snapshot.
CREATE TABLE head (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision          INTEGER NOT NULL,
    decision_revision INTEGER NOT NULL,
    cut               INTEGER NOT NULL
) STRICT;
INSERT INTO head VALUES (1, 0, 0, 0);

-- Kept for ever: the audit log is read from here. place is the change's
-- position inside its commit, counted over decisions and observations.
CREATE TABLE decision (
    id       INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    place    INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    subject  TEXT NOT NULL,
    detail   TEXT NOT NULL,
    change   TEXT NOT NULL,
    UNIQUE (revision, place)
) STRICT;
CREATE INDEX decision_at ON decision (at, id);

-- Only those after the cut; the snapshot holds what came of the older ones.
CREATE TABLE observation (
    revision INTEGER NOT NULL,
    place    INTEGER NOT NULL,
    change   TEXT NOT NULL,
    PRIMARY KEY (revision, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot (
    only_row          INTEGER PRIMARY KEY CHECK (only_row = 1),
    revision          INTEGER NOT NULL,
    decision_revision INTEGER NOT NULL,
    world             BLOB NOT NULL
) STRICT;

-- Calls that were refused, summed by the hour so that nobody outside can grow it.
CREATE TABLE refused_call (
    id      INTEGER PRIMARY KEY,
    hour    INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    actor   TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,
    count   INTEGER NOT NULL,
    UNIQUE (hour, actor, subject, detail)
) STRICT;
CREATE INDEX refused_call_at ON refused_call (at, id);
