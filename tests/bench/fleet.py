"""A leatd with many clusters, made in no time."""
import os
import signal
import sqlite3

import leatd


def clone_clusters(server, count):
    """Rows of clusters; leatd starts their brokers, with nothing in them."""
    server.kill(signal.SIGINT)
    db = sqlite3.connect(os.path.join(server.data, "leat.db"))
    for table in ("cluster", "broker"):
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        row = dict(zip(columns, db.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()))
        for i in range(1, count):
            new = dict(row)
            if table == "cluster":
                new.update(id=f"lkc-bench{i:05}", display_name=f"clone {i}")
            else:
                new.update(cluster_id=f"lkc-bench{i:05}", port=40000 + i,
                           **{n: None for n in ("tls_port", "uid") if n in new})
            db.execute(f"INSERT INTO {table} ({', '.join(new)}) VALUES ({', '.join('?' * len(new))})",
                       list(new.values()))
    db.commit()
    db.close()
    server.start()

    def states():
        clusters = server.call("GET", "/leat/v1/clusters?page_size=1000").json["data"]
        return all(c["state"]["name"] == "running" for c in clusters)
    leatd.wait_for(states, f"{count} brokers run", 300)
