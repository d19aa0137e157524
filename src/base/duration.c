/* See duration.h. */
#include "base/duration.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int64_t ms;
} units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};

#define UNITS (sizeof(units) / sizeof(units[0]))

bool duration_digits(const char *text, int64_t *ret, const char **ret_rest) {
	int64_t value = 0;
	size_t n = strspn(text, "0123456789");

	if (n == 0 || n > 12 || (n > 1 && text[0] == '0'))
		return false;
	for (size_t i = 0; i < n; i++)
		value = value * 10 + (text[i] - '0');
	*ret = value;
	*ret_rest = text + n;
	return true;
}

bool duration_parse(const char *text, struct span *ret) {
	const char *unit;
	int64_t value;

	if (!duration_digits(text, &value, &unit))
		return false;
	for (size_t i = 0; i < UNITS; i++)
		if (strcmp(unit, units[i].name) == 0) {
			bool fits = value <= INT64_MAX / 1000000 / units[i].ms; /* twelve digits of hours do not */
			*ret = fits ? span_ms(value * units[i].ms) : (struct span){INT64_MAX};
			return true;
		}
	return false;
}

void duration_format(struct span d, char text[DURATION_TEXT_MAX]) {
	int64_t ms = span_to_ms(d);
	size_t i = 0;

	while (i < UNITS - 1 && ms % units[i].ms != 0)
		i++;
	if (ms == 0)
		i = UNITS - 2; /* "0s" */
	snprintf(text, DURATION_TEXT_MAX, "%lld%s", (long long)(ms / units[i].ms), units[i].name);
}
