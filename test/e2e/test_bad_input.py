"""Bad, huge, slow and hostile input: a clear error with its stable code, nothing stored, and the server goes on."""
import hashlib
import json
import socket

import pytest

import cell as cells

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def api(shared):
    shared.deploy(shared.push("hello-1.0.0"))
    yield shared.api
    assert shared.one.process.alive()
    shared.sound()


def problem(answer, status, code):
    assert answer.status == status, answer
    assert answer.headers["Content-Type"].startswith("application/problem+json"), answer.headers
    body = answer.json
    assert body["code"] == code and body["status"] == status and body["detail"] and body["requestId"], body
    return body


@pytest.mark.parametrize("body, status, code", [
    (b"", 400, None), (b"{", 400, "malformed"), (b"[]", 400, None), (b"null", 400, None), (b"7", 400, None), (b'"x"', 400, None),
    (b'{"name":"a"} x', 400, "malformed"), (b'{"name":"a",}', 400, "malformed"), (b"{'name':'a'}", 400, "malformed"),
    (b'{"name":"a","name":"b"}', 400, None),
    (b'{"name":"\xff\xfe"}', 400, "malformed"), (b'{"name":"\xc0\xaf"}', 400, "malformed"), (b'{"name":"a\\u0000b"}', 400, None),
    (b'{"name":"\\ud800"}', 400, "malformed"),
    (b"[" * 100000, 400, None), (b'{"a":' * 5000 + b"1" + b"}" * 5000, 400, None),
    (b'{"name":7}', 400, "invalid_argument"), (b'{"name":null}', 400, None), (b'{"name":["a"]}', 400, "invalid_argument"),
    (b'{"name":{"a":1}}', 400, "invalid_argument"), (b'{"nmae":"a"}', 400, "invalid_argument"),
    (b'{"name":""}', 400, "invalid_argument"), (b'{"name":"' + b"a" * 5000 + b'"}', 400, "invalid_argument"),
    (b'{"name":"A B"}', 400, "invalid_argument"), (b'{"name":"../../etc"}', 400, "invalid_argument"), (b'{"name":"a/b"}', 400, "invalid_argument"),
    (b'{"name":"' + "ünï".encode() + b'"}', 400, "invalid_argument"), (b'{"name":"' + b"a" * 1000000 + b'"}', 400, None),
], ids=lambda v: repr(v)[:40] if isinstance(v, bytes) else None)
def test_bodies(api, body, status, code):
    answer = api.call("POST", "/v1/modules", body, JSON)
    found = problem(answer, status, code or answer.code)
    assert found["code"] in ("malformed", "invalid_argument")


def test_too_much(shared, api):
    """Refused by its length alone, before it is read."""
    answer = api.call("POST", "/v1/modules", b'{"name":"' + b"a" * 2000000 + b'"}', JSON)
    assert answer.status == 413 and answer.code == "too_large", answer


def test_errors_point_at_the_field(api):
    found = problem(api.post("/v1/deployments", {"module": "hello", "group": "demo", "replicas": "many", "strategy": {"retries": -1}}), 400, "invalid_argument")
    assert {e["pointer"] for e in found["errors"]} & {"/replicas", "/strategy/retries"}, found
    near = problem(api.post("/v1/modules", {"nmae": "a"}), 400, "invalid_argument")
    assert "name" in json.dumps(near).replace("nmae", ""), near


@pytest.mark.parametrize("fields", [
    {"replicas": -1}, {"replicas": 1.5}, {"replicas": 10**30}, {"replicas": "150%"}, {"replicas": True}, {"args": "x"}, {"args": [7]},
    {"env": ["A=b"]}, {"env": {"A": 7}}, {"env": {"": "x"}}, {"env": {"A=B": "x"}}, {"labels": {"x y": "z"}}, {"strategy": 7}, {"strategy": {"batches": [0]}},
    {"strategy": {"batches": []}, "replicas": "x"}, {"strategy": {"minReady": "soon"}}, {"strategy": {"minReady": "-5s"}}, {"strategy": {"onFailure": "explode"}},
    {"strategy": {"placement": 3}}, {"strategy": {"failureThreshold": "x%"}}, {"version": ""}, {"version": "1 0"}, {"name": "no:colon"}, {"state": 9},
], ids=repr)
def test_deployment_fields(api, fields):
    answer = api.post("/v1/deployments", {"module": "hello", "version": "1.0.0", "group": "demo", "name": "bad"} | fields)
    assert answer.status == 400 and answer.code in ("invalid_argument", "malformed"), answer
    assert api.get("/v1/deployments/bad").status == 404


