"""What the Python programs share: the settings, the lines they print, and the word stop on their standard input."""
import os
import sys
import threading

BOOTSTRAP, USER, PASSWORD = (os.environ["COMPAT_" + n] for n in ("BOOTSTRAP", "USER", "PASSWORD"))
MECHANISM, CA = os.environ["COMPAT_MECHANISM"], os.environ.get("COMPAT_CA", "")
SECURITY = "SASL_SSL" if CA else "SASL_PLAINTEXT"
ROUND = 20  # records of a stream that are on their way at a time

stopped = threading.Event()


def listen_for_stop():
    def listen():
        sys.stdin.readline()
        stopped.set()
    threading.Thread(target=listen, daemon=True).start()


def say(*words):
    print(*words, flush=True)


def say_assigned(partitions):
    say("assigned", ",".join(map(str, sorted(partitions))) or "-")


def main(commands):
    """Runs the command of the command line; its return value stands after ok."""
    try:
        result = commands[sys.argv[1]](*sys.argv[2:])
        say("ok", "" if result is None else result)
    except Exception as e:
        say("error", repr(e).replace("\n", " ")[:600])
        raise SystemExit(1) from e
