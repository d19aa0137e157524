/* A YAML document as a tree in which every node knows its line. Only the plain part of YAML is taken: one document, no anchors,
 * aliases or tags, keys that are scalars and unique, bounded size and depth. What could surprise is refused. */
#ifndef CONFIG_DOCUMENT_H
#define CONFIG_DOCUMENT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define DOCUMENT_TEXT_MAX (2u << 20)
#define DOCUMENT_DEPTH_MAX 16
#define DOCUMENT_KEYS_MAX 256 /* of one mapping */

enum node_kind { NODE_SCALAR, NODE_LIST, NODE_MAPPING, NODE_KIND_MAX };

struct node {
	enum node_kind kind;
	unsigned line;       /* from 1 */
	bool plain;          /* a scalar without quotes */
	char *text;          /* of a scalar; valid UTF-8 without control characters */
	struct node **items; /* of a list; the values of a mapping */
	struct node **keys;  /* of a mapping: scalars, unique */
	size_t n;
};

/* The file's text, or so much of it that document_parse refuses the rest. */
int document_read(const char *path, struct buf *ret, struct err *err);

/* Errors: -EINVAL, "NAME:LINE: reason". An empty document is an empty mapping. */
int document_parse(const char *text, size_t len, const char *name, struct node **ret, struct err *err);
void node_free(struct node *n); /* NULL is fine */
static inline void cleanup_node(struct node **n) { node_free(*n); }

/* "a mapping", "a list", "nothing" or "text", for errors. */
const char *node_describe(const struct node *n);

/* Copies text for an error: cut to fit in quoted, with everything but printable ASCII as "?". Returns quoted. */
#define DOCUMENT_QUOTED_MAX 64
const char *document_quote(const char *text, char quoted[DOCUMENT_QUOTED_MAX]);

#endif
