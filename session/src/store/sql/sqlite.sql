CREATE TABLE IF NOT EXISTS "session" (
    sid TEXT NOT NULL PRIMARY KEY,
    sess TEXT NOT NULL,
    expire INTEGER NOT NULL, -- milliseconds since 1970
    revision BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS "session_expire" ON "session" (expire);
CREATE TABLE IF NOT EXISTS "session_index" (
    index_key TEXT NOT NULL,
    sid TEXT NOT NULL REFERENCES "session" (sid) ON UPDATE CASCADE ON DELETE CASCADE,
    PRIMARY KEY (index_key, sid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS "session_index_sid" ON "session_index" (sid);
