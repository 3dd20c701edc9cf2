"""A scripted arklet: says on the wire what Koupleless bases say, byte for byte where it matters, and does on demand what a JVM cannot be made
to do. Answers have no headers and end with the connection; what is no JSON object gets no answer at all; a synchronous command blocks one
of a few workers, to which connections are pinned in turn; the jar's manifest decides what is installed; success is told on two levels.

It keeps a log of all it was asked. Standard library only.
"""
import contextlib
import http.server
import io
import json
import socket
import threading
import time
import urllib.request
import zipfile

COMMANDS = ["help", "installBiz", "uninstallBiz", "switchBiz", "queryAllBiz", "health", "queryBizOps"]


class Asked:
    def __init__(self, command, body, head, began):
        self.command, self.body, self.head, self.began, self.ended = command, body, head, began, None


def jar(name, version, path="/", priority=100, **more):
    """A module as the packager makes it, as far as anybody looks: a zip with a manifest, its long lines folded."""
    lines = ["Manifest-Version: 1.0", f"Ark-Biz-Name: {name}", f"Ark-Biz-Version: {version}", "Main-Class: lab.Main", f"priority: {priority}",
             f"web-context-path: {path}"] + [f"{k}: {v}" for k, v in more.items()]
    text = ""
    for line in lines:
        while len(line) > 70:
            text, line = text + line[:70] + "\r\n", " " + line[70:]
        text += line + "\r\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        z.writestr("META-INF/MANIFEST.MF", text + "\r\n")
    return out.getvalue()


def manifest(data):
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        text = z.read("META-INF/MANIFEST.MF").decode().replace("\r\n ", "")
    return dict(line.split(": ", 1) for line in text.split("\r\n") if ": " in line)


