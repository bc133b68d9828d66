"""openapi.yaml as data: its operations, and a small checker of bodies against its schemas.

The checker knows what the file uses: $ref, type (also a list of types), properties, required, items,
enum, additionalProperties. A member that a schema does not name is an error: the contract is exact."""
import os
import re

import yaml

ROOT = os.environ.get("LEAT_ROOT") or os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
with open(os.path.join(ROOT, "api", "openapi.yaml"), encoding="utf-8") as f:
    DOCUMENT = yaml.safe_load(f)

METHODS = ("get", "post", "put", "patch", "delete")
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def routes():
    """(method, path, access, operation) of every line of routes.def."""
    with open(os.path.join(ROOT, "api", "routes.def"), encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    found = re.findall(r'ROUTE\((\w+),\s*"([^"]+)",\s*\w+,\s*\w+,\s*(\w+),\s*\w+,\s*"(\w+)"\)', text)
    assert len(found) == text.count("ROUTE("), "a line of routes.def cannot be read"
    return [(method.lower(), path, access, operation) for method, path, access, operation in found]


def operations():
    """(method, path) -> the operation object of openapi.yaml."""
    return {(m, p): o for p, item in DOCUMENT["paths"].items() for m, o in item.items() if m in METHODS}


def find(method, path):
    """The operation that serves this path, by the router's rule: the most literal template."""
    best = None
    for (m, template), operation in operations().items():
        if m != method.lower():
            continue
        parts = [re.escape(s) for s in re.split(r"\{\w+\}", template)]
        if not re.fullmatch("([^/]+)".join(parts), path):
            continue
        weight = ["{" not in s for s in template.split("/")]
        literal = len(re.sub(r"\{\w+\}", "", template))
        if best is None or (weight, literal) > best[0]:
            best = ((weight, literal), operation)
    return best and best[1]


def resolve(schema):
    while "$ref" in schema:
        node = DOCUMENT
        for part in schema["$ref"].removeprefix("#/").split("/"):
            node = node[part]
        schema = node
    return schema


def is_type(value, name):
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def faults(value, schema, at="$"):
    """What of value does not fit the schema, as sentences."""
    schema = resolve(schema)
    types = schema.get("type")
    types = [types] if isinstance(types, str) else types
    if types and not any(is_type(value, t) for t in types):
        return [f"{at} is {type(value).__name__}, not {' or '.join(types)}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at} is {value!r}, not one of {schema['enum']}"]
    found = []
    if isinstance(value, dict) and "properties" in schema:
        for name in schema.get("required", ()):
            if name not in value:
                found.append(f"{at}.{name} is missing")
        for name, member in value.items():
            if name in schema["properties"]:
                found += faults(member, schema["properties"][name], f"{at}.{name}")
            elif not schema.get("additionalProperties"):
                found.append(f"{at}.{name} is not in the contract")
    if isinstance(value, list) and "items" in schema:
        for i, member in enumerate(value[:20]):
            found += faults(member, schema["items"], f"{at}[{i}]")
    return found


def response_faults(operation, status, content_type, body):
    """body: parsed JSON, or None when there is none."""
    responses = operation["responses"]
    response = responses.get(str(status)) or responses.get("default")
    if str(status) not in responses and status < 400:
        return [f"status {status} is not in the contract"]
    response = resolve(response)
    content = response.get("content")
    if body is None or content is None:
        return [] if body is None or status == 202 else ["a body came where the contract has none"]
    kind = (content_type or "").split(";")[0]
    if kind not in content:
        return [f"content type {kind} is not in the contract"]
    return faults(body, content[kind]["schema"])
