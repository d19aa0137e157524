/* Text and tables for people. Everything that is printed here is made harmless first: no byte from outside reaches the terminal as
 * a control character. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "base/json.h"

#include <stdio.h>

/* With control characters (C0, DEL, C1), line separators and those that change the direction of writing as \u{1b}; bytes that are
 * no UTF-8 as "?". Doing it twice changes nothing. Free it. */
char *text_safe(const char *text);

/* A value as people read it, safe: "-" for null and what is empty, lists with commas, objects as key=value, seconds as "0.45 s" is
 * the caller's business. Free it. */
char *text_value(const json_t *value);
/* That of a dotted path. */
char *text_at(const json_t *obj, const char *path);
/* "0.45 s", "-" when there is no number. Free it. */
char *text_seconds(const json_t *obj, const char *path);
/* [{name, ip, ip6, ...}] as "front 10.20.0.50, back 10.30.0.7". Free it. */
char *text_networks(const json_t *networks);

/* "label      value", indented by two. */
void text_field(FILE *out, const char *label, const char *value);
/* That of a JSON value; nothing when it is absent. */
void text_field_at(FILE *out, const char *label, const json_t *obj, const char *path);
/* "heading:" and an indented line for each; nothing when the list is empty. */
void text_list(FILE *out, const char *heading, const json_t *strings);

struct table;

/* Columns end with a NULL and are borrowed. The last one wraps between words where the terminal (100 columns when there is none) is
 * too narrow. */
struct table *table_new(const char *const *columns);
/* Takes over as many cells (not NULL, from malloc) as there are columns, and makes them safe. */
void table_add(struct table *t, char **cells);
/* Prints and frees it. A table without rows prints nothing. */
void table_end(struct table *t, FILE *out);

#endif
