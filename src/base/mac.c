/* See mac.h. */
#include "base/mac.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint8_t digit(char c) { return (uint8_t)(isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10); }

static bool is_mac(const char *text) {
	size_t n = 0;

	for (; n < MAC_TEXT_MAX - 1; n++)
		if (n % 3 == 2 ? text[n] != ':' : !isxdigit((unsigned char)text[n]))
			return false;
	return text[n] == '\0';
}

int mac_parse(const char *text, struct mac *ret, struct err *err) {
	if (!is_mac(text))
		return err_set(err, -EINVAL, "\"%.32s\" is not a MAC address", text);
	for (size_t i = 0; i < sizeof(ret->bytes); i++)
		ret->bytes[i] = (uint8_t)(digit(text[i * 3]) << 4 | digit(text[i * 3 + 1]));
	return 0;
}

const char *mac_format(const struct mac *mac, char text[MAC_TEXT_MAX]) {
	const uint8_t *b = mac->bytes;

	snprintf(text, MAC_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4], b[5]);
	return text;
}
