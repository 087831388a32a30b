CREATE TABLE IF NOT EXISTS `session` (
    sid VARBINARY(2048) NOT NULL PRIMARY KEY,
    sess LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    expire BIGINT NOT NULL COMMENT 'milliseconds since 1970',
    revision BINARY(16) NOT NULL,
    KEY `session_expire` (expire)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS `session_index` (
    index_key VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    sid VARBINARY(2048) NOT NULL,
    PRIMARY KEY (index_key, sid),
    KEY `session_index_sid` (sid),
    FOREIGN KEY (sid) REFERENCES `session` (sid) ON UPDATE CASCADE ON DELETE CASCADE
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
