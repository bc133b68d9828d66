"""openapi.yaml and routes.def say the same, both ways; nothing runs."""
import contextlib
import re

import contract


@contextlib.contextmanager
def fixture():
    yield None


def test_every_route_is_in_the_contract(_):
    known = contract.operations()
    missing = [f"{m} {p}" for m, p, _access, _op in contract.routes() if (m, p) not in known]
    assert not missing, missing


def test_every_operation_of_the_contract_is_a_route(_):
    known = {(m, p) for m, p, _access, _op in contract.routes()}
    extra = [f"{m} {p}" for m, p in contract.operations() if (m, p) not in known]
    assert not extra, extra


def test_operations_have_the_same_name_on_both_sides_and_only_once(_):
    known = contract.operations()
    for m, p, _access, operation in contract.routes():
        assert known[m, p]["operationId"] == operation, (m, p, operation)
    names = [r[3] for r in contract.routes()]
    assert len(names) == len(set(names)), "an operation stands twice in routes.def"


def test_only_what_is_for_anyone_needs_no_credentials(_):
    for m, p, access, _op in contract.routes():
        free = contract.operations()[m, p].get("security") == []
        assert free == (access == "ANYONE"), (m, p, access)


def test_parameters_of_a_path_are_declared(_):
    for path, item in contract.DOCUMENT["paths"].items():
        declared = {p["name"] for p in item.get("parameters", ())}
        assert declared == set(re.findall(r"\{(\w+)\}", path)), path


def test_every_reference_leads_somewhere_and_every_schema_is_used(_):
    used = set()

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                contract.resolve(node)
                used.add(node["$ref"].rsplit("/", 1)[1])
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(contract.DOCUMENT)
    unused = set(contract.DOCUMENT["components"]["schemas"]) - used
    assert not unused, unused