@contextlib.contextmanager
def files(named):
    """A file server, as people have one for their jars; yields its address."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = named.get(self.path.lstrip("/"))
            body = body(self.headers) if callable(body) else body
            self.send_response(200 if body else 404)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *text):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Arklet:
    """One base. generation "2.1.11" tells its identity and knows batches; "2.1.6" does neither; "1.2" says states in upper case."""

    def __init__(self, identity="192.0.2.7", generation="2.1.11", workers=4, port=0):
        self.identity, self.generation = identity, generation
        self.biz = {}                 # (name, version): {"state", "path"}
        self.log, self.failing, self.slow, self.order = [], {}, {}, []  # order: of modules as they came up
        self.stall = None             # a command whose answer stops after its first line, once
        self.hang = self.lose_answer = self.many_ref = self.keep_broken = False
        self.activates = self.stop_throws = False  # activate.new.module=true; a stop handler that throws
        self.word = {}                # states by words of its own, for state
        self.ops = {}                 # records of asynchronous calls, for ever
        self.cluster = "default"      # of its heartbeats
        self.metaspace, self.metaspace_max, self.cost = 60 << 20, -1, {}  # what it says; cost: what installs of a module add, for good
        self.started = time.monotonic()
        self.lock, self.busy = threading.Lock(), set()
        self.workers = [threading.Lock() for _ in range(workers)]
        self.turn, self.open = 0, None
        self.place = self._bound(port)  # never listens: its port stays its own while it is down
        self.port = self.place.getsockname()[1]
        self.up()

    # ---- life

    def _bound(self, port):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("127.0.0.1", port))
        return s

    def up(self):
        self.open = self._bound(self.port)
        self.open.listen(128)
        threading.Thread(target=self._accept, args=(self.open,), daemon=True).start()
        return self

    def down(self):
        self.open.shutdown(socket.SHUT_RDWR)
        self.open.close()

    def restart(self):
        """Another JVM on the same port: nothing is installed."""
        with self.lock:
            self.biz, self.started, self.busy = {}, time.monotonic(), set()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def asked(self, command):
        with self.lock:
            return [a for a in self.log if a.command == command]

    def held(self):
        with self.lock:
            return {f"{n}:{v}": b["state"] for (n, v), b in self.biz.items()}

    # ---- the wire

    def _accept(self, listening):
        while True:
            try:
                s, _ = listening.accept()
            except OSError:
                return
            self.turn += 1
            threading.Thread(target=self._serve, args=(s, self.workers[self.turn % len(self.workers)]), daemon=True).start()

    def _read(self, s):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = s.recv(65536)
            if not piece:
                return None, b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        while len(body) < length:
            body += s.recv(65536)
        return head.decode(), body

    def _serve(self, s, worker):
        with worker:                  # netty pins a connection to one worker, and commands run on it
            try:
                head, body = self._read(s)
                if head is None:
                    return s.close()
                method, target, _ = head.split("\r\n")[0].split(" ")
                answer = self._answer(method, target, head, body)
                if answer is None:    # the connection stays open, for ever as far as the client knows
                    threading.Timer(120, s.close).start()
                    return
                stalls, self.stall = self.stall and f"/{self.stall}" == target, None if f"/{self.stall}" == target else self.stall
                s.sendall(answer[:answer.index(b"{") + 9] if stalls else answer)
                if stalls:
                    self.stalled = s  # stays open as long as this base is there
                else:
                    s.close()
            except OSError:
                s.close()

    def _answer(self, method, target, head, body):
        if self.hang:
            return None
        if method != "POST":
            return b"HTTP/1.1 500 Internal Server Error\r\nContent_Length: 42\r\n\r\nPOST http request only supported by arklet"
        try:
            given = json.loads(body) if body else {}
        except ValueError:
            given = None
        if not isinstance(given, dict):
            with self.lock:
                self.log.append(Asked("garbage", body, head, time.monotonic()))
            return None
        asked = Asked(target.partition("?")[0].lstrip("/"), given, head, time.monotonic())
        with self.lock:
            self.log.append(asked)
        run = getattr(self, "_" + asked.command, None) if asked.command in self._commands() else None
        if run and given.get("async"):
            answer = self._later(run, given)
        else:
            answer = run(given) if run else {"code": "CMD_NOT_FOUND", "message": "please follow the doc"}
        asked.ended = time.monotonic()
        if self.lose_answer and asked.command in ("installBiz", "uninstallBiz"):
            self.lose_answer = False
            return b""
        if self.generation == "2.1.11" and answer["code"] in ("SUCCESS", "FAILED"):
            answer["baseIdentity"] = self.identity
        answer["somethingNew"] = {"nobody": ["knows"]}
        return b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(answer).encode()

    # ---- commands

    def _commands(self):
        return COMMANDS + (["batchInstallBiz"] if self.generation == "2.1.11" else [])

    def _word(self, state):
        return self.word.get(state, state.upper() if self.generation == "1.2" else state)

    def _info(self, key, biz):
        return {"bizName": key[0], "bizVersion": key[1], "bizState": self._word(biz["state"]), "mainClass": "lab.Main",
                "webContextPath": biz["path"],
                "bizStateRecords": [{"state": "broken", "reason": "Install Failed", "message": biz["trace"]} if "trace" in biz else {}]}

    def _exception(self, top, *causes):
        trace = "\n".join([top] + ["\tat lab.Main.main(Main.java:1)"] + [f"Caused by: {c}\n\t... 39 common frames omitted" for c in causes])
        return {"code": "CMD_PROCESS_INTERNAL_ERROR", "message": f"Internal Error: {top}", "errorStackTrace": trace}

    def _result(self, code, message, outer, **more):
        ok = code == "SUCCESS"
        answer = {"code": "SUCCESS" if ok else "FAILED", "data": {"code": code, "message": message, **more}}
        return answer if ok else answer | {"message": outer}

    def _locked(self, given, command, work):
        key = (given.get("bizName"), given.get("bizVersion"))
        with self.lock:
            if key in self.busy:
                return {"code": "FAILED", "message": f"FAILED:{key[0]}:{key[1]} {command} conflict, exist unfinished command(installBiz) for this biz"}
            self.busy.add(key)
        try:
            return work(given)
        finally:
            with self.lock:
                self.busy.discard(key)

    def _later(self, run, given):
        """In another thread. The inner result is lost; a conflict stays INITIALIZED for ever, and frees the lock of the one that is running."""
        name, key = given["requestId"], (given.get("bizName"), given.get("bizVersion"))
        with self.lock:
            if name in self.ops:
                return {"code": "FAILED", "message": f"The request corresponding to the requestId({name}) has been executed."}
            record = self.ops[name] = {"requestId": name, "status": "INITIALIZED", "endTimestamp": 0, "arkBizMeta": given}
            if key in self.busy:
                self.busy.discard(key)
                record |= {"message": "command conflict, exist unfinished command for this biz", "endTimestamp": 1}
                return {"code": "SUCCESS", "data": dict(record)}

        def work():
            answer = run(given)
            ok = answer["code"] == "SUCCESS"
            record.update(status="SUCCEEDED" if ok else "FAILED", endTimestamp=2, **({} if ok else {"message": answer["message"]}))
        threading.Thread(target=work, daemon=True).start()
        return {"code": "SUCCESS", "data": dict(record)}

    def _queryBizOps(self, given):
        with self.lock:
            record = self.ops.get(given.get("requestId"))
            return {"code": "SUCCESS", "data": dict(record)} if record else {"code": "FAILED", "message": "Not found the corresponding ops record."}

    def _help(self, given):
        return {"code": "SUCCESS", "data": [{"id": c, "desc": c} for c in self._commands()]}

    def _installBiz(self, given):
        return self._locked(given, "installBiz", self._install)

    def _install(self, given):
        try:
            with urllib.request.urlopen(given["bizUrl"], timeout=20) as r:
                says = manifest(r.read())
        except OSError as e:
            return self._exception(f"java.io.FileNotFoundException: {e}")
        key = (says["Ark-Biz-Name"], says["Ark-Biz-Version"])
        path = says["web-context-path"]
        with self.lock:
            if key in self.biz:
                return self._result("REPEAT_BIZ", f"Biz: {key[0]}:{key[1]} has been installed or registered.", "install biz not success!", elapsedSpace=4360)
            self.biz[key] = {"state": "resolved", "path": path}
            clash = any(b["path"] == path != "/" for k, b in self.biz.items() if k != key)
            started, active = self.started, any(k[0] == key[0] and b["state"] == "activated" for k, b in self.biz.items() if k != key)
        threading.Event().wait(self.slow.get(key[0], 0))
        with self.lock:
            if started != self.started:
                raise OSError("the base died meanwhile")
            if clash or key[0] in self.failing:
                if not self.keep_broken:
                    del self.biz[key]
                cause = f"java.lang.IllegalArgumentException: Child name [{path}] is not unique" if clash else self.failing[key[0]]
                answer = self._exception("java.lang.reflect.InvocationTargetException", "java.lang.reflect.InvocationTargetException",
                                         "org.springframework.context.ApplicationContextException: Unable to start web server", cause)
                if self.keep_broken:  # sofa.ark.auto.uninstall.when.failed.enable=false
                    self.biz[key] |= {"state": "broken", "trace": answer["errorStackTrace"]}
                return answer
            self.biz[key]["state"] = "deactivated" if active and not self.activates else "activated"
            for k, b in self.biz.items():
                if self.activates and k[0] == key[0] and k != key and b["state"] == "activated":
                    b["state"] = "deactivated"
            self.metaspace += self.cost.get(key[0], 0)
            self.order.append(key[0])
            info = self._info(key, self.biz[key]) | {"attributes": {"$ref": "$.data.bizInfos[0]"}, "priority": 100}
        return self._result("SUCCESS", f"Install Biz: {key[0]}:{key[1]} success, cost: 1 ms", "", bizInfos=[info], elapsedSpace=self.cost.get(key[0], -4096))

    def _batchInstallBiz(self, given):
        """Each jar is read for its priority first, one that is missing ends all; groups of one priority go in parallel; a failed item has no cause."""
        items = []
        for item in given["bizList"]:
            try:
                with urllib.request.urlopen(item["bizUrl"], timeout=20) as r:
                    items.append((int(manifest(r.read()).get("priority", 100)), item))
            except OSError as e:
                return self._exception(f"java.io.FileNotFoundException: {e}")
        answers = {}

        def one(item):
            answer = self._install(item)
            answers[item["bizUrl"]] = answer.get("data") or {"code": "FAILED", "message": "internal exception: null"}
        for priority in sorted({p for p, _ in items}):
            group = [threading.Thread(target=one, args=(item,)) for p, item in items if p == priority]
            for t in group:
                t.start()
            for t in group:
                t.join()
        good = all(a["code"] == "SUCCESS" for a in answers.values())
        return self._result("SUCCESS" if good else "FAILED", f"batch install {'success' if good else 'failed'}", "install biz not success!",
                            bizUrlToResponse=answers, elapsedSpace=0)

    def _uninstallBiz(self, given):
        return self._locked(given, "uninstallBiz", self._uninstall)

    def _uninstall(self, given):
        key = (given.get("bizName"), given.get("bizVersion"))
        with self.lock:
            if key in self.biz and self.biz[key]["state"] == "resolved":
                return self._exception("java.lang.IllegalArgumentException: BizState must be ACTIVATED, DEACTIVATED or BROKEN.")
            if self.biz.pop(key, None) is None:
                return self._result("NOT_FOUND_BIZ", f"Uninstall biz: {key[0]}:{key[1]} not found.", "uninstall biz not success!")
            if self.stop_throws:      # the module is gone all the same
                return self._exception("java.lang.IllegalStateException: the pool is closed")
        return self._result("SUCCESS", f"Uninstall biz: {key[0]}:{key[1]} success.", "")

    def _switchBiz(self, given):
        key = (given.get("bizName"), given.get("bizVersion"))
        with self.lock:
            if key not in self.biz:
                return self._result("NOT_FOUND_BIZ", "not found", "switch biz not success!")
            for k, b in self.biz.items():
                if k[0] == key[0]:
                    b["state"] = "activated" if k == key else "deactivated"
        return self._result("SUCCESS", f"Switch biz: {key[0]}:{key[1]} is activated.", "")

    def _queryAllBiz(self, given):
        with self.lock:
            return {"code": "SUCCESS", "data": [self._info(k, b) for k, b in self.biz.items()] + ([{"$ref": "$.data[0]"}] if self.many_ref else [])}

    def _health(self, given):
        jvm = {"run time(s)": time.monotonic() - self.started, "used heap memory(M)": 30.5, "max heap memory(M)": 247.5, "used non heap memory(M)": 60.25,
               "max non heap memory(M)": -9.53E-7, "java used metaspace": self.metaspace, "java committed metaspace": self.metaspace + (1 << 20),
               "java max metaspace": self.metaspace_max, "loaded class count": 12000, "java version": "17.0.15"}
        return {"code": "SUCCESS", "data": {"healthData": {"jvm": jvm, "cpu": {"total used (%)": 9.1E15},
                "masterBizInfo": {"bizName": "lab-base", "bizVersion": "1.0.0", "bizState": self._word("activated"), "webContextPath": "/"}}}}

    # ---- heartbeats

    def beat(self, early=False, state="activated", **more):
        """The body as runtime 2.1.11 sends it, or, early, as 2.1.7 did."""
        if early:
            return {"baseID": self.identity, "masterBizInfo": {"name": "shop", "version": "1.0.0"},
                    "networkInfo": {"localIP": "127.0.0.1", "localHostName": "node-7", "arkletPort": self.port}, "state": state.upper()} | more
        return {"baseMetadata": {"clusterName": self.cluster, "identity": self.identity, "name": "TO_BE_IMPLEMENTED", "version": "1.0.0"},
                "localHostName": "node-7", "localIP": "127.0.0.1", "port": self.port, "state": state} | more
