/* The API's descriptors for reflection: a FileDescriptorSet cut into its files, each with its name, what it needs and the symbols it
 * declares. Read from the wire form by a small reader, no descriptor library. Pure. */
#ifndef BERTH_RPC_DESCSET_H
#define BERTH_RPC_DESCSET_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct desc_set;

enum { DESC_SERVICES_MAX = 64, DESC_FILES_MAX = 64 };

struct desc_file {
	const char *name;           /* "berth/v1/api.proto" */
	const unsigned char *bytes; /* its FileDescriptorProto */
	size_t n;
};

/* bytes must outlive the set. E_MALFORMED when it is no FileDescriptorSet or holds too much. */
int descset_new(const unsigned char *bytes, size_t n, struct desc_set **ret, struct err *err);
int descset_builtin(struct desc_set **ret, struct err *err); /* the one this program was built with */
void descset_free(struct desc_set *s);

/* The file and everything it imports, itself first; 0 when there is none of that name. */
size_t descset_by_name(const struct desc_set *s, const char *name, const struct desc_file *ret[DESC_FILES_MAX]);
/* The same for the file that declares a fully qualified symbol: message, enum, enum value, service, method, field. */
size_t descset_by_symbol(const struct desc_set *s, const char *symbol, const struct desc_file *ret[DESC_FILES_MAX]);
bool descset_is_message(const struct desc_set *s, const char *symbol);
size_t descset_services(const struct desc_set *s, const char *ret[DESC_SERVICES_MAX]); /* full names, in order */

#endif
