"""All integration tests: brokers alone, then under leatd."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import access_tests  # noqa: E402
import admin_tests  # noqa: E402
import audit_tests  # noqa: E402
import compaction_tests  # noqa: E402
import connected_tests  # noqa: E402
import damage_tests  # noqa: E402
import disk_tests  # noqa: E402
import group_tests  # noqa: E402
import managed_tests  # noqa: E402
import managed_tls_tests  # noqa: E402
import standalone_tests  # noqa: E402
import time_lag_tests  # noqa: E402
import tls_tests  # noqa: E402
import transaction_tests  # noqa: E402
from leatd import BIN, run_tests  # noqa: E402

tests = {}
for module in (standalone_tests, admin_tests, tls_tests, managed_tests, managed_tls_tests, access_tests, audit_tests,
               compaction_tests, connected_tests, damage_tests, disk_tests, group_tests, time_lag_tests, transaction_tests):
    tests.update({k: v for k, v in vars(module).items() if k.startswith("test_")})
# What cannot run must not look like success.
missing = [p for p in ("leat-broker", "leatd") if not os.path.exists(os.path.join(BIN, p))]
unknown = [name for name in sys.argv[1:] if name not in tests]
for p in missing:
    print(f"not ok: {os.path.join(BIN, p)} is not built (LEAT_BIN names the folder)")
for name in unknown:
    print(f"not ok: there is no test {name}")
if missing or unknown:
    print(f"0 passed, {len(missing) + len(unknown)} failed")
    sys.exit(1)
sys.exit(run_tests(tests))
