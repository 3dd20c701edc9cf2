"""A cell on this machine, of real processes: servers with their database, agents with their bases, and clients of them.

scripts/run, scripts/demo and test/e2e are built on it. It starts, asks, kills and tidies up; what is right or wrong is for its callers
to say. Nothing it starts outlives it: children get SIGTERM by the kernel when it dies, even by SIGKILL. Standard library only.
"""
import ctypes
import http.client
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[1]
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def programs():
    """The folder with the programs and examples/."""
    return pathlib.Path(os.environ.get("BERTH_BIN_DIR", ROOT / "build/debug")).resolve()


class TimedOut(AssertionError):
    pass


class Refused(KeyError):
    """A field was asked of an answer that is a problem and has no such field."""

    def __str__(self):
        return self.args[0]


class Problem(dict):
    """The document of an error."""

    def __missing__(self, key):
        raise Refused(f"no {key} in {json.dumps(self)[:600]}")


# With a sanitizer every program takes several times as long. What is a time-out, here or in a server, is longer then by as much.
PACE = 3 if {"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ) else 1
TIME_OUT = re.compile(r"--(lease|stop|silent|lost)=(\d+)(ms|s)")


def paced(option):
    """--lease=3s and the like, at the pace of this build."""
    found = TIME_OUT.fullmatch(str(option))
    return f"--{found[1]}={int(found[2]) * PACE}{found[3]}" if found else option


def until(condition, seconds=20, what="a condition"):
    """The first true value of a condition; TimedOut after so long. What the server refuses for now (a lease or a database that is away for a
    moment, a base that has not joined) is not so yet."""
    seconds *= PACE
    end = time.monotonic() + seconds
    tick = threading.Event()
    while True:
        refused = ""
        try:
            value = condition()
        except Refused as e:
            value, refused = None, f"; {e}"
        if value:
            return value
        if time.monotonic() > end:
            raise TimedOut(f"{what}: not so after {seconds} s{refused}")
        tick.wait(0.02)


def die_with(parent):
    """For a child before its exec: the kernel sends SIGTERM when the parent is gone."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Process:
    """One program in a session of its own (Ctrl-C at a terminal is not for it), its output in a file."""

    def __init__(self, name, argv, log, env=None, user=None):
        self.name, self.log = name, pathlib.Path(log)
        self.out = open(self.log, "ab")
        self.began = self.out.tell()
        self.argv0 = pathlib.Path(argv[0]).name
        self.started = time.monotonic()
        parent = os.getpid()
        who = {"user": user, "group": user, "extra_groups": []} if user else {}
        self.popen = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=self.out, stderr=subprocess.STDOUT,
                                      start_new_session=True, env=env, preexec_fn=lambda: die_with(parent), **who)

    @property
    def pid(self):
        return self.popen.pid

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.alive():
            self.popen.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.popen.wait()

    def freeze(self):
        self.signal(signal.SIGSTOP)
        until(lambda: process_state(self.pid) in "TZ", what=f"{self.name} stands still")

    def wake(self):
        self.signal(signal.SIGCONT)

    def stop(self, seconds=40):
        """SIGTERM, SIGKILL when that did not help; the exit status."""
        self.wake()
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            self.out.close()

    def words(self):
        """What it said since this start."""
        with open(self.log, "rb") as f:
            f.seek(self.began)
            return f.read().decode(errors="replace")

    def check_alive(self):
        if not self.alive():
            raise RuntimeError(f"{self.name} ended with status {self.popen.returncode}; the end of {self.log}:\n{tail(self.words())}")


class Faults:
    """Of one process: where the next fault of its fault points is asked for (src/base/faultpoint.h). Builds without them ignore it."""

    def __init__(self, folder, name):
        self.file = folder / f"{name}.fault"
        self.env = {"BERTH_FAULTS_FILE": self.file}

    def ask(self, entry):
        """POINT=ACTION[@N], also of a process that runs."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(entry)
        fresh.rename(self.file)

    def happened(self):
        return not self.file.exists()

    def forget(self):
        self.file.unlink(missing_ok=True)


def tail(text, lines=15):
    return "\n".join("    " + line for line in text.splitlines()[-lines:])


def process_state(pid):
    """The letter of /proc/PID/stat; "Z" when there is no such process."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "Z"


def running(pid):
    return process_state(pid) != "Z"


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(p) for p in task.read_text().split()]
        except OSError:
            continue
    return found


# ---- clients --------------------------------------------------------------------------------------------------------------------------

class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        value = json.loads(self.body)
        return Problem(value) if self.status >= 400 and isinstance(value, dict) else value

    @property
    def code(self):
        """The stable code of a problem."""
        return self.json.get("code")

    def __repr__(self):
        return f"<{self.status} {self.body[:600]!r}>"


class Rest:
    def __init__(self, address, token=None):
        self.address, self.token = address, token

    def call(self, method, path, body=None, headers=None, timeout=60, token=True):
        """One request on a connection of its own. A dict or list is sent as JSON; bytes as they are."""
        head = dict(headers or {})
        if token and self.token:
            head.setdefault("Authorization", f"Bearer {self.token}")
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            head.setdefault("Content-Type", "application/json")
        host, _, port = self.address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        try:
            connection.request(method, path, body, head)
            reply = connection.getresponse()
            return Answer(reply.status, reply.headers, reply.read())
        finally:
            connection.close()

    def get(self, path, **query):
        return self.call("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path, body=None, **more):
        return self.call("POST", path, {} if body is None else body, **more)

    def patch(self, path, body, **more):
        return self.call("PATCH", path, body, **more)

    def delete(self, path, **more):
        return self.call("DELETE", path, **more)

    def lines(self, path, timeout=60):
        """The lines of an event stream, as they come."""
        host, _, port = self.address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=timeout)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}", "Accept": "text/event-stream"})
            reply = connection.getresponse()
            if reply.status != 200:
                raise RuntimeError(f"GET {path}: {reply.status} {reply.read()!r}")
            for line in reply:
                yield line.decode().rstrip("\r\n")
        finally:
            connection.close()

    def try_get(self, path, timeout=5):
        """An answer, or None while nobody is there."""
        try:
            return self.call("GET", path, timeout=timeout)
        except (OSError, http.client.HTTPException):
            return None


# ---- the cell -------------------------------------------------------------------------------------------------------------------------

def postgres_reaches(folder):
    """As root the embedded PostgreSQL runs as user postgres, who has to get through to its folder."""
    if os.geteuid() != 0:
        return True
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        return True
    for part in [folder, *folder.parents]:
        if not part.exists():
            continue
        s = part.stat()
        shift = 6 if s.st_uid == user.pw_uid else 3 if s.st_gid == user.pw_gid else 0
        if not s.st_mode >> shift & 1:
            return False
    return True


def temporary(prefix):
    folder = pathlib.Path(tempfile.mkdtemp(prefix=prefix))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    return folder


def kill_family(pid, number):
    """A signal to a postmaster and all its processes."""
    for p in [pid, *children(pid)]:
        try:
            os.kill(p, number)
        except ProcessLookupError:
            continue


class Postgres:
    """A PostgreSQL that is nobody's: on a socket only, everybody trusted. For servers with --database-url."""

    def __init__(self, cell, *settings):
        self.cell, self.settings = cell, settings
        self.folder = cell.folder / "postgres"
        self.data, self.socket = self.folder / "data", self.folder / ".s.PGSQL.5432"
        self.user = "postgres" if os.geteuid() == 0 else None
        self.process = None
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]))
        self.programs = found[-1].parent if found else pathlib.Path(shutil.which("postgres") or "/usr/bin/postgres").parent

    def make(self):
        self.folder.mkdir()
        if self.user:
            shutil.chown(self.folder, self.user, self.user)
        made = Process("initdb", [self.programs / "initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D", self.data],
                       self.cell.folder / "postgres.log", self.cell.environment(), self.user)
        if made.popen.wait(60) != 0:
            raise RuntimeError(f"initdb failed:\n{tail(made.words())}")
        return self

    def start(self):
        settings = [a for s in ("listen_addresses=", f"unix_socket_directories={self.folder}", *self.settings) for a in ("-c", s)]
        self.process = Process("postgres", [self.programs / "postgres", "-D", self.data, *settings], self.cell.folder / "postgres.log",
                               self.cell.environment(), self.user)

        def accepts():
            self.process.check_alive()
            return subprocess.run([self.programs / "pg_isready", "-q", "-h", self.folder], check=False).returncode == 0
        until(accepts, 30, "PostgreSQL accepts connections")
        return self

    def conninfo(self, host=None, port=5432, database="postgres"):
        return f"host={host or self.folder} port={port} user=postgres dbname={database}"

    def stop(self):
        if self.process:
            self.process.wake()
            self.process.signal(signal.SIGINT)
            self.process.stop()


