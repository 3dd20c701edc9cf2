"""A TCP proxy that fails on request: between a server and PostgreSQL, or between agents and a server.

    proxy = Proxy(("127.0.0.1", 7778))   # or the path of a Unix socket
    proxy.address                         # "127.0.0.1:PORT", for as long as it lives

    cut()        every connection is reset; new ones pass
    refuse()     every connection is reset, new ones are refused; until accept()
    hold()       connections are accepted and stand, not a byte passes: a partition, or a peer that froze; until go_on()
    half_open()  the far ends are gone, nobody tells the near ones; new connections pass
    slow(n)      n bytes per second and direction; slow(None) ends it
"""
import asyncio
import socket
import struct
import threading

PIECE = 64 * 1024


class Pair:
    def __init__(self, near, far):
        self.near, self.far, self.tasks = near, far, []


class Proxy:
    def __init__(self, target):
        self.target = target
        self.loop = asyncio.new_event_loop()
        self.pairs = set()
        self.rate = None
        self.server = None
        self.port = 0
        self.accepted = 0
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self._do(self._begin())

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    async def _begin(self):
        self.flowing = asyncio.Event()
        self.flowing.set()
        await self._listen()

    async def _listen(self):
        if self.server is None:
            self.server = await asyncio.start_server(self._connected, "127.0.0.1", self.port, backlog=1024)
            self.port = self.server.sockets[0].getsockname()[1]

    async def _connected(self, reader, writer):
        self.accepted += 1
        await self.flowing.wait()
        try:
            if isinstance(self.target, tuple):
                far_reader, far_writer = await asyncio.open_connection(*self.target)
            else:
                far_reader, far_writer = await asyncio.open_unix_connection(str(self.target))
        except OSError:
            self._reset(writer)
            return
        pair = Pair(writer, far_writer)
        self.pairs.add(pair)
        pair.tasks = [asyncio.ensure_future(self._pump(pair, reader, far_writer)), asyncio.ensure_future(self._pump(pair, far_reader, writer))]

    async def _pump(self, pair, reader, writer):
        try:
            while data := await reader.read(PIECE):
                await self.flowing.wait()
                if self.rate:
                    for i in range(0, len(data), max(self.rate // 20, 1)):
                        piece = data[i:i + max(self.rate // 20, 1)]
                        writer.write(piece)
                        await asyncio.sleep(len(piece) / self.rate)
                else:
                    writer.write(data)
                await writer.drain()
            await self.flowing.wait()
        except OSError:
            pass
        self._drop(pair)

    def _reset(self, writer):
        sock = writer.get_extra_info("socket")
        if sock is not None and sock.fileno() >= 0 and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def _drop(self, pair):
        for task in pair.tasks:
            if task is not asyncio.current_task():
                task.cancel()
        self._reset(pair.near)
        self._reset(pair.far)
        self.pairs.discard(pair)

    async def _cut(self):
        for pair in list(self.pairs):
            self._drop(pair)

    async def _refuse(self):
        self.server.close()
        await self.server.wait_closed()
        self.server = None
        await self._cut()

    async def _half_open(self):
        for pair in self.pairs:
            for task in pair.tasks:
                task.cancel()
            self._reset(pair.far)

    async def _flow(self, on):
        self.flowing.set() if on else self.flowing.clear()

    def cut(self):
        self._do(self._cut())

    def refuse(self):
        self._do(self._refuse())

    def accept(self):
        self._do(self._listen())

    def hold(self):
        self._do(self._flow(False))

    def go_on(self):
        self._do(self._flow(True))

    def half_open(self):
        self._do(self._half_open())

    def slow(self, bytes_per_second):
        self.rate = bytes_per_second

    def close(self):
        async def end():
            self.flowing.set()
            if self.server:
                self.server.close()
            await self._cut()
        self._do(end())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()
