"""Every method of the gRPC surface, found by reflection, against every kind of wrong input on the wire: each call ends with its status and a
sentence, the next one is answered, and no event was written."""
import re

import pytest

grpc = pytest.importorskip("grpc")
import cell as cells  # noqa: E402
import surface  # noqa: E402
from rpc import Grpc  # noqa: E402

ROWS = re.findall(r'^OP\((\w+), (\w+), \w+, \w+, (\w+),', (surface.ROOT / "src/api/ops.def").read_text(), re.M)
BELOW = {"READ": "join", "DEPLOY": "read", "ADMIN": "deploy"}
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def tag(number, kind):
    return varint(number << 3 | kind)


def wrap(path, inner):
    """The bytes of a message that holds `inner` at the end of a path of field numbers."""
    for number in reversed(path):
        inner = tag(number, BYTES) + varint(len(inner)) + inner
    return inner


def text(number, value):
    return tag(number, BYTES) + varint(len(value)) + value


def wrong_fields(d, path=(), seen=()):
    """(what, bytes of the request, JSON pointer below the field that is wrong), for every field however deep."""
    if d.full_name in seen or d.full_name.startswith("google."):
        return
    for f in d.fields:
        where = "/".join(p.camelcase_name + ("/0" if p.label == p.LABEL_REPEATED else "") for p in (*path, f))
        numbers = [p.number for p in path]
        if f.message_type:
            yield f"{where} cut short", wrap(numbers, tag(f.number, BYTES) + varint(100) + b"x"), None
            yield from wrong_fields(f.message_type, (*path, f), (*seen, d.full_name))
        elif f.enum_type:
            yield f"{where} = 99", wrap(numbers, tag(f.number, VARINT) + varint(99)), where
        elif f.type == f.TYPE_STRING:
            yield f"{where} not UTF-8", wrap(numbers, text(f.number, b"\xff\xfe")), where
            named = d.name == "Entry" and f.name == "key"  # a map's place is told by its key
            yield f"{where} of 70000", wrap(numbers, text(f.number, b"a" * 70000)), where.removesuffix("0/key") if named else where
        else:
            yield f"{where} cut short", wrap(numbers, tag(f.number, VARINT) + b"\xff"), None


def garbage():
    yield "ff", b"\xff\xff\xff\xff"
    yield "field 0", b"\x02\x01x"
    yield "field 0 in two bytes", b"\x80\x00\x00"
    yield "an end without a group", b"\x0c"
    yield "a wire type of nobody", b"\x0f"
    yield "a length beyond the end", b"\x0a\xff\xff\xff\xff\x0f"
    yield "a varint of 11 bytes", b"\x08" + b"\xff" * 10 + b"\x01"


@pytest.fixture(scope="module")
def table(shared):
    shared.deploy(shared.push("hello-1.0.0"))
    client = Grpc(shared.one.rpc, shared.token)
    tokens = {r: shared.api.post("/v1/tokens", {"name": f"as-{r}", "role": r}).json["secret"] for r in ("join", "read", "deploy")}
    yield client, tokens
    client.close()


def ended(client, method, messages, metadata, timeout=20):
    """How a call ends that is sent these bytes: status, sentence, trailers."""
    name = f"/{method.containing_service.full_name}/{method.name}"
    call = client.channel.stream_stream(name)(iter(messages), metadata=metadata, timeout=timeout)
    try:
        for _ in call:
            call.cancel()
            return "OK", "", {}
        return "OK", "", {}
    except grpc.RpcError as e:
        return e.code().name, e.details() or "", dict(e.trailing_metadata() or ())


def event(shared):
    return shared.api.get("/v1/status").json["lastEvent"]


def test_reflection_names_what_the_table_has(table):
    client, _ = table
    found = {(s.rpartition(".")[2], m) for s in client.services() if s.startswith("berth.v1.") and not s.endswith("AgentService")
             for m in client.service(s).methods_by_name}
    assert found == {(s, m) for s, m, _ in ROWS}


