CREATE TABLE IF NOT EXISTS "session" (
    sid varchar NOT NULL COLLATE "default",
    sess json NOT NULL,
    expire timestamp(6) NOT NULL,
    CONSTRAINT "session_pkey" PRIMARY KEY (sid)
);
CREATE INDEX IF NOT EXISTS "IDX_session_expire" ON "session" (expire);
CREATE TABLE IF NOT EXISTS "session_index" (
    index_key varchar NOT NULL,
    sid varchar NOT NULL REFERENCES "session" (sid) ON UPDATE CASCADE ON DELETE CASCADE,
    PRIMARY KEY (index_key, sid)
);
CREATE INDEX IF NOT EXISTS "session_index_sid" ON "session_index" (sid);
