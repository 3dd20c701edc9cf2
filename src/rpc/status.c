/* The code in ErrorInfo.reason is the one REST answers in `code`: one word per thing, whatever the transport. */
#include "rpc/status.h"

#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "google/protobuf/any.pb-c.h"
#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "proto/json.h"

#define DOMAIN "berth"
#define MAX_DETAILS 4

static Google__Protobuf__Any *any_of(const ProtobufCMessage *m, struct arena *a) {
	Google__Protobuf__Any *any = PB_NEW(Google__Protobuf__Any, google__protobuf__any, a);
	any->type_url = arena_printf(a, "type.googleapis.com/%s", m->descriptor->name);
	any->value.len = protobuf_c_message_get_packed_size(m);
	any->value.data = arena_alloc(a, any->value.len + 1);
	protobuf_c_message_pack(m, any->value.data);
	return any;
}

const char *status_field(const char *pointer, struct arena *a) {
	char *out = arena_alloc(a, 2 * strlen(pointer) + 3), *w = out;
	for (const char *p = pointer; *p == '/';) {
		size_t n = strcspn(++p, "/");
		bool index = n > 0 && strspn(p, "0123456789") >= n;
		if (index)
			*w++ = '[';
		else if (w != out)
			*w++ = '.';
		memcpy(w, p, n);
		w += n;
		if (index)
			*w++ = ']';
		p += n;
	}
	*w = '\0';
	return out;
}

int64_t status_retry_us(const struct err *err) {
	if (err_retry(err->code) != ERR_RETRY_SAFE)
		return 0;
	return err->code == E_BUSY ? 5 * US_PER_S : US_PER_S;
}

static Google__Protobuf__Any *bad_request(const struct err *err, struct arena *a) {
	Google__Rpc__BadRequest *bad = PB_NEW(Google__Rpc__BadRequest, google__rpc__bad_request, a);
	Google__Rpc__BadRequest__FieldViolation *v =
	    PB_NEW(Google__Rpc__BadRequest__FieldViolation, google__rpc__bad_request__field_violation, a);
	v->field = arena_strdup(a, status_field(err->pointer, a));
	v->description = arena_strdup(a, err->text);
	bad->n_field_violations = 1;
	bad->field_violations = arena_memdup(a, &v, sizeof(Google__Rpc__BadRequest__FieldViolation *));
	return any_of(&bad->pb, a);
}

static Google__Protobuf__Any *retry_info(int64_t us, struct arena *a) {
	Google__Rpc__RetryInfo *retry = PB_NEW(Google__Rpc__RetryInfo, google__rpc__retry_info, a);
	retry->retry_delay = PB_NEW(Google__Protobuf__Duration, google__protobuf__duration, a);
	retry->retry_delay->seconds = us / US_PER_S;
	retry->retry_delay->nanos = (int32_t)(us % US_PER_S * 1000);
	return any_of(&retry->pb, a);
}

const uint8_t *status_details(const struct err *err, const char *request_id, struct arena *a, size_t *ret_n) {
	Google__Protobuf__Any *details[MAX_DETAILS];
	size_t n = 0;
	Google__Rpc__ErrorInfo *info = PB_NEW(Google__Rpc__ErrorInfo, google__rpc__error_info, a);
	info->reason = arena_strdup(a, err_name(err->code));
	info->domain = arena_strdup(a, DOMAIN);
	details[n++] = any_of(&info->pb, a);
	if (err->pointer[0] == '/')
		details[n++] = bad_request(err, a);
	if (status_retry_us(err) > 0)
		details[n++] = retry_info(status_retry_us(err), a);
	if (request_id != NULL) {
		Google__Rpc__RequestInfo *request = PB_NEW(Google__Rpc__RequestInfo, google__rpc__request_info, a);
		request->request_id = arena_strdup(a, request_id);
		details[n++] = any_of(&request->pb, a);
	}
	Google__Rpc__Status *status = PB_NEW(Google__Rpc__Status, google__rpc__status, a);
	status->code = err_grpc(err->code);
	status->message = arena_strdup(a, err->text);
	status->n_details = n;
	status->details = details;
	*ret_n = protobuf_c_message_get_packed_size(&status->pb);
	uint8_t *out = arena_alloc(a, *ret_n + 1);
	protobuf_c_message_pack(&status->pb, out);
	return out;
}
