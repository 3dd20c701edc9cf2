"""Many bases in one process: the agents' stream spoken by hand, each on a connection of its own, all on one asyncio loop.

A light agent keeps the protocol's promises (sequence, outcomes repeated until acknowledged, reconnects with backoff and jitter) and
installs everything at once. It counts what the server sends, which is what a storm is made of.
"""
import asyncio
import collections
import random
import threading

import grpc

CONNECT = "/berth.v1.AgentService/Connect"


class LightAgent:
    def __init__(self, crowd, name):
        self.crowd, self.name = crowd, name
        self.key, self.seq, self.epoch, self.acked = None, 0, 0, 0
        self.outcomes, self.held, self.unacked = {}, {}, []
        self.counts = collections.Counter()
        self.welcomed = False
        self.out = None

    def hello(self):
        pb = self.crowd.pb
        return pb.Hello(base=self.name, boot="b1", group=self.crowd.group, protocol=1, base_running=True, base_start=1, report_seq=self.seq,
                        base_key=self.key, join_token=None if self.key else self.crowd.token, held=list(self.held.values()),
                        high_generation=max(self.outcomes, default=0), witness_epoch=self.epoch)

    def report(self, **more):
        self.seq += 1
        r = self.crowd.pb.Report(seq=self.seq, base_ready=True, base_running=True, base_start=1, **more)
        self.unacked.append(r)
        self.counts["reports"] += 1
        self.counts["full"] += bool(r.full)
        self.send(report=r)

    def send(self, **kind):
        self.out.put_nowait(self.crowd.pb.AgentMessage(**kind))

    def on_welcome(self, w):
        again = self.welcomed
        self.welcomed, self.epoch, self.acked = True, w.epoch, w.committed_seq
        self.key = w.base_key or self.key
        self.unacked = [r for r in self.unacked if r.seq > w.committed_seq]
        for r in self.unacked:
            self.counts["repeated"] += 1
            self.send(report=r)
        if not again:
            self.report(full=True, changed=list(self.held.values()))

    def on_command(self, c):
        pb = self.crowd.pb
        outcomes = []
        for item in c.items:
            if item.generation not in self.outcomes:
                self.counts["effects"] += 1
                m = item.module
                if item.kind == self.crowd.uninstall:
                    self.held.pop((m.module, m.version), None)
                else:
                    self.held[m.module, m.version] = pb.HeldModule(module=m.module, version=m.version, state="activated", instance=m.instance, generation=item.generation)
                self.outcomes[item.generation] = pb.Outcome(generation=item.generation, task=item.task, instance=m.instance, kind=item.kind, ok=True,
                                                            code="SUCCESS", state="activated")
            outcomes.append(self.outcomes[item.generation])
        self.report(outcomes=outcomes)

    def on_message(self, message):
        kind = message.WhichOneof("kind")
        self.counts[kind] += 1
        if kind == "welcome":
            self.on_welcome(message.welcome)
        elif kind == "command":
            self.counts["items"] += len(message.command.items)
            self.on_command(message.command)
        elif kind == "ack":
            self.acked = max(self.acked, message.ack.committed_seq)
            self.unacked = [r for r in self.unacked if r.seq > self.acked]

    async def beat(self):
        while True:
            await asyncio.sleep(self.crowd.heartbeat * random.uniform(0.5, 1))
            if self.welcomed:
                self.send(heartbeat=self.crowd.pb.Heartbeat(report_seq=self.seq, base_ready=True))

    async def one_stream(self):
        pb = self.crowd.pb
        self.out = asyncio.Queue()
        self.welcomed = False
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 10000), ("grpc.keepalive_timeout_ms", 3000),
                   ("grpc.http2.max_pings_without_data", 0), ("grpc.initial_reconnect_backoff_ms", 200), ("grpc.max_reconnect_backoff_ms", 2000)]
        async with grpc.aio.insecure_channel(self.crowd.address, options=options) as channel:
            await asyncio.wait_for(channel.channel_ready(), 30)
            self.counts["streams"] += 1
            call = channel.stream_stream(CONNECT, pb.AgentMessage.SerializeToString, pb.ServerMessage.FromString)()
            self.send(hello=self.hello())

            async def up():
                while True:
                    await call.write(await self.out.get())
            tasks = [asyncio.ensure_future(up()), asyncio.ensure_future(self.beat())]
            try:
                async for message in call:
                    self.on_message(message)
            finally:
                for t in tasks:
                    t.cancel()

    async def live(self):
        pause = 0.1
        while not self.crowd.ending:
            try:
                await self.one_stream()
            except (grpc.RpcError, asyncio.TimeoutError):
                pass
            pause = 0.1 if self.welcomed else min(pause * 2, 5)
            self.welcomed = False
            await asyncio.sleep(pause * random.uniform(0.5, 1))


class Crowd:
    """n light agents of one group at one address."""

    def __init__(self, pb, types, address, token, group, n, heartbeat=1.0):
        self.pb, self.address, self.token, self.group, self.heartbeat = pb, address, token, group, heartbeat
        self.uninstall = types.TASK_KIND_UNINSTALL
        self.ending = False
        self.agents = [LightAgent(self, f"light-{i:03}") for i in range(n)]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.tasks = [self.loop.create_task(a.live()) for a in self.agents]
        self.loop.run_forever()

    def start(self):
        self.thread.start()
        return self

    def counts(self):
        total = collections.Counter()
        for a in self.agents:
            total.update(a.counts)
        return total

    def close(self):
        async def end():
            self.ending = True
            for t in self.tasks:
                t.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
        asyncio.run_coroutine_threadsafe(end(), self.loop).result(30)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