@pytest.mark.parametrize("path, status, code", [
    ("/v1/nothing", 404, "not_found"), ("/v1/modules/nothing", 404, "not_found"), ("/v1/plans/x", 400, "invalid_argument"), ("/v1/plans/99999", 404, "not_found"),
    ("/v1/plans/99999999999999999999999", 400, "invalid_argument"), ("/v1/modules?limit=x", 400, "invalid_argument"), ("/v1/modules?limit=-1", 400, "invalid_argument"),
    ("/v1/modules?limit=100000", 400, "invalid_argument"), ("/v1/modules?cursor=nonsense", 400, "invalid_argument"), ("/v1/modules?nope=1", 400, "invalid_argument"),
    ("/v1/bases?state=flying", 400, "invalid_argument"), ("/v1/events?after=-1", 400, "invalid_argument"), ("/v1/events?since=yesterday", 400, "invalid_argument"),
    ("/v1/artifacts/zz", 400, "invalid_argument"), ("/v1/artifacts/" + "0" * 64, 404, "not_found"), ("/v1/bases/%00", 400, None), ("/v1/bases/a%2Fb", 400, None),
    ("/v1/../etc/passwd", 400, None), ("/v1/modules?tenant=nobody", None, None),
])
def test_paths_and_queries(api, path, status, code):
    answer = api.call("GET", path)
    assert answer.status == status if status else answer.status in (400, 403, 404), answer
    assert code in (None, answer.code), answer


def test_methods_and_media_types(api):
    answer = api.call("PUT", "/v1/modules", b"{}", JSON)
    assert problem(answer, 405, "method_not_allowed") and "GET" in answer.headers["Allow"]
    problem(api.call("POST", "/v1/modules", b"name: a", {"Content-Type": "text/yaml"}), 415, "unsupported_media_type")


def test_who_may_what(shared, api):
    problem(api.call("GET", "/v1/modules", token=False), 401, "unauthenticated")
    problem(cells.Rest(shared.one.rest, "nonsense").get("/v1/modules"), 401, "unauthenticated")
    problem(cells.Rest(shared.one.rest, "x" * 5000).get("/v1/modules"), 401, "unauthenticated")
    roles = {r: cells.Rest(shared.one.rest, api.post("/v1/tokens", {"name": f"as-{r}", "role": r}).json["secret"]) for r in ("read", "deploy")}
    problem(roles["read"].post("/v1/modules", {"name": "x"}), 403, "permission_denied")
    problem(roles["deploy"].post("/v1/groups", {"name": "x"}), 403, "permission_denied")
    problem(roles["deploy"].get("/v1/tokens"), 403, "permission_denied")
    assert roles["deploy"].post("/v1/modules", {"name": "by-deploy"}).status == 201
    problem(cells.Rest(shared.one.rest, shared.join_token("demo")).get("/v1/modules"), 403, "permission_denied")


def test_conflicts(shared, api):
    digest = hashlib.sha256(b"other bytes").hexdigest()
    assert api.call("PUT", f"/v1/artifacts/{digest}", b"other bytes", {"Content-Type": "application/octet-stream"}).status == 201
    found = problem(api.post("/v1/modules/hello/versions", {"version": "1.0.0", "artifact": digest}), 409, "version_immutable")
    assert digest[:12] in found["detail"]
    problem(api.call("PUT", f"/v1/artifacts/{'0' * 64}", b"other bytes", {"Content-Type": "application/octet-stream"}), 422, "digest_mismatch")
    problem(api.delete("/v1/groups/demo"), 409, "wrong_state")
    answer = api.get("/v1/groups/demo")
    problem(api.call("PATCH", "/v1/groups/demo", {"installLimit": 6}, {"If-Match": "nonsense"}), 400, "invalid_argument")
    assert api.call("PATCH", "/v1/groups/demo", {"installLimit": 6}, {"If-Match": answer.headers["ETag"]}).status == 200
    problem(api.call("PATCH", "/v1/groups/demo", {"installLimit": 7}, {"If-Match": answer.headers["ETag"]}), 412, "precondition_failed")
    assert api.post("/v1/tokens", {"name": "taken", "role": "read"}).status == 201
    problem(api.post("/v1/tokens", {"name": "taken", "role": "deploy"}), 409, "already_exists")
    problem(api.post("/v1/deployments", {"name": "hello", "module": "hello", "version": "9.9.9", "group": "demo"}), 404, "not_found")
    plan = api.get("/v1/plans").json["plans"][0]["id"]
    problem(api.post(f"/v1/plans/{plan}:pause"), 409, "wrong_state")


