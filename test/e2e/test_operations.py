"""Every row of the operation table, called well through REST and through gRPC with the same requests."""
import hashlib
import http.server
import json
import re
import threading
import urllib.parse
from types import SimpleNamespace

import pytest

import arklet_script as script
import cell as cells

grpc = pytest.importorskip("grpc", reason="python3-grpcio is not installed")
from rpc import Grpc  # noqa: E402

ROW = re.compile(r'^OP\((\w+), (\w+), (\w+), (\w+), (\w+), "(\w+)", "([^"]+)", (NULL|"[^"]*"), ([^,]+),', re.M)
OPS = {f"{m[1]}.{m[2]}": SimpleNamespace(service=m[1], rpc=m[2], method=m[6], path=m[7], body=None if m[8] == "NULL" else m[8].strip('"'), stream="STREAM" in m[9])
       for m in ROW.finditer((cells.ROOT / "src/api/ops.def").read_text())}
called = {"rest": set(), "grpc": set()}


def camel(name):
    head, *rest = name.split("_")
    return head + "".join(w.capitalize() for w in rest)


class ByRest:
    name = "rest"

    def __init__(self, fleet):
        self.client = fleet.api

    def call(self, title, request=None, first=0):
        op, left = OPS[title], dict(request or {})
        meta = left.pop("meta", {})

        def part(m):
            for key in (m[1], m[1] + "_name", m[1] + "_id"):
                if key in left and not isinstance(left[key], dict):
                    return str(left.pop(key))
            raise KeyError(m[1])
        path = re.sub(r"\{(\w+)\}", part, op.path)
        body = None
        if op.body == "*":
            body = {camel(k): v for k, v in left.items()}
            left = {}
        elif op.body:
            body = left.pop(op.body, {})
        left |= meta
        if left:
            path += "?" + urllib.parse.urlencode({camel(k): v for k, v in left.items()})
        called["rest"].add(title)
        if first:
            found = []
            for line in self.client.lines(path):
                if line.startswith("data:"):
                    found.append(json.loads(line[5:]))
                    if len(found) == first:
                        return found
        answer = self.client.call(op.method, path, body)
        assert 200 <= answer.status < 300, (title, answer)
        return answer.json if answer.body else {}


class ByGrpc:
    name = "grpc"

    def __init__(self, fleet):
        self.client = Grpc(fleet.one.rpc, fleet.token)

    def call(self, title, request=None, first=0):
        from google.protobuf import json_format
        op = OPS[title]
        called["grpc"].add(title)
        reply = self.client.call(op.service, op.rpc, request, first=first)
        show = lambda m: json_format.MessageToDict(m)  # noqa: E731
        return [show(m) for m in reply] if first else show(reply)


@pytest.fixture(scope="module", params=[ByRest, ByGrpc], ids=["rest", "grpc"])
def by(request, shared):
    return request.param(shared)