@pytest.mark.parametrize("service, name, role", ROWS, ids=[m for _, m, _ in ROWS])
def test_every_wrong_message(shared, table, service, name, role):
    client, tokens = table
    method = client.service(f"berth.v1.{service}").methods_by_name[name]
    before, wrong = event(shared), []

    def expect(what, status, messages, metadata=client.metadata, says="", pointer=None):
        code, details, trailers = ended(client, method, messages, metadata)
        rich = trailers.get("grpc-status-details-bin", b"")
        if code != status or says not in details or (pointer and pointer.encode() not in rich):
            wrong.append(f"{what}: {code} {details[:200]} {rich[:300]!r}")
        if event(shared) != before:
            wrong.append(f"{what}: it changed something")

    for what, raw in garbage():
        expect(what, "INVALID_ARGUMENT", [raw])
    for what, raw, pointer in wrong_fields(method.input_type):
        expect(what, "INVALID_ARGUMENT", [raw], pointer=pointer)
    expect("no message", "INVALID_ARGUMENT", [], says="no request")
    expect("5 MB", "RESOURCE_EXHAUSTED", [text(1, b"a" * 5000000)])
    expect("no token", "UNAUTHENTICATED", [b""], metadata=[], says="token")
    expect("unknown token", "UNAUTHENTICATED", [b""], metadata=[("authorization", "Bearer nonsense")], says="unknown")
    expect("not a bearer", "UNAUTHENTICATED", [b""], metadata=[("authorization", "Basic YTpi")])
    expect("role too low", "PERMISSION_DENIED", [b""], metadata=[("authorization", f"Bearer {tokens[BELOW[role]]}")], says=f"needs {role.lower()}")
    tenant = method.input_type.fields_by_name["tenant"].number
    if name != "CreateToken":
        expect("unknown tenant", "NOT_FOUND", [text(tenant, b"nobody")], says="nobody")
    expect("no tenant's name", "INVALID_ARGUMENT", [text(tenant, b"a b")], says="tenant name")
    assert not wrong, "\n".join(wrong)


def test_methods_of_nobody(shared, table):
    client, _ = table
    for path in ("/berth.v1.Modules/Nothing", "/berth.v1.Nothing/GetModule", "/x", "//", "/berth.v1.AgentService/Nothing"):
        with pytest.raises(grpc.RpcError) as e:
            client.channel.unary_unary(path)(b"", metadata=client.metadata, timeout=10)
        assert e.value.code().name == "UNIMPLEMENTED", (path, e.value)


def test_metadata_without_end(shared, table):
    client, _ = table
    with pytest.raises(grpc.RpcError) as e:
        client.channel.unary_unary("/berth.v1.Modules/ListModules")(b"", metadata=[*client.metadata, ("x-long", "a" * 100000)], timeout=10)
    assert e.value.code().name in ("RESOURCE_EXHAUSTED", "UNAVAILABLE"), e.value

    def answers():
        """Channels of one process share a connection, and the server may have ended the one with that head."""
        try:
            return Grpc(shared.one.rpc, shared.token).call("Modules", "ListModules")
        except (grpc.RpcError, KeyError):
            return None
    cells.until(answers, 10, "the next call is answered")


@pytest.mark.parametrize("raw", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x00" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\xff\xff\xff\x04\x00\x00\x00\x00\x00"],
                         ids=["HTTP/1.1", "zeros", "garbage frames", "a frame of 16 MB"])
def test_no_grpc_at_all(shared, table, raw):
    import socket
    host, port = shared.one.rpc.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=10) as s:
        s.sendall(raw)
        s.shutdown(socket.SHUT_WR)
        try:
            while s.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert Grpc(shared.one.rpc, shared.token).call("Modules", "ListModules")
    assert shared.one.process.alive()
