"""Every operation of the REST surface against every kind of wrong input: each is refused with its own stable code, a sentence and a
pointer to the field; the next request is answered, and nothing changed: not one event, not one resource."""
import collections
import http.client
import json

import pytest

import surface

NAMES = surface.operations_of_the_table()
MOVES = ("seenTime", "memoryBytes", "sentEvent", "failures", "lastError", "failingSince")  # what changes by itself
SUMS = ("batches", "basesTotal", "basesDone", "basesFailed", "verbs")  # of a plan: left out of lists once it is history
BELOW = {"read": "join", "deploy": "read", "admin": "deploy"}  # the role that is not enough


@pytest.fixture(scope="module")
def table(shared):
    shared.deploy(shared.push("hello-1.0.0"))
    api = shared.api
    document = api.get("/openapi.json").json
    found = {o.name: o for o in surface.operations(document)}
    assert set(found) == set(NAMES)
    roles = {r: api.post("/v1/tokens", {"name": f"as-{r}", "role": r}).json["secret"] for r in ("join", "read", "deploy")}
    assert api.post("/v1/webhooks", {"name": "hook", "url": "http://127.0.0.1:9/", "kinds": ["nothing"]}).status == 201
    version = api.get("/v1/modules/hello/versions/1.0.0").json
    good = {"module": "hello", "version": "1.0.0", "group": "demo", "base": "n1", "deployment": "hello", "token": "as-read", "webhook": "hook", "sha256": version["artifact"],
            "plan": api.get("/v1/plans").json["plans"][0]["id"]}
    return collections.namedtuple("Table", "operations good roles")(found, good, roles)


class Line:
    """One connection that is kept alive while it is, as clients do."""

    def __init__(self, address, token):
        self.address, self.token, self.connection = address, token, None

    def ask(self, method, url, body=None, headers=None, token=True):
        head = dict(headers or {})
        if token:
            head.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, (dict, list, str, int, float)):
            body = json.dumps(body).encode()
            head.setdefault("Content-Type", "application/json")
        if self.connection is None:
            host, _, port = self.address.rpartition(":")
            self.connection = http.client.HTTPConnection(host, int(port), timeout=60)
        try:
            self.connection.putrequest(method, url, skip_accept_encoding=True)
            for name, value in head.items():
                self.connection.putheader(name, value)
            if body is not None or method in ("POST", "PUT", "PATCH"):
                self.connection.putheader("Content-Length", str(len(body or b"")))
            self.connection.endheaders()
            if body:
                try:
                    self.connection.send(body)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # refused by its head: the answer is there already
            answer = self.connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        return answer.status, answer.headers, data

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def lists(table):
    """Every list there is but that of events."""
    for o in table.operations.values():
        paged = "limit" in {p["name"] for p in o.parameters("query")}
        if o.method == "GET" and not o.parameters("path") and paged and not o.streams and not o.path.startswith("/v1/events"):
            yield o.path + "?limit=1000"
    yield "/v1/modules/hello/versions"
    yield "/v1/deployments/hello/revisions"


def snapshot(line, table):
    """All that there is, without what moves by itself."""
    seen = {}
    for what in lists(table):
        status, _, data = line.ask("GET", what)
        assert status == 200, (what, data)
        for item in next((v for v in json.loads(data).values() if isinstance(v, list)), []):
            for key in MOVES + SUMS:
                item.pop(key, None)
            seen[what, item.get("id") or item.get("name") or json.dumps(item)] = item
    return seen


def last_event(line):
    status, _, data = line.ask("GET", "/v1/status")
    assert status == 200, data
    return json.loads(data)["lastEvent"]


def complaint(w, status, headers, data, operation=None):
    """What is wrong with this answer; None when nothing is."""
    if w.status is None:  # a method of nobody: any refusal will do
        return None if status in (400, 405, 501) else f"{status}"
    if status != w.status:
        return f"{status} instead of {w.status}: {data[:200]}"
    if not headers["Content-Type"].startswith("application/problem+json"):
        return f"content type {headers['Content-Type']}"
    body = json.loads(data)
    if w.code not in (None, body["code"]) or body["status"] != status or not body.get("detail") or not body.get("title"):
        return f"wants {w.code}: {body}"
    if w.says not in body["detail"]:
        return f"does not say {w.says!r}: {body['detail']}"
    pointers = [e["pointer"] for e in body.get("errors", [])]
    if w.pointer is not None and w.pointer not in pointers:
        return f"does not point at {w.pointer}: {pointers} {body['detail'][:160]}"
    if status == 405 and not headers["Allow"]:
        return "no Allow"
    if operation is not None and str(status) not in operation.spec["responses"]:
        return f"{status} is not documented"
    return None


