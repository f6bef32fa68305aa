#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""big_store.py FILE [MESSAGES]: makes a SQLite store with MESSAGES (10,000,000) in 1,000 channels, as a server leaves it, to
measure the cost of a start. Takes a minute or two and about 300 bytes per message."""
import pathlib
import sqlite3
import struct
import sys
import zlib

CHANNELS = 1000
BATCH = 200_000
TEXT = '"hello, this is a message of about eighty bytes, as people write them to each other"'
SQL = pathlib.Path(__file__).resolve().parent.parent / "config/sql/sqlite"


def messages(start, stop, each):
    for i in range(start, stop):
        channel, seq = f"c{i // each:04}", i % each + 1
        checksum = zlib.crc32(TEXT.encode(), zlib.crc32(struct.pack("<q", seq)))
        yield channel, seq, f"{i:020x}", f"user{seq % 50}", 1_760_000_000_000 + i, checksum


def main():
    path, wanted = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000_000
    each = wanted // CHANNELS
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA page_size = 4096")
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    files = sorted(SQL.glob("*.sql"))
    for file in files:
        db.executescript(file.read_text())
    db.execute(f"PRAGMA user_version = {len(files)}")
    db.execute("INSERT INTO epochs VALUES (1, 'b165704e', 1760000000000)")
    for i in range(CHANNELS):
        db.execute("INSERT INTO channels (channel_id, name, visibility, created_ms) VALUES (?1, ?1, 'public', 0)", (f"c{i:04}",))
        db.execute("INSERT INTO members VALUES (?, 'alice', 'member', 0, 0)", (f"c{i:04}",))
    for start in range(0, each * CHANNELS, BATCH):
        rows = list(messages(start, min(start + BATCH, each * CHANNELS), each))
        db.execute("BEGIN")
        db.executemany("INSERT INTO messages (channel_id, message_seq, epoch, message_id, user_id, created_ms, checksum, content)"
                       f" VALUES (?, ?, 1, ?, ?, ?, ?, '{TEXT}')", rows)
        db.executemany("INSERT INTO client_ids VALUES (?, ?, ?, ?, 0)", ((row[2], row[0], row[3], row[1]) for row in rows))
        db.execute("COMMIT")
        print(f"{start + len(rows)} messages", file=sys.stderr)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()


main()
