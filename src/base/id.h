/* Names for things: random identifiers, short forms. */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stddef.h>

#define ID_TEXT_MAX 17

/* 64 random bits as 16 hexadecimal digits (getrandom(2)). */
void id_random(char text[ID_TEXT_MAX]);

/* True when text is made of 1 to 128 hexadecimal digits, as container, network and image IDs are. */
bool id_is_hex(const char *text);

#endif