@pytest.fixture(scope="module")
def origin():
    """Artifacts from elsewhere: every path answers with itself."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.path.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def ended(fleet, plan, *states):
    wanted = states or ("succeeded",)
    try:
        cells.until(lambda: fleet.plan(int(plan["id"]))["state"] in wanted, 30)
    except cells.TimedOut:
        pytest.fail(f"not {' or '.join(wanted)}: {fleet.plan(int(plan['id']))}")


def test_artifacts(shared, by, origin):
    path = f"/{by.name}-artifact"
    digest = hashlib.sha256(path.encode()).hexdigest()
    by.call("Artifacts.CreateArtifact", {"artifact": {"url": origin + path, "sha256": digest}})
    cells.until(lambda: by.call("Artifacts.GetArtifact", {"sha256": digest}).get("sha256") == digest)
    assert digest in [a["sha256"] for a in by.call("Artifacts.ListArtifacts")["artifacts"]]


def test_modules(shared, by):
    name = f"ops-{by.name}"
    bytes_ = f"not a module, only bytes of {by.name}".encode()
    digest = hashlib.sha256(bytes_).hexdigest()
    put = shared.api.call("PUT", f"/v1/artifacts/{digest}", bytes_, {"Content-Type": "application/octet-stream"})
    assert put.status == 201, put
    assert by.call("Modules.CreateModule", {"module": {"name": name, "description": "for a test"}})["name"] == name
    made = by.call("Modules.CreateVersion", {"module": name, "version": {"version": "1.0.0", "artifact": digest, "runtime": "native", "units": 2}})
    assert made["units"] == 2
    assert by.call("Modules.GetModule", {"module": name})["latestVersion"] == "1.0.0"
    assert name in [m["name"] for m in by.call("Modules.ListModules")["modules"]]
    assert by.call("Modules.GetVersion", {"module": name, "version": "1.0.0"})["artifact"] == digest
    assert len(by.call("Modules.ListVersions", {"module": name})["versions"]) == 1
    by.call("Modules.DeleteVersion", {"module": name, "version": "1.0.0"})
    by.call("Modules.DeleteModule", {"module": name})
    assert shared.api.get(f"/v1/modules/{name}").status == 404


def test_groups(shared, by):
    name = f"group-{by.name}"
    by.call("Groups.CreateGroup", {"group": {"name": name, "installLimit": 3, "runtime": "native"}})
    assert by.call("Groups.UpdateGroup", {"group_name": name, "group": {"installLimit": 4}})["installLimit"] == 4
    assert by.call("Groups.GetGroup", {"group": name})["name"] == name
    assert name in [g["name"] for g in by.call("Groups.ListGroups")["groups"]]
    assert by.call("Groups.FreezeGroup", {"group": name, "meta": {"reason": "sale weekend"}})["freezeReason"] == "sale weekend"
    assert not by.call("Groups.UnfreezeGroup", {"group": name}).get("freezeReason")
    assert by.call("Groups.ReleaseBrake", {"group": name})["name"] == name
    by.call("Groups.DeleteGroup", {"group": name})
    assert shared.api.get(f"/v1/groups/{name}").status == 404


def test_bases(shared, by):
    name = f"gone-{by.name}"
    shared.join([name])
    assert by.call("Bases.GetBase", {"base": name})["id"] == name
    assert name in [b["id"] for b in by.call("Bases.ListBases", {"group": "demo"})["bases"]]
    assert by.call("Bases.UpdateBase", {"base_id": name, "base": {"labels": {"disk": "ssd"}, "installLimit": 7}})["installLimit"] == 7
    assert by.call("Bases.CordonBase", {"base": name})["cordoned"]
    assert not by.call("Bases.UncordonBase", {"base": name}).get("cordoned")
    assert by.call("Bases.ReadyBase", {"base": name})["ready"]
    by.call("Bases.DrainBase", {"base": name, "meta": {"reason": "new disk"}})
    assert shared.api.get(f"/v1/bases/{name}").json["cordonReason"] == "new disk"
    assert not by.call("Bases.UndrainBase", {"base": name}).get("cordoned")
    by.call("Bases.DrainBases", {"bases": [name], "meta": {"reason": "new rack"}})
    assert shared.api.get(f"/v1/bases/{name}").json["cordonReason"] == "new rack"
    by.call("Bases.UndrainBase", {"base": name})
    for verb in ("ReplaceBase", "RestartBase"):
        assert by.call(f"Bases.{verb}", {"base": name})["notes"] == ["it holds nothing that Berth manages"]
    assert by.call("Bases.ExpectRestart", {"base": name, "within": "60s", "meta": {"reason": "kernel"}})["id"] == name
    assert "berth-base" in by.call("Bases.LogsBase", {"base": name, "bytes": 4000})["text"]
    shared.agents[name].stop()
    cells.until(lambda: shared.api.get(f"/v1/bases/{name}").json["state"] in ("stopped", "silent", "lost"))
    by.call("Bases.ForgetBase", {"base": name})
    assert shared.api.get(f"/v1/bases/{name}").status == 404


def test_a_base_without_an_agent(shared, by, tmp_path):
    name = f"direct-{by.name}"
    ports = tmp_path / "ports"
    base = cells.Process(name, [cells.programs() / "berth-base", "--name", name, "--listen", "127.0.0.1:0", "--listen-arklet", "127.0.0.1:0", "--port-file", ports],
                         tmp_path / "log", shared.environment())
    try:
        where = json.loads(cells.until(lambda: ports.exists() and ports.read_text()))
        made = by.call("Bases.AddBase", {"base": {"id": name, "group": "demo", "arklet": f"http://127.0.0.1:{where['arklet']}"}})
        assert made["id"] == name
        cells.until(lambda: shared.api.get(f"/v1/bases/{name}").json["ready"], what="it is asked, and ready")
        assert by.call("Bases.LeaveBase", {"base": name})["id"] == name
        by.call("Bases.ForgetBase", {"base": name})
    finally:
        base.kill()


def test_deployments(shared, by):
    name = f"dep-{by.name}"
    shared.push("hello-1.0.0"), shared.push("hello-2.0.0")
    one = {"name": name, "module": "hello", "version": "1.0.0", "group": "demo", "replicas": 1, "strategy": {"minReady": "0s"}}
    ended(shared, by.call("Deployments.CreateDeployment", {"deployment": one}))
    assert by.call("Deployments.GetDeployment", {"deployment": name})["ready"] == 1
    over, = by.call("Plans.ListPlans", {"deployment": name})["plans"]
    assert over["state"] in ("succeeded", "PLAN_STATE_SUCCEEDED") and over["basesDone"] == over["basesTotal"] == 1 and over["changes"][0]["toVersion"] == "1.0.0", over
    assert name in [d["name"] for d in by.call("Deployments.ListDeployments", {"module": "hello"})["deployments"]]
    ended(shared, by.call("Deployments.UpdateDeployment", {"deployment_name": name, "deployment": {"version": "2.0.0"}}))
    assert shared.on("hello", "2.0.0")
    assert by.call("Deployments.ExplainDeployment", {"deployment": name})["summary"]
    assert len(by.call("Deployments.ListRevisions", {"deployment": name})["revisions"]) == 2
    ended(shared, by.call("Deployments.RollbackDeployment", {"deployment": name, "to": 1}))
    ended(shared, by.call("Deployments.RestartDeployment", {"deployment": name}))
    assert by.call("Deployments.RetryDeployment", {"deployment": name})["notes"] == ["it is as wanted: nothing to catch up"]
    ended(shared, by.call("Plans.CreatePlan", {"changes": [{"name": name, "version": "2.0.0"}]}))
    ended(shared, by.call("Deployments.ReplaceDeployment", {"deployment": name}))
    ended(shared, by.call("Deployments.OfflineDeployment", {"deployment": name}))
    items = by.call("Deployments.BulkDeployments", {"deployments": [one, {"name": f"{name}-bad", "module": "nosuch", "version": "1", "group": "demo"}]})["items"]
    assert items[1]["problem"]["code"] == "not_found", items
    ended(shared, items[0]["plan"])
    ended(shared, by.call("Deployments.DeleteDeployment", {"deployment": name}))
    cells.until(lambda: shared.api.get(f"/v1/deployments/{name}").status == 404)


def test_what_is_given_as_empty_becomes_empty(shared, by):
    """A list that is not there keeps its value; an empty one, or one named in meta.clear, takes it away."""
    group, base = f"empty-{by.name}", f"emptied-{by.name}"
    by.call("Groups.CreateGroup", {"group": {"name": group, "labels": {"tier": "web"}}})
    assert by.call("Groups.UpdateGroup", {"group_name": group, "group": {"installLimit": 4}})["labels"]
    assert not by.call("Groups.UpdateGroup", {"group_name": group, "group": {}, "meta": {"clear": "labels" if by.name == "rest" else ["labels"]}}).get("labels")
    by.call("Groups.DeleteGroup", {"group": group})
    shared.join([base])
    path = f"/v1/bases/{base}"
    assert shared.api.call("PATCH", path, {"labels": {"disk": "ssd"}, "taints": ["slow"]}).json["taints"] == ["slow"]
    assert shared.api.call("PATCH", path, {"installLimit": 6}).json["labels"] == {"disk": "ssd"}
    now = shared.api.call("PATCH", path, {"labels": {}, "taints": []}).json
    assert "labels" not in now and "taints" not in now
    wrong = shared.api.call("PATCH", path + "?clear=zone", {})
    assert wrong.status == 400 and wrong.json["errors"][0]["pointer"] == "/meta/clear", wrong
    key = {"Idempotency-Key": f"empty-{by.name}"}
    made = {"module": "hello", "version": "1.0.0", "name": f"empty-{by.name}", "group": "demo", "replicas": 0}
    assert shared.api.call("POST", "/v1/deployments", made | {"env": {}}, key).status in (200, 202)
    assert shared.api.call("POST", "/v1/deployments", made, key).status == 422  # another request
    by.call("Deployments.DeleteDeployment", {"deployment": f"empty-{by.name}"})
    shared.agents[base].stop()
    cells.until(lambda: shared.api.get(path).json["state"] in ("stopped", "silent", "lost"))
    by.call("Bases.ForgetBase", {"base": base})


def test_plans(shared, by):
    name = f"plan-{by.name}"
    shared.push("slow"), shared.push("broken")
    plan = by.call("Deployments.CreateDeployment", {"deployment": {"name": name, "module": "slow", "version": "1.0.0", "group": "demo", "replicas": 3, "args": ["--seconds=1"],
                   "strategy": {"minReady": "0s", "batches": [1, 2], "confirm": "each"}}})
    number = int(plan["id"])
    assert by.call("Plans.PausePlan", {"plan": number})["state"].lower().endswith("paused")
    by.call("Plans.ResumePlan", {"plan": number})
    ended(shared, plan, "confirming")
    assert int(by.call("Plans.GetPlan", {"plan": number})["id"]) == number
    assert str(number) in [str(p["id"]) for p in by.call("Plans.ListPlans", {"deployment": name})["plans"]]
    by.call("Plans.ConfirmPlan", {"plan": number, "batch": 1})
    assert int(by.call("Plans.WatchPlan", {"plan": number}, first=2)[0]["plan"]) == number
    cells.until(lambda: shared.plan(number)["state"] == "confirming" and shared.plan(number)["currentBatch"] == 2)
    by.call("Plans.ConfirmPlan", {"plan": number, "batch": 2})
    ended(shared, plan)
    broken = by.call("Deployments.CreateDeployment", {"deployment": {"name": f"{name}-b", "module": "broken", "version": "1.0.0", "group": "demo", "replicas": 1,
                     "strategy": {"retries": 0, "minReady": "0s"}}})
    ended(shared, broken, "paused")
    by.call("Plans.RetryPlan", {"plan": int(broken["id"])})
    ended(shared, broken, "paused")
    failed = [t["base"] for t in shared.plan(int(broken["id"]))["tasks"] if t["state"] == "failed"]
    let_be = by.call("Plans.IgnorePlan", {"plan": int(broken["id"]), "base": failed[0], "meta": {"reason": "known"}})
    assert any("known" in n for n in let_be["notes"]), let_be
    cells.until(lambda: shared.plan(int(broken["id"]))["state"] in ("paused", "succeeded_with_failures"))
    by.call("Plans.UndoPlan", {"plan": int(broken["id"])})
    cells.until(lambda: shared.api.get(f"/v1/deployments/{name}-b").json["state"] == "offline")
    again = by.call("Deployments.CreateDeployment", {"deployment": {"name": f"{name}-b", "module": "broken", "version": "1.0.0", "group": "demo", "replicas": 1,
                    "strategy": {"retries": 0, "minReady": "0s"}}})
    ended(shared, again, "paused")
    assert by.call("Plans.StopPlan", {"plan": int(again["id"])})["state"].lower().endswith("stopped")
    ended(shared, by.call("Deployments.DeleteDeployment", {"deployment": f"{name}-b"}))
    away = by.call("Deployments.DeleteDeployment", {"deployment": name})

    def over():
        """Its strategy asks for every batch of this one too."""
        now = shared.plan(int(away["id"]))
        if now["state"] == "confirming":
            shared.api.post(f"/v1/plans/{now['id']}:confirm", {"batch": now["currentBatch"]})
        return now["state"] == "succeeded"
    cells.until(over)


def test_findings(shared, by):
    base = f"found-{by.name}"
    by.call("Groups.CreateGroup", {"group": {"name": base}})
    shared.join([base], base)
    arklet = cells.Rest(f"127.0.0.1:{shared.agents[base].ports['arklet']}")
    for name, example in (("hello", "hello-1.0.0"), ("slow", "slow")):
        assert arklet.post("/installBiz", {"bizName": name, "bizVersion": "1.0.0", "bizUrl": f"file://{shared.example(example)}"}).json["code"] == "SUCCESS"

    def found():
        return {f["module"]: int(f["id"]) for f in by.call("Findings.ListFindings", {"base": base}).get("findings", [])}
    number = cells.until(lambda: len(f := found()) == 2 and f)["hello"]
    assert by.call("Findings.GetFinding", {"finding": number})["module"] == "hello"
    assert by.call("Findings.IgnoreFinding", {"finding": number, "meta": {"reason": "looked at"}})["ignored"]
    assert not by.call("Findings.UnignoreFinding", {"finding": number}).get("ignored")
    plan = by.call("Findings.EvictFinding", {"finding": number, "grace": f"{4 * cells.PACE}s", "meta": {"reason": "left over"}})
    assert int(by.call("Findings.GetFinding", {"finding": number})["plan"]) == int(plan["id"])
    ended(shared, plan)
    assert cells.until(lambda: len(f := found()) == 1 and f).keys() == {"slow"}
    assert by.call("Findings.AdoptFindings", {"group": base, "module": "slow", "meta": {"dry_run" if by.name == "grpc" else "dryRun": True if by.name == "grpc" else "true"}})["adoptions"]
    assert by.call("Findings.AdoptFinding", {"finding": found()["slow"]})["adoptions"]
    ended(shared, by.call("Deployments.DeleteDeployment", {"deployment": shared.api.get("/v1/deployments", group=base).json["deployments"][0]["name"]}))


def test_what_is_and_what_happened(shared, by):
    by.call("Instances.ListInstances", {"base": "n1"})
    by.call("Endpoints.ListEndpoints", {"base": "n1"})
    assert len(by.call("Endpoints.WatchEndpoints", {"base": "n1"}, first=1)) == 1
    by.call("Findings.ListFindings")
    events = by.call("Events.ListEvents", {"after": 0, "limit": 5})["events"]
    assert [int(e["number"]) for e in events] == [1, 2, 3, 4, 5]
    assert [int(e["number"]) for e in by.call("Events.WatchEvents", {"after": 2}, first=3)] == [3, 4, 5]
    assert by.call("Cell.GetStatus")["active"]


def test_findings_of_a_base_without_an_agent(shared, by):
    """Of a base that holds what nobody told Berth about."""
    group = f"found-direct-{by.name}"
    base = script.Arklet(identity=group)
    base.biz = {(f"{group}-{k}", "1.0.0"): {"state": "activated", "path": f"/{k}"} for k in "abc"}
    by.call("Groups.CreateGroup", {"group": {"name": group, "runtime": "ark"}})
    by.call("Bases.AddBase", {"base": {"id": group, "group": group, "arklet": base.url}})
    found = cells.until(lambda: len(f := by.call("Findings.ListFindings", {"base": group}).get("findings", [])) == 3 and f, what="three findings")
    first, second = (int(f["id"]) for f in found[:2])
    assert by.call("Findings.GetFinding", {"finding": first})["base"] == group
    assert by.call("Findings.IgnoreFinding", {"finding": first, "meta": {"reason": "a tool of ours"}})["base"] == group
    assert len(by.call("Findings.ListFindings", {"base": group})["findings"]) == 2
    by.call("Findings.UnignoreFinding", {"finding": first})
    assert by.call("Findings.AdoptFinding", {"finding": second})
    assert by.call("Findings.AdoptFindings", {"group": group})
    known = cells.until(lambda: len(i := by.call("Instances.ListInstances", {"base": group}).get("instances", [])) == 3 and i, what="all three are known")
    assert by.call("Instances.ExplainInstance", {"instance": int(known[0]["id"])})["instance"]["base"] == group
    assert by.call("Bases.ExplainBase", {"base": group})["summary"]
    by.call("Bases.ForgetBase", {"base": group})
    base.down()


def test_tokens(shared, by):
    name = f"token-{by.name}"
    secret = by.call("Tokens.CreateToken", {"token": {"name": name, "role": "read"}})["secret"]
    client = cells.Rest(shared.one.rest, secret)
    assert client.get("/v1/status").status == 200 and client.post("/v1/modules", {"name": "x"}).status == 403
    assert name in [t["name"] for t in by.call("Tokens.ListTokens")["tokens"]]
    by.call("Tokens.RevokeToken", {"token": name})
    assert client.get("/v1/status").status == 401


def test_webhooks(shared, by):
    name = f"hook-{by.name}"
    made = by.call("Webhooks.CreateWebhook", {"webhook": {"name": name, "url": "http://127.0.0.1:9/never", "kinds": ["nothing.*"]}})
    assert made["secret"].startswith("hook_")
    assert by.call("Webhooks.GetWebhook", {"webhook": name})["kinds"] == ["nothing.*"]
    assert name in [w["name"] for w in by.call("Webhooks.ListWebhooks")["webhooks"]]
    assert by.call("Webhooks.UpdateWebhook", {"webhook_name": name, "webhook": {"template": "{text}"}})["template"] == "{text}"
    assert int(by.call("Webhooks.ReplayWebhook", {"webhook": name, "after": 1})["sentEvent"]) == 1
    assert by.call("Webhooks.TestWebhook", {"webhook": name})["name"] == name
    by.call("Webhooks.DeleteWebhook", {"webhook": name})
    assert shared.api.get(f"/v1/webhooks/{name}").status == 404


def test_every_operation_was_called():
    assert OPS and called["rest"] == set(OPS) and called["grpc"] == set(OPS), (set(OPS) - called["rest"], set(OPS) - called["grpc"])


def test_reflection_health_and_openapi_name_every_operation(shared):
    client = Grpc(shared.one.rpc, shared.token)
    services = client.services()
    listed = {f"{s.rpartition('.')[2]}.{m}" for s in services if s.startswith("berth.v1.") for m in client.service(s).methods_by_name}
    assert set(OPS) <= listed
    assert "grpc.health.v1.Health" in services
    document = shared.api.get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    missing = [op.path for op in OPS.values() if op.method.lower() not in document["paths"].get(op.path, {})]
    assert not missing, missing
