/* FNV-1a, 64 bits: to see that something is not as it was. Not for what strangers may choose. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#define HASH_START UINT64_C(14695981039346656037)

static inline uint64_t hash_number(uint64_t hash, uint64_t number) { return (hash ^ number) * UINT64_C(1099511628211); }

/* NULL is another text than "", and two texts are others than the two put together. */
static inline uint64_t hash_text(uint64_t hash, const char *text) {
	for (const char *p = text ? text : ""; *p; p++)
		hash = hash_number(hash, (unsigned char)*p);
	return hash_number(hash, text ? 0xfe : 0xff);
}

#endif
