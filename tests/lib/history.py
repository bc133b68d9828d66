"""Rows of history.db (server/collect), written by hand: a past that no test can wait for."""
import os
import sqlite3


def varint(n):
    n = n << 1 ^ n >> 63
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def connect(data):
    return sqlite3.connect(os.path.join(data, "history.db"), timeout=30)


def row(db, cluster, values, minutes=None):
    """(number of the cluster, row) of values: {(number of the series' type, label): value}; of an hour also how many
    minutes it is made of, which rows of before do not say."""
    db.execute("INSERT OR IGNORE INTO cluster (id) VALUES (?)", (cluster,))
    number, = db.execute("SELECT number FROM cluster WHERE id = ?", (cluster,)).fetchone()
    out = b"" if minutes is None else varint(0) + varint(minutes)
    for (kind, label), value in values.items():
        db.execute("INSERT OR IGNORE INTO series (cluster, type, label) VALUES (?, ?, ?)", (number, kind, label))
        series, = db.execute("SELECT number FROM series WHERE cluster = ? AND type = ? AND label = ?",
                             (number, kind, label)).fetchone()
        out += varint(series) + varint(value)
    return number, out


def put(db, table, cluster, values, times, minutes=None):
    """The same values at each of the times: minutes or hours since 1970."""
    number, data = row(db, cluster, values, minutes)
    db.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", ((number, at, data) for at in times))


def put_totals(db, cluster, values, minute):
    """How far the counters of the cluster were when leatd looked last, at that minute."""
    number, data = row(db, cluster, values)
    db.execute("INSERT OR REPLACE INTO total VALUES (?, ?, ?)", (number, minute, data))
