"""Somebody over HTTP whom the server asks: gates and hooks."""
import hashlib
import hmac
import http.server
import json
import threading
import time


class Listener:
    """An HTTP server that answers as `say` says and keeps what it was asked."""

    def __init__(self):
        self.say, self.asked, self.headers, self.bodies = (lambda _: (200, {}, "")), [], [], []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = json.loads(body) if body.startswith(b"{") else self.path
                outer.asked.append(asked)
                outer.headers.append(dict(self.headers))
                outer.bodies.append(body)
                status, headers, text = outer.say(asked)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                body = text if isinstance(text, bytes) else text.encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def signed(self, secret, asked=-1):
        """Whether that question was signed with that secret, by the clock of now."""
        stamp, mac = (part.split("=", 1)[1] for part in self.headers[asked]["Berth-Signature"].split(","))
        expected = hmac.new(secret.encode(), stamp.encode() + b"." + self.bodies[asked], hashlib.sha256).hexdigest()
        return mac == expected and abs(int(stamp) - time.time()) < 60

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
