"""Runs the tests of this folder: functions named test_…, grouped by file. A file's `fixture()` (a
context manager) gives what its tests get as their argument. Closes with "N passed, N failed"."""
import importlib
import sys
import time
import traceback

MODULES = (
    "test_contract",
    "test_control",
    "test_story",
    "test_kafka",
    "test_records",
    "test_tools",
    "test_auth",
    "test_access",
    "test_people",
    "test_group_mappings",
    "test_identity",
    "test_audit",
    "test_secrets",
    "test_errors",
    "test_framing",
    "test_clients",
    "test_events",
    "test_group_offsets",
    "test_scram_users",
    "test_kafka_quotas",
    "test_topic_clients",
    "test_search",
    "test_plans",
    "test_limits",
    "test_https",
    "test_topic_policies",
    "test_topic_requests",
    "test_costs",
    "test_cli",
    "test_cli_apply",
    "test_cli_records",
    "test_cli_governance",
    "test_metrics",
    "test_prometheus",
    "test_alerts",
    "test_deploy",
    "test_away",
    "test_exercised",
)


def run(tests, argument):
    passed = failed = 0
    for name, test in tests:
        begin = time.monotonic()
        try:
            test(argument)
        except Exception:  # a failed test is told, and the next one runs
            failed += 1
            print(f"FAILED {name}")
            traceback.print_exc(limit=-4)
        else:
            passed += 1
            print(f"ok {name} ({time.monotonic() - begin:.2f} s)", flush=True)
    return passed, failed


def main(argv):
    clusters = 0
    if argv[:1] == ["--clusters"]:
        clusters, argv = int(argv[1]), argv[2:]
    total = [0, 0]
    for module in MODULES:
        code = importlib.import_module(module)
        if clusters and hasattr(code, "CLUSTERS"):
            code.CLUSTERS = clusters
        tests = [(n, f) for n, f in vars(code).items() if n.startswith("test_") and callable(f)]
        tests = [t for t in tests if not argv or t[0] in argv]
        if not tests:
            continue
        try:
            with code.fixture() as argument:
                result = run(tests, argument)
        except Exception:
            traceback.print_exc(limit=-4)
            result = (0, len(tests))
        total = [total[0] + result[0], total[1] + result[1]]
    print(f"{total[0]} passed, {total[1]} failed")
    return 0 if total[0] and not total[1] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
