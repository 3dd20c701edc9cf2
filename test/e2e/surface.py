"""The REST surface as /openapi.json tells it, and every kind of wrong value for what stands there. Nothing here knows an operation by
name: a new row in ops.def is covered when it is there."""
import copy
import json
import pathlib
import re
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
JSON = {"Content-Type": "application/json"}
LONG = "a" * 70000
NO_SCALARS = ([], {})


def operations_of_the_table():
    """Names in ops.def, before any server runs: what tests are made of."""
    return re.findall(r'^OP\(\w+, (\w+),', (ROOT / "src/api/ops.def").read_text(), re.M)


class Wrong:
    """One wrong input: what is sent instead, and what has to be answered."""

    def __init__(self, what, path=None, query=None, body=None, headers=None, method=None, status=400, code="invalid_argument", pointer=None,
                 says="", token=True):
        self.what, self.path, self.query, self.body, self.headers, self.method = what, path or {}, query, body, headers or {}, method
        self.status, self.code, self.pointer, self.says, self.token = status, code, pointer, says, token

    def __repr__(self):
        return self.what


class Operation:
    def __init__(self, document, path, method, spec):
        self.document, self.path, self.method, self.spec = document, path, method.upper(), spec
        self.name = spec["operationId"]

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def parameters(self, where):
        return [p for p in self.spec.get("parameters", []) if p["in"] == where]

    @property
    def body(self):
        """Schema of its JSON body, or None."""
        content = self.spec.get("requestBody", {}).get("content", {})
        return self.resolve(content["application/json"]["schema"]) if "application/json" in content else None

    @property
    def role(self):
        return re.search(r"Needs role (\w+)", self.spec["description"])[1]

    @property
    def streams(self):
        return "text/event-stream" in json.dumps(self.spec["responses"])

    def url(self, good, wrong=None):
        path = self.path
        for p in self.parameters("path"):
            value = (wrong.path if wrong else {}).get(p["name"]) or urllib.parse.quote(str(good.get(p["name"], 1 if p["schema"]["type"] == "integer" else "some")), safe="")
            path = path.replace("{" + p["name"] + "}", value)
        query = wrong.query if wrong else None
        return path + ("?" + query if query else "")


def operations(document):
    return [Operation(document, path, method, spec) for path, methods in document["paths"].items() for method, spec in methods.items()
            if "Needs role" in spec.get("description", "")]


# ---- wrong values ---------------------------------------------------------------------------------------------------------------------

def _wrong_of(operation, schema):
    """Values that this schema does not allow, as JSON."""
    if "oneOf" in schema:  # an amount
        return ["many", -1, 1.5, "101%", "-3", "%", True, *NO_SCALARS]
    kind = schema.get("type")
    if kind == "string" and "enum" in schema:
        return ["flying", schema["enum"][0].upper() + "x", 7, True, *NO_SCALARS]
    if schema.get("format") == "date-time":
        return ["yesterday", "2026-13-01T00:00:00Z", "2026-11-23", 7, *NO_SCALARS]
    if schema.get("format") == "berth-duration":
        return ["soon", "-5s", "5", "1y", "9999999999d", 30, *NO_SCALARS]
    if kind == "string":
        return [7, 1.5, True, *NO_SCALARS]
    if kind == "integer":
        most = 2**31 if schema["format"] == "int32" else 2**63 - 1
        return ["x", "", 1.5, True, *NO_SCALARS] + ([most, -most - 1] if schema["format"] == "int32" else ["99999999999999999999"])
    if kind == "boolean":
        return ["yes", "true", 1, *NO_SCALARS]
    if kind == "array":
        return ["x", 7, {}]
    return ["x", 7, []]


def wrong_values(operation, schema, pointer=""):
    """(pointer, JSON of the whole value with one thing wrong below it), for every field however deep."""
    schema = operation.resolve(schema)
    for value in _wrong_of(operation, schema) if pointer else ():
        yield pointer, value
    if schema.get("type") == "array":
        for at, value in wrong_values(operation, schema["items"], pointer + "/0"):
            yield at, [value]
    elif isinstance(schema.get("additionalProperties"), dict):
        yield pointer + "/k", {"k": 7}
        yield pointer + "/k", {"k": []}
    elif "properties" in schema:
        yield pointer + "/noSuchField", {"noSuchField": 1}
        for name, below in schema["properties"].items():
            for at, value in wrong_values(operation, below, f"{pointer}/{name}"):
                yield at, {name: value}


