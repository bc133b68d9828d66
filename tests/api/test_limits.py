"""How many requests a key, a user and an address may make: told in headers, refused with 429 and a time."""
import contextlib

import client


@contextlib.contextmanager
def fixture():
    server = client.Checked(ports=4)
    server.rate_limit = "2:30"
    try:
        yield server.start()
    finally:
        server.stop()


def until_refused(server, path, most, **how):
    """The answers up to the first 429."""
    answers = []
    while not answers or answers[-1].status != 429:
        assert len(answers) <= most, f"{len(answers)} answers and none refused"
        answers.append(server.call("GET", path, **how))
    return answers


def checked(refused):
    assert refused.headers["X-RateLimit-Limit"] == "30" and refused.headers["X-RateLimit-Remaining"] == "0"
    assert 1 <= int(refused.headers["Retry-After"]) <= 2
    assert 1 <= int(refused.headers["X-RateLimit-Reset"]) <= 16
    return refused


def test_a_key_has_a_burst_and_then_waits(server):
    answers = until_refused(server, "/org/v2/environments", 200)
    left = [int(a.headers["X-RateLimit-Remaining"]) for a in answers]
    assert left[0] == 29 and min(left) == 0 and len(answers) > 30, left
    assert all(a.status == 200 for a in answers[:-1])
    error = checked(answers[-1]).json["errors"][0]
    assert error["status"] == "429" and "Retry-After" in error["detail"]
    client.wait_for(lambda: server.call("GET", "/org/v2/environments").status == 200, "the bucket fills again")


def test_the_kafka_dialect_says_it_in_its_own_body(server):
    refused = checked(until_refused(server, "/kafka/v3/clusters", 200)[-1])
    assert refused.json["error_code"] == 429 and refused.json["message"]


def test_who_guesses_keys_is_held_and_the_address_is_not(server):
    checked(until_refused(server, "/org/v2/environments", 200, key=("AAAAAAAAAAAAAAAA", "wrong"))[-1])
    assert server.call("GET", "/healthz", key=False).status == 200


def test_an_address_without_a_name_is_held_too(server):
    checked(until_refused(server, "/healthz", 200, key=False)[-1])
    assert server.call("GET", "/metrics", key=False).status in (401, 429)
