"""openapi.yaml as data: its operations, and a small checker of bodies against its schemas.

The checker knows what the file uses (KEYWORDS). A member that a schema does not name is an error, and so is
a status below 400, a content type, a query parameter or a body that the operation does not describe: the
contract is exact. What it says of errors is the operation's `default`; their statuses are ERRORS."""
import functools
import json
import os
import re
import urllib.parse

import yaml

ROOT = os.environ.get("LEAT_ROOT") or os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
with open(os.path.join(ROOT, "api", "openapi.yaml"), encoding="utf-8") as f:
    DOCUMENT = yaml.safe_load(f)

METHODS = ("get", "post", "put", "patch", "delete")
ERRORS = (400, 401, 402, 403, 404, 405, 408, 409, 413, 414, 415, 422, 429, 431, 500, 501, 503, 504)
KEYWORDS = {"$ref", "type", "properties", "required", "items", "enum", "additionalProperties", "minimum", "maximum",
            "maxLength", "maxItems", "description", "default", "examples"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}


def routes():
    """(method, path, access, operation) of every line of routes.def."""
    with open(os.path.join(ROOT, "api", "routes.def"), encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
    found = re.findall(r'ROUTE\((\w+),\s*"([^"]+)",\s*\w+,\s*\w+,\s*(\w+),\s*\w+,\s*"(\w+)"\)', text)
    assert len(found) == text.count("ROUTE("), "a line of routes.def cannot be read"
    return [(method.lower(), path, access, operation) for method, path, access, operation in found]


@functools.cache
def operations():
    """(method, path) -> the operation object of openapi.yaml."""
    return {(m, p): o for p, item in DOCUMENT["paths"].items() for m, o in item.items() if m in METHODS}


@functools.cache
def patterns():
    """(method, pattern of the path, template, operation), the most literal template first, as the router has it."""
    def weight(template):
        return ["{" not in s for s in template.split("/")], len(re.sub(r"\{\w+\}", "", template))

    found = sorted(operations().items(), key=lambda o: weight(o[0][1]), reverse=True)
    return [(m, re.compile("([^/]+)".join(re.escape(s) for s in re.split(r"\{\w+\}", template))), template, operation)
            for (m, template), operation in found]


def find(method, path):
    """The operation that serves this path, or None; HEAD is GET without a body."""
    method = "get" if method == "HEAD" else method.lower()
    path = re.sub("^/v3/", "/kafka/v3/", urllib.parse.urlsplit(path).path)
    for m, pattern, _template, operation in patterns():
        if m == method and pattern.fullmatch(path):
            return operation
    return None


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
    found = limit_faults(value, schema, at)
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


def limit_faults(value, schema, at):
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at} is {value!r}, not one of {schema['enum']}"]
    if "minimum" in schema and is_type(value, "number") and value < schema["minimum"]:
        return [f"{at} is {value}, below {schema['minimum']}"]
    if "maximum" in schema and is_type(value, "number") and value > schema["maximum"]:
        return [f"{at} is {value}, above {schema['maximum']}"]
    for keyword in ("maxLength", "maxItems"):
        if keyword in schema and isinstance(value, (str, list)) and len(value) > schema[keyword]:
            return [f"{at} is longer than {schema[keyword]}"]
    return []


def parsed(raw):
    """The values of a body: one, or several one after the other (records); None when it is no JSON."""
    text, values, at = raw.decode("utf-8", "replace"), [], 0
    decoder = json.JSONDecoder()
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            return None
        values.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return values


def content_faults(content, content_type, raw, what):
    kind = (content_type or "none").split(";")[0]
    if kind not in content:
        return [f"the {what}'s content type is {kind}, and the contract has {' or '.join(content)}"]
    if kind != "application/json":
        return []
    values = parsed(raw)
    if values is None:
        return [f"the {what} is no JSON"]
    return [f"of the {what}: {fault}" for v in values for fault in faults(v, content[kind]["schema"])]


def request_faults(operation, path, content_type, raw):
    """Of a request that was answered below 400: what the contract does not know of it."""
    template = next(p for (_m, p), o in operations().items() if o is operation)
    declared = [resolve(p) for p in DOCUMENT["paths"][template].get("parameters", []) + operation.get("parameters", [])]
    names = {p["name"] for p in declared if p["in"] == "query"}
    sent = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, keep_blank_values=True)
    found = [f"the query parameter {name} is not in the contract" for name in sent if name not in names]
    if operation["operationId"].startswith("produceRecords"):
        return found  # each record is checked by itself, and the answer says so
    if not raw:
        return found + (["the body may not be absent"] if operation.get("requestBody", {}).get("required") else [])
    if "requestBody" not in operation:
        return found  # the service does not look at it either
    return found + content_faults(operation["requestBody"]["content"], content_type, raw, "request")


def response_faults(operation, status, content_type, raw):
    """raw: the body's bytes; b"" when it has none, None when it is not to be looked at (streams, HEAD)."""
    responses = operation["responses"]
    response = responses.get(str(status)) or (responses.get("default") if status in ERRORS else None)
    if response is None:
        return [f"the status {status} is not in the contract"]
    content = resolve(response).get("content")
    if content is None:
        return ["a body came where the contract has none"] if raw else []
    return content_faults(content, content_type, b"" if raw is None else raw or b"absent", "answer")


def event_faults(operation, event, data):
    """Of a stream whose schema names its events (x-events)."""
    events = operation["responses"]["200"]["content"]["text/event-stream"]["schema"].get("x-events")
    if events is None:
        return []
    return faults(data, events[event]) if event in events else [f"the event {event} is not in the contract"]
