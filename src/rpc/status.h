/* An error as gRPC tells it: status code, text, and google.rpc.Status with ErrorInfo (the stable code), BadRequest (the field),
 * RetryInfo (when trying again is safe) and RequestInfo. Pure. */
#ifndef BERTH_RPC_STATUS_H
#define BERTH_RPC_STATUS_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;

/* Packed google.rpc.Status in the arena; the value of grpc-status-details-bin. */
const uint8_t *status_details(const struct err *err, const char *request_id, struct arena *a, size_t *ret_n);
/* "/deployment/batches/0" → "deployment.batches[0]", as BadRequest spells fields. In the arena. */
const char *status_field(const char *pointer, struct arena *a);
int64_t status_retry_us(const struct err *err); /* how long to wait before the next try; 0 = do not retry */

#endif
