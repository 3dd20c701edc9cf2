"""A gRPC client that knows nothing of Berth but reflection: it asks the server what there is, and calls it with plain dictionaries."""
import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

import cell as cells

REFLECTION = "grpc.reflection.v1alpha"


def _reflection_pool():
    """The reflection protocol itself has to come from somewhere."""
    files = descriptor_pb2.FileDescriptorSet.FromString((cells.programs() / "gen/berth.desc").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for f in files.file:
        if f.package.startswith("grpc."):
            pool.Add(f)
    return pool


class Grpc:
    def __init__(self, address, token=None):
        self.channel = grpc.insecure_channel(address)
        self.metadata = [("authorization", f"Bearer {token}")] if token else []
        self.pool = descriptor_pool.DescriptorPool()
        self.factory = message_factory.MessageFactory(self.pool)
        self.files = set()

    def close(self):
        self.channel.close()

    def _reflect(self, **request):
        factory = message_factory.MessageFactory(self._boot())
        ask = factory.GetPrototype(self.boot.FindMessageTypeByName(f"{REFLECTION}.ServerReflectionRequest"))
        told = factory.GetPrototype(self.boot.FindMessageTypeByName(f"{REFLECTION}.ServerReflectionResponse"))
        method = self.channel.stream_stream(f"/{REFLECTION}.ServerReflection/ServerReflectionInfo", ask.SerializeToString, told.FromString)
        return next(iter(method(iter([ask(**request)]), metadata=self.metadata, timeout=10)))

    def _boot(self):
        if not hasattr(self, "boot"):
            self.boot = _reflection_pool()
        return self.boot

    def services(self):
        return [s.name for s in self._reflect(list_services="").list_services_response.service]

    def _learn(self, reply):
        pending = [descriptor_pb2.FileDescriptorProto.FromString(f) for f in reply.file_descriptor_response.file_descriptor_proto]
        for f in pending:
            if f.name in self.files:
                continue
            self.files.add(f.name)
            for d in f.dependency:
                if d not in self.files:
                    self._learn(self._reflect(file_by_filename=d))
            self.pool.Add(f)

    def service(self, name):
        try:
            return self.pool.FindServiceByName(name)
        except KeyError:
            self._learn(self._reflect(file_containing_symbol=name))
            return self.pool.FindServiceByName(name)

    def call(self, service, rpc, request=None, timeout=40, first=0, **metadata):
        """The reply as a message; of a stream its `first` messages. Errors are grpc.RpcError."""
        m = self.service(f"berth.v1.{service}").methods_by_name[rpc]
        make, reply = self.factory.GetPrototype(m.input_type), self.factory.GetPrototype(m.output_type)
        kind = self.channel.unary_stream if first else self.channel.unary_unary
        fn = kind(f"/{m.containing_service.full_name}/{m.name}", make.SerializeToString, reply.FromString)
        extra = [(k.replace("_", "-"), v) for k, v in metadata.items()]
        message = fill(make(), request or {})
        if not first:
            return fn(message, metadata=self.metadata + extra, timeout=timeout)
        stream = fn(message, metadata=self.metadata + extra, timeout=timeout)
        got = [next(stream) for _ in range(first)]
        stream.cancel()
        return got


def fill(message, values):
    """REST's JSON into a message: names in either case, enums by their short word, amounts and maps in their JSON form."""
    fields = {f.json_name: f for f in message.DESCRIPTOR.fields} | dict(message.DESCRIPTOR.fields_by_name)
    for key, value in values.items():
        f = fields[key]
        for item in value if f.label == f.LABEL_REPEATED and not isinstance(value, dict) else [value]:
            _set(message, f, item)
    return message


def _set(message, f, value):
    repeated = f.label == f.LABEL_REPEATED
    kind = f.message_type.name if f.message_type else None
    if kind == "Entry":
        for k, v in value.items():
            getattr(message, f.name).add(key=k, value=v)
    elif kind == "Amount":
        target = getattr(message, f.name).add() if repeated else getattr(message, f.name)
        if value == "all":
            target.all = True
        elif isinstance(value, str):
            target.percent = int(value.rstrip("%"))
        else:
            target.count = value
    elif kind in ("Duration", "Timestamp"):
        json_format.Parse(f'"{value}"', getattr(message, f.name)) if kind == "Timestamp" else setattr(getattr(message, f.name), "seconds", int(value.rstrip("s")))
    elif kind:
        fill(getattr(message, f.name).add() if repeated else getattr(message, f.name), value)
    else:
        if f.enum_type:
            value = next(v.number for v in f.enum_type.values if v.name.endswith("_" + value.upper()))
        getattr(message, f.name).append(value) if repeated else setattr(message, f.name, value)