def test_idempotency(api):
    key = {"Idempotency-Key": "once"}
    first = api.post("/v1/modules", {"name": "once"}, headers=key)
    assert first.status == 201
    events = api.get("/v1/status").json["lastEvent"]
    again = api.post("/v1/modules", {"name": "once"}, headers=key)
    assert again.status == 201 and again.json["name"] == "once"
    assert api.get("/v1/status").json["lastEvent"] == events
    problem(api.post("/v1/modules", {"name": "twice"}, headers=key), 422, "idempotency_mismatch")
    problem(api.post("/v1/modules", {"name": "x"}, headers={"Idempotency-Key": "k" * 5000}), 400, "invalid_argument")


def test_events_too_old_and_too_new(api):
    last = api.get("/v1/status").json["lastEvent"]
    assert api.get("/v1/events", after=last).json["events"] == []


RAW = [
    (b"GARBAGE\r\n\r\n", 400), (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505), (b"GET / HTTP/1.1\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    (b"POST /v1/modules HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    (b"POST /v1/modules HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431), (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    (b"POST /v1/modules HTTP/1.1\r\nHost: x\r\n\r\n", 411), (b"\x16\x03\x01\x02\x00\x01\x00", 400),
]


@pytest.mark.parametrize("raw, status", RAW, ids=[repr(r[:30]) for r, _ in RAW])
def test_raw_requests(shared, api, raw, status):
    host, port = shared.one.rest.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(raw)
        line = s.makefile("rb").readline()
    assert line.split()[1] in (str(status).encode(), b"400", b"431"), line


def test_grpc_says_the_same_with_its_own_codes(shared, api):
    grpc = pytest.importorskip("grpc")
    from rpc import Grpc
    client = Grpc(shared.one.rpc, shared.token)
    for service, method, request, code in [
        ("Modules", "GetModule", {"module": "nothing"}, "NOT_FOUND"), ("Modules", "CreateModule", {"module": {"name": "A B"}}, "INVALID_ARGUMENT"),
        ("Modules", "CreateModule", {}, "INVALID_ARGUMENT"), ("Tokens", "CreateToken", {"token": {"name": "taken", "role": "admin"}}, "ALREADY_EXISTS"),
        ("Groups", "DeleteGroup", {"group": "demo"}, "FAILED_PRECONDITION"), ("Plans", "GetPlan", {"plan": 9999}, "NOT_FOUND"),
    ]:
        with pytest.raises(grpc.RpcError) as e:
            client.call(service, method, request)
        assert e.value.code().name == code, (method, e.value)
        assert e.value.details() and any(k == "grpc-status-details-bin" for k, _ in e.value.trailing_metadata()), e.value
    for token, code in ((None, "UNAUTHENTICATED"), ("nonsense", "UNAUTHENTICATED")):
        other = Grpc(shared.one.rpc, shared.token)
        other.service("berth.v1.Modules")
        other.metadata = [("authorization", f"Bearer {token}")] if token else []
        with pytest.raises(grpc.RpcError) as e:
            other.call("Modules", "ListModules")
        assert e.value.code().name == code
    raw = client.channel.unary_unary("/berth.v1.Modules/CreateModule")
    with pytest.raises(grpc.RpcError) as e:
        raw(b"\xff\xff\xff\xff", metadata=client.metadata, timeout=10)
    assert e.value.code().name == "INVALID_ARGUMENT"
    with pytest.raises(grpc.RpcError) as e:
        client.channel.unary_unary("/berth.v1.Modules/Nothing")(b"", metadata=client.metadata, timeout=10)
    assert e.value.code().name == "UNIMPLEMENTED"
