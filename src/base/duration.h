/* Durations as people write them: a whole number with its unit, "300ms", "10s", "5m", "2h". No sign, no fraction, no octal, nothing
 * behind the unit. */
#ifndef BASE_DURATION_H
#define BASE_DURATION_H

#include "base/mono.h"

#include <stdbool.h>
#include <stdint.h>

#define DURATION_TEXT_MAX 32

/* Digits at the start of text, at most twelve; false when there are none, too many, or a zero before others. */
bool duration_digits(const char *text, int64_t *ret, const char **ret_rest);
/* False when it is no duration; *ret is untouched then. What is longer than fits is the longest there is: bound it. */
bool duration_parse(const char *text, struct span *ret);
/* In the largest unit that needs no fraction: "90s", "2m". */
void duration_format(struct span d, char text[DURATION_TEXT_MAX]);

#endif
