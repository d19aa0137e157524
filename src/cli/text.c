/* See text.h. */
#include "cli/text.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/utf8.h"

#include <assert.h>
#include <libsmartcols.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100
#define LABEL_WIDTH 14
#define LAST_COLUMN_MIN 30

static bool is_dangerous(unsigned c) {
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0xfeff;
}

char *text_safe(const char *text) {
	struct buf b = {0};
	unsigned c;

	for (size_t len = 0; *text; text += len ? len : 1) {
		len = utf8_decode(text, &c);
		if (len == 0)
			buf_puts(&b, "?");
		else if (is_dangerous(c))
			buf_printf(&b, "\\u{%x}", c);
		else
			buf_append(&b, text, len);
	}
	return buf_take(&b);
}

static void append_safe(struct buf *b, const char *text) {
	char *safe CLEANUP_FREE = text_safe(text);
	buf_puts(b, safe);
}

static void append_value(struct buf *b, const json_t *value);

static void append_list(struct buf *b, const json_t *list) {
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		buf_puts(b, i ? ", " : "");
		append_value(b, item);
	}
}

static void append_object(struct buf *b, const json_t *obj) {
	const char *key;
	json_t *item;
	bool first = true;

	json_object_foreach ((json_t *)(uintptr_t)obj, key, item) {
		buf_puts(b, first ? "" : ", ");
		append_safe(b, key);
		buf_puts(b, "=");
		append_value(b, item);
		first = false;
	}
}

static void append_value(struct buf *b, const json_t *value) {
	if (json_is_string(value))
		append_safe(b, json_string_value(value));
	else if (json_is_integer(value))
		buf_printf(b, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		buf_printf(b, "%.2f", json_real_value(value));
	else if (json_is_boolean(value))
		buf_puts(b, json_is_true(value) ? "yes" : "no");
	else if (json_is_array(value))
		append_list(b, value);
	else if (json_is_object(value))
		append_object(b, value);
}

char *text_value(const json_t *value) {
	struct buf b = {0};

	append_value(&b, value);
	if (b.len == 0)
		buf_puts(&b, "-");
	return buf_take(&b);
}

char *text_at(const json_t *obj, const char *path) { return text_value(json_at(obj, path)); }

char *text_seconds(const json_t *obj, const char *path) {
	const json_t *seconds = json_at(obj, path);
	return json_is_number(seconds) ? xasprintf("%.2f s", json_number_value(seconds)) : xstrdup("-");
}

char *text_networks(const json_t *networks) {
	static const char *const addresses[] = {"ip", "ip6"};
	struct buf b = {0};
	json_t *n;
	size_t i;

	json_array_foreach (networks, i, n) {
		buf_puts(&b, i ? ", " : "");
		append_value(&b, json_at(n, "name"));
		for (size_t k = 0; k < 2; k++) {
			const char *text = json_str_or(n, addresses[k], "");
			buf_puts(&b, *text ? " " : "");
			append_safe(&b, text);
		}
	}
	if (b.len == 0)
		buf_puts(&b, "-");
	return buf_take(&b);
}

void text_field(FILE *out, const char *label, const char *value) {
	char *safe CLEANUP_FREE = text_safe(value);
	fprintf(out, "  %-*s %s\n", LABEL_WIDTH, label, safe);
}

void text_field_at(FILE *out, const char *label, const json_t *obj, const char *path) {
	if (!json_at(obj, path))
		return;
	char *value CLEANUP_FREE = text_at(obj, path);
	fprintf(out, "  %-*s %s\n", LABEL_WIDTH, label, value);
}

void text_list(FILE *out, const char *heading, const json_t *strings) {
	json_t *item;
	size_t i;

	if (json_array_size(strings) > 0)
		fprintf(out, "%s:\n", heading);
	json_array_foreach (strings, i, item) {
		char *value CLEANUP_FREE = text_value(item);
		fprintf(out, "  %s\n", value);
	}
}

/* Cells are kept until the end: how wide the last column may be is known only then. */
struct table {
	const char *const *names;
	size_t columns, rows;
	char **cells;
};

struct table *table_new(const char *const *columns) {
	struct table *t = xnew(struct table);

	t->names = columns;
	while (columns[t->columns])
		t->columns++;
	return t;
}

void table_add(struct table *t, char **cells) {
	t->cells = xreallocarray(t->cells, (t->rows + 1) * t->columns, sizeof(*t->cells));
	for (size_t i = 0; i < t->columns; i++) {
		t->cells[t->rows * t->columns + i] = text_safe(cells[i]);
		free(cells[i]);
	}
	t->rows++;
}

static size_t terminal_width(FILE *out) {
	struct winsize size = {0};
	bool known = isatty(fileno(out)) && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= 40;
	return known ? size.ws_col : WIDTH_DEFAULT;
}

static size_t characters(const char *text) {
	size_t n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

/* What the other columns leave of the width to the last one. */
static size_t last_width(const struct table *t, size_t width) {
	for (size_t c = 0; c + 1 < t->columns; c++) {
		size_t widest = characters(t->names[c]);
		for (size_t r = 0; r < t->rows; r++) {
			size_t n = characters(t->cells[r * t->columns + c]);
			widest = n > widest ? n : widest;
		}
		width -= widest + 1 < width ? widest + 1 : width;
	}
	return width > LAST_COLUMN_MIN ? width : LAST_COLUMN_MIN;
}

/* Spaces become line ends where a line would be longer than width; a longer word stays whole. */
static void wrap(char *text, size_t width) {
	char *line = text, *space = NULL;

	for (char *p = text; *p; p++) {
		if (*p != ' ')
			continue;
		*p = '\0';
		bool fits = characters(line) <= width;
		*p = ' ';
		if (!fits && space) {
			*space = '\n';
			line = space + 1;
		}
		space = p;
	}
	if (space && space > line && characters(line) > width)
		*space = '\n';
}

static struct libscols_table *to_scols(const struct table *t) {
	struct libscols_table *s = scols_new_table();

	for (size_t c = 0; s && c < t->columns; c++) {
		struct libscols_column *column = scols_table_new_column(s, t->names[c], 0, c + 1 < t->columns ? 0 : SCOLS_FL_WRAP);
		if (!column || scols_column_set_safechars(column, "\n") < 0 ||
		    scols_column_set_wrapfunc(column, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL) < 0)
			abort();
	}
	for (size_t r = 0; s && r < t->rows; r++) {
		struct libscols_line *line = scols_table_new_line(s, NULL);
		for (size_t c = 0; c < t->columns; c++)
			if (!line || scols_line_set_data(line, c, t->cells[r * t->columns + c]) < 0)
				abort();
	}
	return s;
}

static void print(const struct table *t, FILE *out) {
	char *text CLEANUP_FREE = NULL;
	size_t width = last_width(t, terminal_width(out));

	for (size_t r = 0; r < t->rows; r++)
		wrap(t->cells[r * t->columns + t->columns - 1], width);
	struct libscols_table *s = to_scols(t);
	if (!s || scols_print_table_to_string(s, &text) < 0)
		abort();
	fprintf(out, "%s\n", text);
	scols_unref_table(s);
}

void table_end(struct table *t, FILE *out) {
	if (t->rows > 0)
		print(t, out);
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}