@pytest.mark.parametrize("name", NAMES)
def test_every_wrong_input(shared, table, name):
    o = table.operations[name]
    line = Line(shared.one.rest, shared.token)
    before, event, wrong, n = snapshot(line, table), last_event(line), [], 0
    weak = table.roles[BELOW[o.role]]
    refused = surface.Wrong("role too low", headers={"Authorization": f"Bearer {weak}"}, status=403, code="permission_denied", says=f"needs {o.role}")
    for w in [refused, *surface.wrongs(o)]:
        n += 1
        try:
            found = complaint(w, *line.ask(w.method or o.method, o.url(table.good, w), w.body, w.headers, w.token), o)
        except (OSError, http.client.HTTPException) as e:
            found = f"no answer: {e!r}"
        if found:
            wrong.append(f"{w}: {found}")
        if last_event(line) != event:
            wrong.append(f"{w}: it changed something")
            event = last_event(line)
    assert not wrong, f"{len(wrong)} of {n}:\n" + "\n".join(wrong)
    assert n > 15
    after = snapshot(line, table)
    assert after.keys() == before.keys()
    for key, item in after.items():
        assert item == before[key], key
    line.close()


LONGER = "a" * 2000
TOKEN = {"name": "x", "role": "read"}
VERSION = {"version": "9.9.9", "artifact": "0" * 64}
LIMITS = [  # the right type and still wrong: method, path, body, pointer, what is said
    ("POST", "modules", {"name": "x", "description": "d" * 1025}, "/description", "1024"),
    ("POST", "modules", {"name": "x" * 64}, "/name", "63"),
    ("POST", "modules", {"description": "x"}, "/name", "missing"),
    ("POST", "modules/hello/versions", VERSION | {"version": "1 0"}, "/version", "63"),
    ("POST", "modules/hello/versions", VERSION | {"artifact": "zz"}, "/artifact", "64"),
    ("POST", "modules/hello/versions", VERSION | {"units": 0}, "/units", "between 1"),
    ("POST", "modules/hello/versions", VERSION | {"units": 100001}, "/units", "100000"),
    ("POST", "modules/hello/versions", VERSION | {"requires": [{"module": "m", "range": ">=="}]}, "/requires/0/range", ">=1.2"),
    ("POST", "modules/hello/versions", VERSION | {"requires": [{"module": "m", "range": "newest"}, {"module": "a b"}]}, "/requires/1/module", "63"),
    ("POST", "modules/hello/versions", VERSION | {"requires": [{"module": "m"}] * 65}, "/requires", "64"),
    ("POST", "modules/hello/versions", VERSION | {"contextPath": "no-slash"}, "/contextPath", "127"),
    ("POST", "modules/hello/versions", VERSION | {"contextPath": "/" + "a" * 127}, "/contextPath", "127"),
    ("POST", "artifacts", {}, "/url", "url"),
    ("POST", "artifacts", {"url": "file:///etc/passwd"}, "/url", "http"),
    ("POST", "artifacts", {"url": "http://x/" + LONGER + LONGER}, "/url", "2048"),
    ("POST", "artifacts", {"url": "http://127.0.0.1:1/", "sha256": "ab"}, "/sha256", "64"),
    ("POST", "artifacts", {"url": "http://127.0.0.1:1/", "mediaType": LONGER}, "/mediaType", "127"),
    ("POST", "artifacts", {"url": "http://127.0.0.1:1/", "credentials": "none"}, "/credentials", "no credential"),
    ("POST", "groups", {"name": "x", "installLimit": 0}, "/installLimit", "between 1"),
    ("POST", "groups", {"name": "x", "installLimit": 100001}, "/installLimit", "100000"),
    ("POST", "groups", {"name": "x", "zoneKey": "a b"}, "/zoneKey", "63"),
    ("POST", "groups", {"name": "x", "labels": {"a b": "c"}}, "/labels/a b", "63"),
    ("POST", "groups", {"name": "x", "labels": {"a": "c d"}}, "/labels/a", "63"),
    ("PATCH", "groups/demo", {"freezeReason": "r" * 1025}, "/freezeReason", "1024"),
    ("POST", "groups/demo:freeze", {}, "/meta/reason", "say why"),
    ("POST", "groups/demo:freeze", {"meta": {"reason": "r" * 1025}}, "/meta/reason", "1024"),
    ("POST", "groups/demo:freeze", {"meta": {"reason": "r", "link": "l" * 2049}}, "/meta/link", "2048"),
    ("POST", "groups/demo:freeze", {"meta": {"reason": "r", "ifBusy": "push"}}, "/meta/ifBusy", "wait, supersede, refuse"),
    ("POST", "groups/demo:freeze", {"meta": {"reason": "r", "ifMatch": "x"}}, "/meta/ifMatch", "etag"),
    ("POST", "groups/demo:freeze", {"meta": {"reason": "r", "dryRun": True}}, "/meta/dryRun", "deployments only"),
    ("POST", "bases", {"id": "x", "arklet": "ftp://h:1"}, "/arklet", "http://HOST:PORT"),
    ("POST", "bases", {"id": "x", "arklet": "http://h:70000"}, "/arklet", "http://HOST:PORT"),
    ("POST", "bases", {"id": "x", "arklet": "http://h:1", "group": "none"}, "/group", "demo"),
    ("POST", "bases", {"id": "x", "arklet": "http://h:1", "zone": "z" * 64}, "/zone", "63"),
    ("PATCH", "bases/n1", {"id": "n2"}, "/id", "renamed"),
    ("PATCH", "bases/n1", {"installLimit": -1}, "/installLimit", "between 1"),
    ("PATCH", "bases/n1", {"taints": ["a b"]}, "/taints/0", "63"),
    ("PATCH", "bases/n1", {"taints": ["t"] * 33}, "/taints", "32"),
    ("POST", "deployments", {}, "/module", "which module"),
    ("POST", "deployments", {"module": "hello", "replicas": "25%"}, "/replicas", "percentage of what"),
    ("POST", "deployments", {"module": "hello", "args": ["a"] * 257}, "/args", "256"),
    ("POST", "deployments", {"module": "hello", "env": {f"e{i}": "" for i in range(257)}}, "/env", "256"),
    ("POST", "deployments", {"module": "hello", "env": {"A=B": "x"}}, "/env/A=B", "environment variable"),
    ("POST", "deployments", {"module": "hello", "strategy": {"batches": [0]}}, "/strategy/batches/0", "from 1 on"),
    ("POST", "deployments", {"module": "hello", "strategy": {"batches": [1] * 1000}}, "/strategy/batches", "at most"),
    ("POST", "deployments", {"module": "hello", "strategy": {"minReady": "31d"}}, "/strategy/minReady", "30d"),
    ("POST", "deployments", {"module": "hello", "strategy": {"retries": 101}}, "/strategy/retries", "between 0 and 100"),
    ("POST", "deployments", {"module": "hello", "strategy": {"maxInFlight": 0}}, "/strategy/maxInFlight", "between 1"),
    ("POST", "deployments", {"module": "hello", "strategy": {"failureThreshold": 0}}, "/strategy/failureThreshold", "from 1 on"),
    ("POST", "tokens", TOKEN | {"name": ""}, "/name", "missing"),
    ("POST", "tokens", {"name": "x"}, "/role", "read, deploy, admin, join"),
    ("POST", "tokens", TOKEN | {"role": "base"}, "/role", "read, deploy, admin, join"),
    ("POST", "tokens", TOKEN | {"group": "demo"}, "/group", "join tokens"),
    ("POST", "tokens?tenant=new", {"name": "x", "role": "join", "group": "none"}, "/group", "no groups"),
    ("POST", "tokens", {"name": "x", "role": "join", "group": "none"}, "/group", "demo"),
    ("POST", "tokens", TOKEN | {"expireTime": "2020-01-01T00:00:00Z"}, "/expireTime", "past"),
    ("GET", "events?since=2020-01-01T00:00:00Z&limit=0", None, "/limit", "between 1"),
    ("GET", "events?after=-1", None, "/after", ""),
    ("GET", "bases/n1/logs?bytes=0", None, "/bytes", "1048576"),
    ("GET", "bases/n1/logs?bytes=0&follow=true", None, "/bytes", "1048576"),
    ("GET", "bases?group=none", None, "/group", "demo"),
    ("POST", "deployments:bulk", {"deployments": [{"module": "hello"}, {"module": 7}]}, "/deployments/1/module", "string"),
]


