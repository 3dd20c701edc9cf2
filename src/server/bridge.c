/* Two rooms that do not know each other meet here: rpc moves bytes on streams, drive knows what agents say. */
#include "base/err.h"
#include "drive/drive.h"
#include "rpc/rpc.h"
#include "server/berthd.h"

static bool stream_send(void *stream, const void *p, size_t n) {
	return rpc_stream_send(stream, p, n);
}

static void stream_read(void *stream, bool on) {
	rpc_stream_read(stream, on);
}

static void stream_close(void *stream, int code, const char *text) {
	rpc_stream_close(stream, code, text);
}

static const struct drive_transport transport = { stream_send, stream_read, stream_close };

static void *agent_open(void *arg, struct rpc_stream *s, const char *peer, struct err *err) {
	return drive_open(arg, &transport, s, peer, err);
}

int bridge_agents(struct rpc *rpc, struct drive *drive, struct err *err) {
	static const struct rpc_hook hook = {
		.method = "/berth.v1.AgentService/Connect",
		.open = agent_open,
		.message = drive_message,
		.ended = drive_ended,
		.closed = drive_closed,
	};
	return rpc_hook_add(rpc, &hook, drive, err);
}
