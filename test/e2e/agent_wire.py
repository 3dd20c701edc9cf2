"""An agent spoken by hand: messages come from the .proto files by protoc, so nothing here shares code with the server or the agent."""
import pathlib
import queue
import subprocess
import sys
import threading
import time

import grpc

import cell as cells

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONNECT = "/berth.v1.AgentService/Connect"


def messages(folder):
    """The Python module of agent.proto, made in that folder."""
    protos = ["berth/v1/types.proto", "berth/v1/agent.proto", "berth/v1/api.proto"]
    subprocess.run(["protoc", f"-I{ROOT}/proto", "-I/usr/include", f"--python_out={folder}", *protos], check=True)
    sys.path.insert(0, str(folder))
    from berth.v1 import agent_pb2
    return agent_pb2


class Stream:
    """One agent: sends what it is told, keeps what it gets, knows how the stream ended. Each has a connection of its own, unless one
    is given."""

    def __init__(self, pb, server, raw=False, channel=None):
        self.pb = pb
        self.channel = channel or grpc.insecure_channel(server.rpc, options=[("grpc.use_local_subchannel_pool", 1)])
        self.out, self.got, self.end = queue.Queue(), queue.Queue(), None
        encode = (lambda b: b) if raw else pb.AgentMessage.SerializeToString
        self.call = self.channel.stream_stream(CONNECT, encode, pb.ServerMessage.FromString)(iter(self.out.get, None))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        try:
            for message in self.call:
                self.got.put(message)
            self.end = (grpc.StatusCode.OK, "")
        except grpc.RpcError as error:
            self.end = (error.code(), error.details())
        self.got.put(None)

    def send(self, **kind):
        self.out.put(self.pb.AgentMessage(**kind))

    def hello(self, base, **more):
        self.send(hello=self.pb.Hello(**{"base": base, "boot": "b1", "group": "demo", "protocol": 1, "base_running": True, "base_start": 1, **more}))
        return self

    def next(self, *kinds):
        """The next message of one of these kinds; None at the end. queue.Empty when none came in time."""
        end = time.monotonic() + 20
        while True:
            message = self.got.get(timeout=max(0.01, end - time.monotonic()))
            if time.monotonic() > end:
                raise queue.Empty
            if message is None or message.WhichOneof("kind") in kinds:
                return message

    def ended(self, seconds=20):
        cells.until(lambda: self.end, seconds, "the stream ends")
        return self.end

    def close(self):
        self.channel.close()


def welcomed(stream):
    message = stream.next("welcome", "refused")
    assert message is not None and message.WhichOneof("kind") == "welcome", (message, stream.end)
    return message.welcome