class Server:
    """One berthd. Its ports come from its port file; the admin token from its data folder or, beside a shared database, from a twin."""

    def __init__(self, cell, name, *options, env=None):
        self.cell, self.name, self.options, self.env = cell, name, [paced(o) for o in options], env
        self.data = cell.folder / name
        self.port_file = cell.folder / f"{name}.ports"
        self.faults = Faults(cell.folder, name)
        self.process = None
        self.ports = {}

    def start(self):
        self.port_file.unlink(missing_ok=True)
        listen = []
        # After its first start it keeps its ports: agents and clients know them.
        for option, key in (("listen", "rest"), ("rpc-listen", "rpc")):
            if not any(str(o).startswith(f"--{option}") for o in self.options):
                listen += [f"--{option}", self.ports.get(key, "127.0.0.1:0")]
        self.process = Process(self.name, [programs() / "berthd", "--data", self.data, "--port-file", self.port_file, *listen, *self.options],
                               self.cell.folder / f"{self.name}.log", self.cell.environment(self.faults.env | (self.env or {})))
        return self

    def listening(self, seconds=30):
        def there():
            self.process.check_alive()
            try:
                self.ports = json.loads(self.port_file.read_text())
            except (OSError, ValueError):
                return None
            return self.ports
        until(there, seconds, f"{self.name} listens")
        return self

    def ready(self, seconds=40):
        self.listening(seconds)

        def there():
            self.process.check_alive()
            self.cell.token = self.cell.token or self.token
            answer = self.client.try_get("/v1/status") if self.cell.token else None
            return answer is not None and answer.status == 200
        until(there, seconds, f"{self.name} is ready")
        return self

    @property
    def rest(self):
        return self.ports["rest"]

    @property
    def rpc(self):
        return self.ports["rpc"]

    @property
    def token(self):
        try:
            return (self.data / "admin.token").read_text().strip()
        except OSError:
            return None

    @property
    def client(self):
        return Rest(self.rest, self.cell.token or self.token)

    @property
    def conninfo(self):
        return (self.data / "database.conninfo").read_text().strip()

    @property
    def postmaster(self):
        """Its pid, or None."""
        try:
            pid = int((self.data / "pg/postmaster.pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if running(pid) else None

    def stop(self):
        status = self.process.stop() if self.process else None
        self.stop_database()
        return status

    def stop_database(self):
        """What a killed server left behind."""
        pid = self.postmaster
        if pid is None or (self.process and self.process.alive()):
            return
        os.kill(pid, signal.SIGQUIT)
        until(lambda: not running(pid), 30, "the left over PostgreSQL ends")


class Agent:
    """One berth-agent around one berth-base."""

    def __init__(self, cell, name, server_addresses, token, group="demo", options=(), base=()):
        self.cell, self.name = cell, name
        self.data = cell.folder / "bases" / name
        self.data.parent.mkdir(exist_ok=True)
        addresses = [a for s in server_addresses for a in ("--server", s)]
        self.argv = [programs() / "berth-agent", "--id", name, "--group", group, "--data", self.data, *addresses, *options,
                     "--", programs() / "berth-base", *base]
        self.faults = Faults(cell.folder, name)
        self.env = self.faults.env | ({"BERTH_AGENT_TOKEN": token} if token else {})
        self.process = None

    def start(self):
        self.process = Process(self.name, self.argv, self.cell.folder / f"{self.name}.log", self.cell.environment(self.env))
        return self

    @property
    def ports(self):
        """{"arklet": …, "http": …} of its base, None until it chose."""
        try:
            return dict((k, int(v)) for k, _, v in (line.partition("=") for line in (self.data / "ports").read_text().splitlines()))
        except (OSError, ValueError):
            return None

    @property
    def base_pid(self):
        """Of its living base, or None. A base outlives its agent, so it is looked for by its work folder, not by its parent."""
        mark = f"BERTH_WORK_DIR={self.data / 'work'}".encode()
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (entry / "comm").read_text().strip() == "berth-base" and mark in (entry / "environ").read_bytes().split(b"\0"):
                    if running(int(entry.name)):
                        return int(entry.name)
            except OSError:
                continue
        return None

    def url(self, path):
        return f"http://127.0.0.1:{self.ports['http']}{path}"

    def stop(self):
        if self.process:
            self.process.stop()
        pid = self.base_pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


class Cell:
    """Servers and agents that share one folder, one configuration of the command line and one end."""

    def __init__(self, folder=None):
        self.own = folder is None
        self.folder = temporary("berth-") if self.own else pathlib.Path(folder).resolve()
        self.token = None
        self.servers, self.agents, self.others = {}, {}, []
        self.postgres = None

    def environment(self, more=None):
        """Nothing of the caller's own servers and contexts leaks in."""
        env = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "BERTHD_", "PG", "MAKE", "MFLAGS"))}
        return env | {"XDG_CONFIG_HOME": str(self.folder / "config")} | {k: str(v) for k, v in (more or {}).items()}

    def server(self, name="server", *options, env=None):
        s = Server(self, name, *options, env=env)
        self.servers[name] = s
        return s.start()

    def agent(self, name, token=None, group="demo", options=(), base=(), servers=None):
        a = Agent(self, name, servers or [s.rpc for s in self.servers.values()], token, group, options, base)
        self.agents[name] = a
        return a.start()

    def command(self, *args, server=None):
        """argv and environment of one call of the command line."""
        servers = [server] if server else [s for s in self.servers.values() if s.ports]
        env = {"BERTH_ADDRESS": ",".join(s.rest for s in servers), "BERTH_TOKEN": self.token or ""}
        return [str(programs() / "berth"), *map(str, args)], self.environment(env)

    def berth(self, *args, server=None, timeout=120, token=None, stdin=""):
        """The command line, to its end; the CompletedProcess, whatever its status."""
        argv, env = self.command(*args, server=server)
        if token is not None:
            env["BERTH_TOKEN"] = token
        return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=timeout, input=stdin)

    def spawn(self, name, *args):
        """The command line in the background."""
        argv, env = self.command(*args)
        p = Process(name, argv, self.folder / f"{name}.log", env)
        self.others.append(p)
        return p

    def stop(self, keep=False):
        """Ends everything, agents first: they say goodbye to a living server."""
        for p in self.others:
            p.kill()
        for a in self.agents.values():
            if a.process:
                a.process.wake()
                a.process.signal(signal.SIGTERM)
        for a in self.agents.values():
            a.stop()
        for s in self.servers.values():
            s.stop()
        if self.postgres:
            self.postgres.stop()
        if not keep:
            self.forget()

    def forget(self):
        if self.own:
            shutil.rmtree(self.folder, ignore_errors=True)
