"""Artifacts that the server fetches from a URL. Whoever may register one chooses the URL and names the credential, so a secret goes to the
hosts that the configuration gives it, and to no other, whatever redirects there are."""
import contextlib
import hashlib
import http.server
import threading

import pytest

import cell as cells
from conftest import QUICK, _fleet

SECRET = "s3cret-of-the-repository"
BYTES = b"the bytes of an artifact"
SHA = hashlib.sha256(BYTES).hexdigest()


class Repository(http.server.ThreadingHTTPServer):
    """Paths are bytes (200) or a URL to redirect to (302). Keeps (path, X-Token) of each request; `locked`: 401 without the secret."""

    def __init__(self, locked=False):
        self.paths, self.asked, self.locked = {}, [], locked
        super().__init__(("127.0.0.1", 0), Asked)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def tokens(self):
        found, self.asked = self.asked, []
        return found


class Asked(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        token = self.headers.get("X-Token")
        self.server.asked.append((self.path, token))
        what = self.server.paths.get(self.path)
        if self.server.locked and token != SECRET:
            self.send_response(401)
        elif isinstance(what, bytes):
            self.send_response(200)
            self.send_header("Content-Length", str(len(what)))
            self.end_headers()
            self.wfile.write(what)
            return
        else:
            self.send_response(302 if what else 404)
            if what:
                self.send_header("Location", what)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def cell():
    f = _fleet()
    with contextlib.ExitStack() as stack:
        f.repo, f.mirror, f.stranger = (stack.enter_context(r) for r in (Repository(locked=True), Repository(), Repository()))
        try:
            f.server("server", *QUICK, "--artifact-credential", f"repo@{f.repo.url} {f.mirror.url}=X-Token: {SECRET}").ready()
            f.deployer = cells.Rest(f.one.rest, f.made("/v1/tokens", lambda: {"name": "ci", "role": "deploy"})["secret"])
            yield f
        finally:
            f.stop(keep=True)
            complaints = f.complaints()
            f.forget()
            for r in (f.repo, f.mirror, f.stranger):
                r.shutdown()
    assert not complaints, complaints


def register(cell, url, **more):
    return cell.deployer.post("/v1/artifacts", {"url": url, "credentials": "repo"} | more)


def test_a_credential_opens_what_it_is_for(cell):
    cell.repo.paths["/a"] = BYTES
    answer = register(cell, f"{cell.repo.url}/a")
    assert answer.status == 201 and answer.json["sha256"] == SHA, answer
    assert answer.json["credentials"] == "repo" and SECRET not in answer.body.decode()
    assert cell.repo.tokens() == [("/a", SECRET)]


def test_a_credential_is_not_sent_to_a_host_that_it_does_not_name(cell):
    cell.stranger.paths["/a"] = BYTES
    port = cell.repo.url.rpartition(":")[2]
    for url in (f"{cell.stranger.url}/a", f"http://localhost:{port}/a", f"https://127.0.0.1:{port}/a", f"http://127.0.0.1:{port}@127.0.0.1:1/a"):
        for more in ({}, {"sha256": SHA}):  # also where the bytes are known and nothing would be asked
            answer = register(cell, url, **more)
            assert answer.status == 403 and answer.json["errors"][0]["pointer"] == "/credentials", answer
            assert cell.repo.url in answer.json["detail"] and SECRET not in answer.body.decode(), answer
    assert cell.stranger.tokens() == cell.repo.tokens() == []
    assert cell.deployer.post("/v1/artifacts", {"url": f"{cell.stranger.url}/a"}).status in (200, 201)
    assert cell.stranger.tokens() == [("/a", None)]


def test_a_redirect_takes_the_credential_to_the_same_host_only(cell):
    cell.repo.paths |= {"/moved": "/b", "/b": b"of the same host", "/out": f"{cell.stranger.url}/c", "/listed": f"{cell.mirror.url}/d", "/away": f"{cell.stranger.url}/back",
                        "/e": b"for those who know the secret"}
    cell.stranger.paths |= {"/c": b"of another host", "/back": f"{cell.repo.url}/e"}
    cell.mirror.paths["/d"] = b"of another host that it may go to"
    assert register(cell, f"{cell.repo.url}/moved").status == 201
    assert cell.repo.tokens() == [("/moved", SECRET), ("/b", SECRET)]
    assert register(cell, f"{cell.repo.url}/out").status == 201
    assert cell.stranger.tokens() == [("/c", None)]
    assert register(cell, f"{cell.repo.url}/listed").status == 201
    assert cell.mirror.tokens() == [("/d", None)]
    cell.repo.tokens()
    answer = register(cell, f"{cell.repo.url}/away")  # and what was left behind is not taken up again: a stranger chose that URL
    assert answer.status == 502 and "401" in answer.json["detail"], answer
    assert cell.repo.tokens() == [("/away", SECRET), ("/e", None)]


@pytest.mark.parametrize("to, told", [
    ("/round", "more than 5 redirects"),
    ("file:///etc/passwd", "could not be fetched"),
    ("http://", "could not be fetched"),
])
def test_redirects_that_lead_nowhere_end(cell, to, told):
    cell.stranger.tokens()
    cell.stranger.paths["/round"] = to
    answer = cell.deployer.post("/v1/artifacts", {"url": f"{cell.stranger.url}/round"})
    assert answer.status == 502 and answer.json["errors"][0]["pointer"] == "/url" and told in answer.json["detail"], answer
    assert 1 <= len(cell.stranger.tokens()) <= 6
