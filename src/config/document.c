/* libyaml's events become a tree. The events are used and not libyaml's own documents, because those expand aliases (a few
 * lines can stand for billions of nodes) and know neither duplicate keys nor a bound on depth. */
#include "config/document.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <yaml.h>

struct builder {
	yaml_parser_t parser;
	const char *name, *text;
	struct err *err;
	int depth;
};

static int build_node(struct builder *b, yaml_event_t *event, struct node **ret);

const char *document_quote(const char *text, char quoted[DOCUMENT_QUOTED_MAX]) {
	size_t i = 0;

	for (; text[i] && i < DOCUMENT_QUOTED_MAX - 4; i++)
		quoted[i] = text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?';
	quoted[i] = '\0';
	if (text[i])
		strcat(quoted, "...");
	return quoted;
}

const char *node_describe(const struct node *n) {
	static const char *const words[] = {[NODE_SCALAR] = "text", [NODE_LIST] = "a list", [NODE_MAPPING] = "a mapping"};
	static_assert(sizeof(words) / sizeof(words[0]) == NODE_KIND_MAX, "a word for each kind");

	return n->kind == NODE_SCALAR && n->plain && !*n->text ? "nothing" : words[n->kind];
}

void node_free(struct node *n) {
	if (!n)
		return;
	for (size_t i = 0; i < n->n; i++) {
		node_free(n->items[i]);
		if (n->keys)
			node_free(n->keys[i]);
	}
	free(n->items);
	free(n->keys);
	free(n->text);
	free(n);
}

CLEANUP_DEFINE(node_, struct node, node_free)

static int refuse(const struct builder *b, yaml_mark_t mark, const char *reason) {
	return err_set(b->err, -EINVAL, "%s:%zu: %s", b->name, mark.line + 1, reason);
}

static int refuse_properties(const struct builder *b, yaml_mark_t mark, const yaml_char_t *anchor, const yaml_char_t *tag) {
	if (anchor)
		return refuse(b, mark, "anchors are not supported");
	return tag ? refuse(b, mark, "tags are not supported") : 0;
}

/* Bytes that are no text are reported with their offset only. */
static size_t syntax_line(const struct builder *b) {
	size_t line = 0;

	if (b->parser.error != YAML_READER_ERROR)
		return b->parser.problem_mark.line;
	for (size_t i = 0; i < b->parser.problem_offset; i++)
		line += b->text[i] == '\n';
	return line;
}

/* Some of libyaml's messages have a context that explains more. */
static int refuse_syntax(const struct builder *b) {
	const yaml_parser_t *p = &b->parser;
	const char *problem = p->problem ? p->problem : "not YAML";
	size_t line = syntax_line(b);

	if (p->error == YAML_MEMORY_ERROR)
		abort();
	if (p->context)
		return err_set(b->err, -EINVAL, "%s:%zu: %s %s", b->name, line + 1, problem, p->context);
	return err_set(b->err, -EINVAL, "%s:%zu: %s", b->name, line + 1, problem);
}

static int next_event(struct builder *b, yaml_event_t *ret) { return yaml_parser_parse(&b->parser, ret) ? 0 : refuse_syntax(b); }

static struct node *node_new(enum node_kind kind, const yaml_event_t *event) {
	struct node *n = xnew(struct node);
	n->kind = kind;
	n->line = (unsigned)event->start_mark.line + 1;
	return n;
}

static bool has_control_characters(const unsigned char *text, size_t len) {
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] == 0x7f)
			return true;
	return false;
}

static int build_scalar(struct builder *b, const yaml_event_t *event, struct node **ret) {
	const unsigned char *value = event->data.scalar.value;
	size_t len = event->data.scalar.length;

	int r = refuse_properties(b, event->start_mark, event->data.scalar.anchor, event->data.scalar.tag);
	if (r < 0)
		return r;
	if (has_control_characters(value, len))
		return refuse(b, event->start_mark, "control characters or several lines in a value");
	struct node *n = node_new(NODE_SCALAR, event);
	n->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	n->text = xstrndup((const char *)value, len);
	*ret = n;
	return 0;
}

static void grow(struct node *n) {
	if (n->n & (n->n - 1))
		return;
	size_t cap = n->n ? n->n * 2 : 1;
	n->items = xreallocarray(n->items, cap, sizeof(struct node *));
	if (n->kind == NODE_MAPPING)
		n->keys = xreallocarray(n->keys, cap, sizeof(struct node *));
}

static int build_list(struct builder *b, const yaml_event_t *start, struct node **ret) {
	struct node *list CLEANUP(cleanup_node_) = node_new(NODE_LIST, start);

	int r = refuse_properties(b, start->start_mark, start->data.sequence_start.anchor, start->data.sequence_start.tag);
	if (r < 0)
		return r;
	for (;;) {
		yaml_event_t event;
		r = next_event(b, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_SEQUENCE_END_EVENT)
			break;
		grow(list);
		r = build_node(b, &event, &list->items[list->n]);
		if (r < 0)
			return r;
		list->n++;
	}
	*ret = TAKE_PTR(list);
	return 0;
}