def long_texts(operation, schema, pointer=""):
    """The same for texts of 70,000 characters in each field that takes a free one."""
    schema = operation.resolve(schema)
    if schema.get("type") == "array":
        for at, value in long_texts(operation, schema["items"], pointer + "/0"):
            yield at, [value]
    elif isinstance(schema.get("additionalProperties"), dict):
        yield pointer + "/k", {"k": LONG}
    elif "properties" in schema:
        for name, below in schema["properties"].items():
            for at, value in long_texts(operation, below, f"{pointer}/{name}"):
                yield at, {name: value}
    elif schema.get("type") == "string" and not schema.keys() & {"enum", "format"}:
        yield pointer, LONG


TEXTS = {  # in a query everything is text
    "enum": ["flying", "7"], "date-time": ["yesterday", "7", "2026-11-23"], "berth-duration": ["soon", "-5s", "5"],
    "int32": ["x", "", "1.5", "1e3", "+5", " 5", "2147483648", "0x10"], "int64": ["x", "", "1.5", "99999999999999999999"], "boolean": ["yes", "1", "TRUE"],
}


def wrong_texts(schema):
    kind = "enum" if "enum" in schema else schema.get("format") or schema.get("type")
    return TEXTS.get(kind, [])


# ---- the table ------------------------------------------------------------------------------------------------------------------------

def _paths(o):
    for p in o.parameters("path"):
        n = p["name"]
        if p["schema"]["type"] == "integer":
            for text in ("x", "1.5", "99999999999999999999", "0x10", "1e3"):
                yield Wrong(f"{n}={text}", path={n: text}, pointer=f"/{n}", says="whole number" if text[0] != "9" else "too large")
            continue
        for text in ("g" * 64, "A%20B", "%C3%BC", "-x", "%22", "..."):
            yield Wrong(f"{n}={text[:9]}", path={n: text}, says="1 to 63 letters" if n != "sha256" else "64 lower-case")
        for text in ("%00", "a%2Fb", "%2e%2e", "a%25b", "%zz", "%", "%ff%fe"):
            yield Wrong(f"{n}={text}", path={n: text}, code=None if text == "%2e%2e" else "malformed")
        yield Wrong(f"{n} of 9000", path={n: "a" * 9000}, status=414, code="too_large")


def _queries(o):
    yield Wrong("unknown query", query="noSuchParameter=1", says="unknown query parameter")
    for p in o.parameters("query"):
        n, schema = p["name"], p["schema"]
        for text in wrong_texts(schema):
            yield Wrong(f"?{n}={text}", query=f"{n}={urllib.parse.quote(text)}", pointer=f"/{n}")
        yield Wrong(f"?{n} not UTF-8", query=f"{n}=%ff%fe", code="malformed", says="UTF-8")
        yield Wrong(f"?{n}=%00", query=f"{n}=a%00b", code="malformed")
        yield Wrong(f"?{n}=%zz", query=f"{n}=%zz", code="malformed")
        if n == "limit":
            for text in ("0", "-1", "1001", "2147483647"):
                yield Wrong(f"?limit={text}", query=f"limit={text}", pointer="/limit", says="between 1 and 1000")
        if n == "cursor":
            for text in ("nonsense", "%21%21", "a" * 3000):
                yield Wrong(f"?cursor={text[:8]}", query=f"cursor={text}", pointer="/cursor", says="nextCursor")
        if n == "tenant":
            if o.name != "CreateToken":  # it makes the tenant with its first token
                yield Wrong("unknown tenant", query="tenant=nobody", status=404, code="not_found", says="nobody")
            yield Wrong("no tenant's name", query="tenant=a%20b", pointer="/tenant")


