"""All integration tests: brokers alone, then under leatd when that is built."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import standalone_tests  # noqa: E402
from leatd import BIN, run_tests  # noqa: E402

tests = {k: v for k, v in vars(standalone_tests).items() if k.startswith("test_")}
if os.path.exists(os.path.join(BIN, "leatd")):
    import managed_tests

    tests.update({k: v for k, v in vars(managed_tests).items() if k.startswith("test_")})
else:
    print("leatd is not built: tests of keys, ACLs and quotas are left out")
sys.exit(run_tests(tests))
