"""openapi.yaml and routes.def say the same, both ways; nothing runs."""
import contextlib
import re

import contract
from openapi_spec_validator import OpenAPIV31SpecValidator


@contextlib.contextmanager
def fixture():
    yield None


def test_the_contract_is_valid_openapi(_):
    found = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}"
             for e in OpenAPIV31SpecValidator(contract.DOCUMENT).iter_errors()]
    assert not found, found


def schemas(node, inside=False):
    """Every schema object under a node of the document."""
    if isinstance(node, list):
        for child in node:
            yield from schemas(child, inside)
    elif isinstance(node, dict):
        if inside:
            yield node
        for key, child in node.items():
            if inside and key == "properties":
                yield from (s for member in child.values() for s in schemas(member, True))
            elif inside and key in ("items", "additionalProperties"):
                yield from schemas(child, True)
            elif not inside:
                yield from schemas(child, key == "schema")


def test_schemas_use_only_what_the_checker_knows(_):
    everything = list(schemas(contract.DOCUMENT["paths"]))
    everything += [s for named in contract.DOCUMENT["components"]["schemas"].values() for s in schemas(named, True)]
    unknown = {keyword for schema in everything for keyword in schema if not keyword.startswith("x-")} - contract.KEYWORDS
    assert len(everything) > 1000 and not unknown, f"teach tests/api/contract.py these first: {unknown}"


def test_every_operation_describes_itself_and_its_errors(_):
    for (m, p), operation in contract.operations().items():
        assert operation.get("summary") and operation.get("tags"), f"{m} {p} has no summary or no tags"
        assert "default" in operation["responses"], f"{m} {p} does not say what its errors look like (default)"
        if not operation["operationId"].startswith("produceRecords"):  # these tell of each record, too
            want = "#/components/responses/" + ("KafkaError" if p.startswith("/kafka/") else "Errors")
            assert operation["responses"]["default"] == {"$ref": want}, f"{m} {p}: default is not {want}"
        good = [s for s in operation["responses"] if s.startswith(("2", "302"))]
        assert good, f"{m} {p} has no good answer"
    known = {t["name"] for t in contract.DOCUMENT["tags"]}
    used = {t for o in contract.operations().values() for t in o["tags"]}
    assert known == used, f"tags: {known ^ used}"


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
