/* Typed values out of a YAML document, strictly: each reader takes one node and either fills the target or says what it expected.
 * A mapping is described by a table of fields; what the table does not know is refused. */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include "config/document.h"

#include "base/err.h"
#include "base/mono.h"
#include "base/strs.h"

#include <stdint.h>

#define READER_DIGITS "0123456789"
#define READER_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define READER_LIST_MAX 64

struct reader {
	const char *name;     /* of the file, for errors */
	const char *base_dir; /* relative paths start here */
	struct err *err;
};

struct field;
/* to points at the target: of the type the reader's name says. */
typedef int field_read_fn(const struct reader *r, const struct field *f, const struct node *n, void *to);

struct field {
	const char *key;
	field_read_fn *read;
	size_t offset;            /* of the target within the struct that read_fields fills */
	int64_t low, high;        /* numbers: as they are; durations: in milliseconds */
	const char *const *words; /* read_word: the choices, NULL-terminated; their index is stored */
	const struct field *sub;  /* read_mapping: its fields, with offsets from the same struct; ends with a NULL key */
};

/* "NAME:LINE: reason"; -EINVAL. */
int reader_refuse(const struct reader *r, const struct node *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same: "NAME:LINE: KEY: expected WHAT, got 'TEXT'". Not for what may be a secret. */
int reader_expected(const struct reader *r, const struct field *f, const struct node *n, const char *what);

/* Fills what `base` points at from a mapping, by a table that ends with a NULL key. */
int read_fields(const struct reader *r, const struct field *table, const struct node *n, void *base);

/* One value, or a list of at most READER_LIST_MAX, none of them twice; `read` is one that stores a char *. */
int reader_each(const struct reader *r, const struct field *f, const struct node *n, field_read_fn *read, struct strs *to);

/* The value of a key, or NULL. */
const struct node *node_at(const struct node *mapping, const char *key);

field_read_fn read_mapping;       /* the struct that sub's offsets count from */
field_read_fn read_word;          /* int (an enum) */
field_read_fn read_int;           /* int */
field_read_fn read_bool;          /* bool */
field_read_fn read_duration;      /* struct span */
field_read_fn read_name;          /* char *: [a-zA-Z0-9_.-]{1,63} */
field_read_fn read_text;          /* char *: not empty */
field_read_fn read_path;          /* char *: made absolute */
field_read_fn read_file;          /* char *: made absolute; must be a readable file that is not empty */
field_read_fn read_unix_url;      /* char *: unix:///path */
field_read_fn read_tcp_url;       /* char *: tcp://host:port */
field_read_fn read_http_url;      /* char *: http://host:port or https://host:port */
field_read_fn read_host_and_port; /* char *: host:port, IPv6 in brackets */
field_read_fn read_ip;            /* char *: a numeric address */
field_read_fn read_label;         /* char *: a DNS label, lower case */
field_read_fn read_domain;        /* char *: a domain's name without underscores, made lower case, without a dot at its end */
field_read_fn read_zone;          /* char *: the same with a dot at its end, and perhaps underscores */

/* True when text is "scheme://host:port" with nothing after it. */
bool url_has_host_and_port(const char *text, const char *scheme);
/* True when text is "unix:///path". */
bool url_is_unix(const char *text);

#endif
