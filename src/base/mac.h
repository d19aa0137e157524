/* An Ethernet address: a value. */
#ifndef BASE_MAC_H
#define BASE_MAC_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct mac {
	uint8_t bytes[6];
};

#define MAC_TEXT_MAX 18

/* Six pairs of hexadecimal digits with colons between them, nothing else. -EINVAL. */
int mac_parse(const char *text, struct mac *ret, struct err *err);
/* "02:42:0a:14:00:32"; returns text. */
const char *mac_format(const struct mac *mac, char text[MAC_TEXT_MAX]);

static inline bool mac_equal(const struct mac *a, const struct mac *b) { return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0; }

#endif