def _headers(o):
    if o.parameters("header"):
        names = {p["name"] for p in o.parameters("header")}
        if "If-Match" in names:
            for text in ("nonsense", "\"x\"", "7,8", "\"7", "-1", "99999999999999999999999"):
                yield Wrong(f"If-Match: {text}", headers={"If-Match": text}, says="If-Match", pointer="/meta/ifMatch")
        if "Idempotency-Key" in names:
            yield Wrong("Idempotency-Key of 256", headers={"Idempotency-Key": "k" * 256}, says="Idempotency-Key", pointer="/meta/idempotencyKey")
            yield Wrong("Idempotency-Key not UTF-8", headers={"Idempotency-Key": b"k\xff"}, says="UTF-8", pointer="/meta/idempotencyKey")
        if "If-Match" in names:
            for name, field, most in (("Berth-Reason", "reason", 1024), ("Berth-Link", "link", 2048)):
                yield Wrong(f"{name} not UTF-8", headers={name: b"\xff\xfe"}, says="UTF-8", pointer=f"/meta/{field}")
                yield Wrong(f"{name} too long", headers={name: "a" * (most + 1)}, says="at most", pointer=f"/meta/{field}")
    yield Wrong("no token", token=False, status=401, code="unauthenticated", says="token")
    yield Wrong("unknown token", headers={"Authorization": "Bearer nonsense"}, status=401, code="unauthenticated", says="unknown")
    yield Wrong("token of 5000", headers={"Authorization": "Bearer " + "x" * 5000}, status=401, code="unauthenticated")
    yield Wrong("not a bearer", headers={"Authorization": "Basic YTpi"}, status=401, code="unauthenticated")


def _methods(o):
    taken = {m.upper() for m in o.document["paths"][o.path]} | ({"HEAD"} if "get" in o.document["paths"][o.path] else set())
    for method in ("GET", "PUT", "PATCH", "DELETE", "POST"):
        if method not in taken:
            yield Wrong(method, method=method, status=405, code="method_not_allowed", says="allowed")
    for method in ("get", "FETCH", "TRACE", "CONNECT"):
        yield Wrong(method, method=method, status=None, code=None)


def nested(n):
    return b'{"name":' * n + b"1" + b"}" * n


def _bodies(o):
    if o.body is None:
        yield Wrong("a body", body=b"{}", headers=JSON, code="malformed" if o.method == "GET" else "invalid_argument", says="no body")
        return
    for body in (b"{", b"}", b'{"a":1,}', b"{'a':1}", b'{"a":1} x', b"{a:1}", b'{"a":NaN}', b'{"a":01}', b'{"a":+1}', b'{"a":.5}', b'{"a":tru}', b'"', b"\x00"):
        yield Wrong(repr(body), body=body, headers=JSON, code="malformed", says="not JSON")
    for body in (b"[]", b"null", b"7", b'"x"', b"true"):
        yield Wrong(repr(body), body=body, headers=JSON, says="must be a JSON object")
    yield Wrong("not UTF-8", body=b'{"x":"\xff\xfe"}', headers=JSON, code="malformed", says="UTF-8")
    yield Wrong("overlong UTF-8", body=b'{"x":"\xc0\xaf"}', headers=JSON, code="malformed", says="UTF-8")
    yield Wrong("surrogate", body=b'{"x":"\\ud800"}', headers=JSON, code="malformed")
    yield Wrong("NUL", body=b'{"x":"a\\u0000b"}', headers=JSON, code="malformed")
    yield Wrong("duplicate keys", body=b'{"x":1,"x":2}', headers=JSON, code="malformed", says="duplicate")
    yield Wrong("deep", body=nested(33), headers=JSON, code="malformed", says="deeper than 32")
    yield Wrong("deeper", body=nested(50000), headers=JSON, code="malformed", says="deeper than 32")
    yield Wrong("deep lists", body=b'{"x":' + b"[" * 100000, headers=JSON, code="malformed", says="deeper than 32")
    yield Wrong("huge number", body=b'{"x":' + b"9" * 400 + b"}", headers=JSON, says="too large")
    yield Wrong("2 MB", body=b'{"x":"' + b"a" * 2000000 + b'"}', headers=JSON, status=413, code="too_large", says="1048576")
    for kind in ("text/yaml", "application/x-www-form-urlencoded", "application/jsonp", ""):
        yield Wrong(f"Content-Type: {kind}", body=b'{}', headers={"Content-Type": kind}, status=415, code="unsupported_media_type", says="application/json")
    for at, value in wrong_values(o, o.body):
        yield Wrong(f"{at} wrong: {json.dumps(value)[:60]}", body=value, pointer=at)
    for at, value in long_texts(o, o.body):
        yield Wrong(f"{at} of 70000", body=value, pointer=at)


def wrongs(o):
    for part in (_paths, _queries, _headers, _methods, _bodies):
        for w in part(o):
            yield copy.copy(w)