@pytest.mark.parametrize("method, path, body, pointer, says", LIMITS, ids=[f"{m} {p}{f}" for m, p, _, f, _ in LIMITS])
def test_values_out_of_bounds(shared, table, method, path, body, pointer, says):
    line = Line(shared.one.rest, shared.token)
    before, event = snapshot(line, table), last_event(line)
    status, headers, data = line.ask(method, f"/v1/{path}", body)
    code = json.loads(data).get("code")
    assert (status, code) in ((400, "invalid_argument"), (404, "not_found"), (501, "not_supported")), data
    found = complaint(surface.Wrong("", status=status, code=code, pointer=pointer, says=says), status, headers, data)
    assert not found, found
    assert last_event(line) == event and snapshot(line, table) == before
    assert line.ask("GET", "/v1/tokens?tenant=new")[0] == 404
    line.close()


BYTES = {"Content-Type": "application/octet-stream"}
BYTE_PATHS = [
    ("PUT", "/v1/artifacts/zz", b"x", BYTES, 400, "invalid_argument"), ("PUT", "/v1/artifacts/" + "0" * 64, b"x", BYTES, 422, "digest_mismatch"),
    ("PUT", "/v1/artifacts/" + "A" * 64, b"x", BYTES, 400, "invalid_argument"), ("POST", "/v1/artifacts:upload?nope=1", b"x", BYTES, 400, "invalid_argument"),
    ("POST", "/v1/artifacts:upload", b"x", {"Content-Type": b"\xff"}, 400, "invalid_argument"), ("POST", "/v1/artifacts:upload", b"x", {"Content-Type": "a" * 128}, 400, "invalid_argument"),
    ("POST", "/v1/artifacts:upload", b"", BYTES, 400, "invalid_argument"),
    ("POST", "/v1/artifacts:upload?tenant=nobody", b"x", BYTES, 404, "not_found"), ("GET", "/v1/artifacts/zz/content", None, {}, 400, "invalid_argument"),
    ("GET", "/v1/artifacts/" + "0" * 64 + "/content", None, {}, 404, "not_found"), ("GET", "/v1/artifacts/{sha256}/content", None, {"Range": "bytes=999999999-"}, 416, "range_not_satisfiable"),
    ("GET", "/v1/artifacts/{sha256}/content?tenant=nobody", None, {}, 404, "not_found"), ("POST", "/v1/artifacts/{sha256}/content", b"", {}, 405, "method_not_allowed"),
    ("DELETE", "/v1/artifacts/{sha256}", None, {}, 405, "method_not_allowed"), ("POST", "/livez", b"", {}, 405, "method_not_allowed"), ("PUT", "/openapi.json", b"", {}, 405, "method_not_allowed"),
    ("GET", "/ui/../../etc/passwd", None, {}, 400, "malformed"), ("GET", "/ui/nothing.js", None, {}, 404, "not_found"), ("GET", "/v2/modules", None, {}, 404, "not_found"),
    ("GET", "//v1/modules", None, {}, 404, "not_found"), ("GET", "/v1/modules/", None, {}, 404, "not_found"), ("POST", "/heartbeat", b"{", surface.JSON, 400, "malformed"),
    ("POST", "/queryBaseline", b"[]", surface.JSON, 400, None), ("POST", "/join/nonsense/heartbeat", b"{}", surface.JSON, 400, None),
]


@pytest.mark.parametrize("method, path, body, headers, status, code", BYTE_PATHS, ids=[f"{m} {p[:40]}" for m, p, *_ in BYTE_PATHS])
def test_paths_that_are_no_operations(shared, table, method, path, body, headers, status, code):
    line = Line(shared.one.rest, shared.token)
    event = last_event(line)
    got, answer, data = line.ask(method, path.replace("{sha256}", table.good["sha256"]), body, headers)
    found = complaint(surface.Wrong("", status=status, code=code), got, answer, data)
    assert not found, found
    assert last_event(line) == event
    line.close()
