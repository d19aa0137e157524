/* A secret in a file (a token, a key, a password): read when it is needed, read again when the file changes, so that it can be
 * rotated without a restart. It is never part of an error. */
#ifndef DISCOVERY_SECRET_H
#define DISCOVERY_SECRET_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define SECRET_MAX 8192
#define SECRET_NOT_SHOWN "(not shown)" /* instead of words that tell one */

struct secret;

struct secret *secret_new(const char *path); /* NULL gives NULL: there is none */
void secret_free(struct secret *s);
/* The text without the white space around it; borrowed, until the next call. NULL in *ret where s is NULL. -EINVAL: empty, too
 * long, or with a control character in it; -errno: cannot be read. What was read before is kept out of use then. */
int secret_get(struct secret *s, const char **ret, struct err *err);
/* Whether a server's words, which are about to be quoted, give it away: a proxy may say what it was asked with. As it is, as JSON
 * escapes it, or in base64, alone or among other bytes ("user:password"). secret NULL: there is none to be told. */
bool secret_is_told(const char *secret, const char *words, size_t n);

#endif