static int check_key(const struct builder *b, const struct node *mapping, const struct node *key) {
	char quoted[DOCUMENT_QUOTED_MAX];

	if (key->kind != NODE_SCALAR)
		return err_set(b->err, -EINVAL, "%s:%u: a key must be text, not %s", b->name, key->line, node_describe(key));
	if (mapping->n == DOCUMENT_KEYS_MAX)
		return err_set(b->err, -EINVAL, "%s:%u: more than %d keys in a mapping", b->name, key->line, DOCUMENT_KEYS_MAX);
	for (size_t i = 0; i < mapping->n; i++)
		if (!strcmp(mapping->keys[i]->text, key->text))
			return err_set(b->err, -EINVAL, "%s:%u: '%s' is given twice (first in line %u)", b->name, key->line,
				       document_quote(key->text, quoted), mapping->keys[i]->line);
	return 0;
}

static int build_pair(struct builder *b, yaml_event_t *event, struct node *mapping) {
	struct node *key CLEANUP(cleanup_node_) = NULL;
	struct node *value = NULL;

	int r = build_node(b, event, &key);
	if (r < 0)
		return r;
	r = check_key(b, mapping, key);
	if (r < 0)
		return r;
	yaml_event_t next;
	r = next_event(b, &next);
	if (r < 0)
		return r;
	r = build_node(b, &next, &value);
	if (r < 0)
		return r;
	grow(mapping);
	mapping->keys[mapping->n] = TAKE_PTR(key);
	mapping->items[mapping->n++] = value;
	return 0;
}

static int build_mapping(struct builder *b, const yaml_event_t *start, struct node **ret) {
	struct node *mapping CLEANUP(cleanup_node_) = node_new(NODE_MAPPING, start);

	int r = refuse_properties(b, start->start_mark, start->data.mapping_start.anchor, start->data.mapping_start.tag);
	if (r < 0)
		return r;
	for (;;) {
		yaml_event_t event;
		r = next_event(b, &event);
		if (r < 0)
			return r;
		if (event.type == YAML_MAPPING_END_EVENT)
			break;
		r = build_pair(b, &event, mapping);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(mapping);
	return 0;
}

static int dispatch(struct builder *b, const yaml_event_t *event, struct node **ret) {
	if (b->depth > DOCUMENT_DEPTH_MAX)
		return refuse(b, event->start_mark, "nested too deeply");
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return build_scalar(b, event, ret);
	case YAML_SEQUENCE_START_EVENT:
		return build_list(b, event, ret);
	case YAML_MAPPING_START_EVENT:
		return build_mapping(b, event, ret);
	case YAML_ALIAS_EVENT:
		return refuse(b, event->start_mark, "aliases are not supported");
	default:
		return refuse(b, event->start_mark, "not a value");
	}
}

/* Takes the event over. */
static int build_node(struct builder *b, yaml_event_t *event, struct node **ret) {
	b->depth++;
	int r = dispatch(b, event, ret);
	b->depth--;
	yaml_event_delete(event);
	return r;
}

/* After the stream's start: one document or none, then the end. */
static int build_document(struct builder *b, struct node **ret) {
	struct node *root CLEANUP(cleanup_node_) = NULL;
	yaml_event_t event;

	int r = next_event(b, &event);
	if (r < 0)
		return r;
	if (event.type == YAML_STREAM_END_EVENT) {
		*ret = node_new(NODE_MAPPING, &event);
		return 0;
	}
	yaml_event_delete(&event); /* the document's start */
	r = next_event(b, &event);
	if (r < 0)
		return r;
	r = build_node(b, &event, &root);
	if (r < 0)
		return r;
	r = next_event(b, &event); /* the document's end: owns nothing */
	if (r < 0)
		return r;
	r = next_event(b, &event);
	if (r < 0)
		return r;
	yaml_event_type_t type = event.type;
	yaml_mark_t mark = event.start_mark;
	yaml_event_delete(&event);
	if (type != YAML_STREAM_END_EVENT)
		return refuse(b, mark, "a second document");
	*ret = TAKE_PTR(root);
	return 0;
}

int document_parse(const char *text, size_t len, const char *name, struct node **ret, struct err *err) {
	struct builder b = {.name = name, .text = text, .err = err};
	yaml_event_t start;

	if (len > DOCUMENT_TEXT_MAX)
		return err_set(err, -EINVAL, "%s:1: larger than %u bytes", name, DOCUMENT_TEXT_MAX);
	if (!yaml_parser_initialize(&b.parser))
		abort();
	/* Without this, a text that begins with a UTF-16 mark would be read as UTF-16. */
	yaml_parser_set_encoding(&b.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&b.parser, (const unsigned char *)text, len);
	int r = next_event(&b, &start); /* the stream's start: owns nothing */
	if (r == 0)
		r = build_document(&b, ret);
	yaml_parser_delete(&b.parser);
	return r;
}

int document_read(const char *path, struct buf *ret, struct err *err) {
	int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	char chunk[16384];

	if (fd < 0)
		return err_errno(err, -errno, "%s: cannot open", path);
	while (ret->len <= DOCUMENT_TEXT_MAX) { /* one byte more than allowed is enough */
		ssize_t n = read(fd, chunk, sizeof(chunk));
		if (n < 0)
			return err_errno(err, -errno, "%s: cannot read", path);
		if (n == 0)
			break;
		buf_append(ret, chunk, (size_t)n);
	}
	return 0;
}
