"""A cell whose every link is TLS with certificates on both sides: command line, agent, artifacts, standby; and what strangers get."""
import json
import signal
import ssl
import subprocess

import pytest

import cell as cells
from conftest import QUICK


class Authority:
    """Signs certificates for 127.0.0.1."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", self.path("key"), "-out", self.path("pem"))

    def path(self, kind, name=None):
        return self.folder / f"{name or self.name}.{kind}"

    def openssl(self, *args):
        subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)

    def sign(self, name):
        """The options of a berthd, or of an agent, that goes by this name."""
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", self.path("key", name), "-out", self.path("csr", name))
        extra = self.path("ext", name)
        extra.write_text("subjectAltName=IP:127.0.0.1\n")
        self.openssl("x509", "-req", "-days", "1", "-in", self.path("csr", name), "-CA", self.path("pem"), "-CAkey", self.path("key"), "-CAcreateserial",
                     "-extfile", extra, "-out", self.path("pem", name))
        return [f"--tls-cert={self.path('pem', name)}", f"--tls-key={self.path('key', name)}"]


@pytest.fixture
def sealed(tmp_path):
    """One server, an authority that everybody trusts, and a command line that has a certificate."""
    tmp_path.chmod(0o755)
    c = cells.Cell()
    c.authority = Authority(tmp_path, "authority")
    c.authority.sign("operator")
    c.server("server", *QUICK, *c.authority.sign("server"), f"--tls-client-ca={c.authority.path('pem')}", f"--tls-peer-ca={c.authority.path('pem')}").listening()
    yield c
    c.stop()


def berth(c, *args, server="server", who="operator", trust=None):
    one = c.servers[server]
    env = {"BERTH_ADDRESS": f"https://{one.rest}", "BERTH_CA_FILE": trust or c.authority.path("pem"), "BERTH_TOKEN": c.servers["server"].token or ""}
    if who:
        env |= {"BERTH_CLIENT_CERT": c.authority.path("pem", who), "BERTH_CLIENT_KEY": c.authority.path("key", who)}
    return subprocess.run([cells.programs() / "berth", *args], env=c.environment(env), capture_output=True, text=True, timeout=60)


def fine(done):
    assert done.returncode == 0, done.stderr
    return done.stdout


def serial(one):
    host, port = one.rest.split(":")
    return ssl.get_server_certificate((host, int(port)))


def test_everybody_shows_a_certificate(sealed, until, tmp_path):
    until(lambda: berth(sealed, "status").returncode == 0, what="it is ready")
    fine(berth(sealed, "group", "create", "demo"))
    token = json.loads(fine(berth(sealed, "token", "create", "join", "--role", "join", "--group", "demo", "-o", "json")))["secret"]
    trust = f"--tls-ca={sealed.authority.path('pem')}"
    sealed.agent("n1", token, options=[trust, *sealed.authority.sign("agent")])
    fine(berth(sealed, "base", "wait", "n1", "--ready", "--timeout", "30s"))
    out = fine(berth(sealed, "deploy", str(cells.programs() / "examples/hello-1.0.0.so"), "--group", "demo", "--min-ready", "0s"))
    assert "hello:1.0.0 runs on 1 base" in out, out

    stranger = berth(sealed, "status", who=None)
    assert stranger.returncode == 7, stranger
    other = Authority(tmp_path, "other")
    assert berth(sealed, "status", trust=other.path("pem")).returncode == 7
    sealed.agent("n2", token, options=[trust])
    log = sealed.folder / "n2.log"
    until(lambda: log.exists() and "cannot reach the server" in log.read_text(), what="an agent without a certificate is turned away")
    assert "n2" not in fine(berth(sealed, "base", "list", "-o", "name"))


def test_certificates_are_read_again_at_sighup(sealed, until):
    until(lambda: berth(sealed, "status").returncode == 0, what="it is ready")
    one = sealed.servers["server"]
    before = serial(one)
    sealed.authority.sign("server")
    one.process.signal(signal.SIGHUP)
    until(lambda: serial(one) != before, what="the new certificate is shown")
    fine(berth(sealed, "status"))
    good = serial(one)
    sealed.authority.path("pem", "server").write_text("not a certificate")
    one.process.signal(signal.SIGHUP)
    until(lambda: "level=error" in one.process.words() or "level=warn" in one.process.words(), what="it says what is wrong")
    assert serial(one) == good
    fine(berth(sealed, "status"))


def test_a_standby_shows_its_certificate_when_it_forwards(sealed, until):
    until(lambda: berth(sealed, "status").returncode == 0, what="it is ready")
    one = sealed.servers["server"]
    ca = sealed.authority.path("pem")
    sealed.server("second", *QUICK, *sealed.authority.sign("second"), f"--tls-client-ca={ca}", f"--tls-peer-ca={ca}", f"--database-url={one.conninfo}").listening()
    until(lambda: berth(sealed, "status", server="second").returncode == 0, what="the second one forwards")
    fine(berth(sealed, "group", "create", "by-second", server="second"))
    assert "by-second" in fine(berth(sealed, "group", "list"))
