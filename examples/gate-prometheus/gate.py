#!/usr/bin/python3
"""A gate for Berth's plans that asks Prometheus.

    PROMETHEUS=http://127.0.0.1:9090 ./gate.py --listen 127.0.0.1:9099 --max 0.01 \\
        --query 'sum(rate(http_errors_total{{module="{module}",version="{toVersion}"}}[2m])) / sum(rate(http_requests_total{{module="{module}",version="{toVersion}"}}[2m]))'

    berth deploy orders:3.1.0 --batches 1,25%,100% --gate-url http://127.0.0.1:9099/

Names in braces are fields of what Berth posts (plan, batch, module, toVersion, group, …); double ones are Prometheus's own. No data yet, or
no answer: 202, ask again. At most --max: 200, go on. More: 409, no.

With a secret in BERTH_HOOK_SECRET, that of `berth group set GROUP --hook-secret @FILE`, only what is signed with it is answered, other
questions get 401. Several, with blanks between them, are the old and the new one while it is exchanged."""
import argparse
import hashlib
import hmac
import http.server
import json
import math
import os
import time
import urllib.error
import urllib.parse
import urllib.request


def genuine(secrets, header, body, now):
    """Whether one of the secrets signed these bytes, less than five minutes ago."""
    try:
        parts = dict(part.split("=", 1) for part in header.split(","))
        recent = abs(now - int(parts["t"])) < 300
        signed = parts["t"].encode() + b"." + body
        return recent and any(hmac.compare_digest(parts["v1"], hmac.new(s.encode(), signed, hashlib.sha256).hexdigest()) for s in secrets)
    except (ValueError, KeyError, TypeError):
        return False


def measured(prometheus, query):
    """The value of the first series; None while there is none."""
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        series = json.load(answer)["data"]["result"]
    value = float(series[0]["value"][1]) if series else math.nan
    return None if math.isnan(value) else value


class Gate(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.server.secrets and not genuine(self.server.secrets, self.headers["Berth-Signature"] or "", body, time.time()):
            self.say(401, "not signed with the secret that this gate knows")
            return
        try:
            context = json.loads(body)
            value = measured(self.server.prometheus, self.server.query.format_map(context))
        except (urllib.error.URLError, OSError, ValueError, LookupError) as problem:
            self.say(202, f"Prometheus: {problem}")
            return
        if value is None:
            self.say(202, "no data yet")
        elif value <= self.server.most:
            self.say(200, f"{value:g} is at most {self.server.most:g}")
        else:
            self.say(409, f"{value:g} is more than {self.server.most:g}")

    def say(self, status, text):
        body = text.encode()
        self.send_response(status)
        if status == 202:
            self.send_header("Retry-After", str(self.server.again))
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--listen", default="127.0.0.1:9099")
    options.add_argument("--prometheus", default=os.environ.get("PROMETHEUS", "http://127.0.0.1:9090"))
    options.add_argument("--query", required=True)
    options.add_argument("--max", type=float, required=True)
    options.add_argument("--again", type=int, default=15, help="seconds until the next question while there is no data")
    given = options.parse_args()
    host, port = given.listen.rsplit(":", 1)
    server = http.server.ThreadingHTTPServer((host, int(port)), Gate)
    server.prometheus, server.query, server.most, server.again = given.prometheus, given.query, given.max, given.again
    server.secrets = os.environ.get("BERTH_HOOK_SECRET", "").split()
    print(f"listening on {server.server_address[0]}:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
