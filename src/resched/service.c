/* See service.h. */
#include "resched/service.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/duration.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "heir.service"
#define NAME_MAX_LEN 63
#define META_KEY_MAX 64

struct reading {
	struct service of[SERVICES_MAX]; /* by number less one */
	bool bad[SERVICES_MAX];
	char *warning;
};

static void warn(struct reading *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct reading *r, const char *fmt, ...) {
	char text[POLICY_TEXT_MAX];
	va_list ap;

	if (r->warning)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	utf8_trim(text);
	r->warning = xstrdup(text);
}

bool service_is_name(const char *text) {
	size_t n = strlen(text);

	return n > 0 && n <= NAME_MAX_LEN && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n && text[0] != '-' &&
	       text[n - 1] != '-';
}

static bool is_plain(const char *text) {
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort(struct strs *s) {
	if (s->n > 1)
		qsort(s->v, s->n, sizeof(*s->v), by_text);
}

/* ---- one label each; false: it is not understood ---- */

static bool read_name(struct service *s, const char *value) {
	xstr_replace(&s->name, value);
	return service_is_name(value);
}

static bool read_port(struct service *s, const char *value) {
	const char *rest;
	int64_t n;

	if (!duration_digits(value, &n, &rest) || *rest || n < 1 || n > UINT16_MAX)
		return false;
	s->port = (uint16_t)n;
	return true;
}

static bool read_tags(struct service *s, const char *value) {
	for (const char *p = value; *p;) {
		size_t n = strcspn(p, ",");
		char *tag CLEANUP_FREE = xstrndup(p, n);
		if (n)
			strs_add_new(&s->tags, tag);
		p += n;
		p += *p == ',';
	}
	sort(&s->tags);
	return is_plain(value);
}

static bool read_address(struct service *s, const char *value) {
	if (strcmp(value, "overlay") == 0)
		s->address = SERVICE_OVERLAY;
	else if (strcmp(value, "host") == 0)
		s->address = SERVICE_HOST;
	return s->address != SERVICE_UNSAID;
}

static bool read_network(struct service *s, const char *value) {
	xstr_replace(&s->network, value);
	return *value && is_plain(value);
}

static bool read_meta(struct service *s, const char *key, const char *value) {
	size_t n = strlen(key);

	if (n == 0 || n > META_KEY_MAX || !is_plain(value) ||
	    strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != n)
		return false;
	char *both CLEANUP_FREE = xasprintf("%s=%s", key, value);
	strs_add(&s->meta, both);
	sort(&s->meta);
	return true;
}

static bool read_field(struct service *s, const char *field, const char *value) {
	static const struct {
		const char *name;
		bool (*read)(struct service *s, const char *value);
	} fields[] = {{"", read_name},
		      {".port", read_port},
		      {".tags", read_tags},
		      {".address", read_address},
		      {".network", read_network}};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(field, fields[i].name) == 0)
			return fields[i].read(s, value);
	return strncmp(field, ".meta.", 6) == 0 && read_meta(s, field + 6, value);
}

/* ---- all of them ---- */

/* "heir.service.2.port" is field ".port" of number 2. Which is 0 for one that is none. */
static unsigned number_of(const char *rest, const char **ret_field) {
	const char *end;
	int64_t n;

	*ret_field = rest;
	if (rest[0] != '.' || !duration_digits(rest + 1, &n, &end))
		return 1;
	*ret_field = end;
	return n >= 2 && n <= SERVICES_MAX && (*end == '.' || *end == '\0') ? (unsigned)n : 0;
}

static void read_label(struct reading *r, const struct policy_label *label) {
	const char *field;

	if (strncmp(label->key, LABEL, strlen(LABEL)) != 0)
		return;
	const char *rest = label->key + strlen(LABEL);
	if (*rest != '\0' && *rest != '.')
		return;
	unsigned number = number_of(rest, &field);
	if (number && read_field(&r->of[number - 1], field, label->value))
		return;
	warn(r, "label %.*s: \"%.*s\" is not understood, the service is not published", utf8_shown(label->key, 60), label->key,
	     utf8_shown(label->value, 40), label->value);
	if (number)
		r->bad[number - 1] = true;
}

static size_t text_of(const struct strs *s) {
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += strlen(s->v[i]) + 1;
	return n;
}

static bool is_said(const struct service *s) {
	return s->name || s->port || s->tags.n || s->meta.n || s->address != SERVICE_UNSAID || s->network;
}

static void service_clear(struct service *s) {
	free(s->name);
	free(s->network);
	strs_clear(&s->tags);
	strs_clear(&s->meta);
	*s = (struct service){0};
}

/* The first service's other labels may stand alone: then the configuration names it. */
static bool is_usable(struct reading *r, unsigned number) {
	const struct service *s = &r->of[number - 1];

	if (r->bad[number - 1] || !is_said(s))
		return false;
	if (!s->name && number > 1) {
		warn(r, "label " LABEL ".%u is missing, the service is not published", number);
		return false;
	}
	if (text_of(&s->tags) + text_of(&s->meta) > SERVICE_TEXT_MAX) {
		warn(r, "service %s: its tags and meta are more than %d bytes, it is not published", s->name ? s->name : "",
		     SERVICE_TEXT_MAX);
		return false;
	}
	return true;
}

void services_read(const struct policy_label *labels, size_t n_labels, struct services *ret) {
	struct reading r = {0};

	for (size_t i = 0; i < n_labels; i++)
		read_label(&r, &labels[i]);
	*ret = (struct services){0};
	for (unsigned k = 1; k <= SERVICES_MAX; k++) {
		if (!is_usable(&r, k)) {
			service_clear(&r.of[k - 1]);
			continue;
		}
		ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
		ret->v[ret->n] = r.of[k - 1];
		ret->v[ret->n++].number = k;
	}
	ret->warning = r.warning;
}

void services_clear(struct services *s) {
	for (size_t i = 0; i < s->n; i++)
		service_clear(&s->v[i]);
	free(s->v);
	free(s->warning);
	*s = (struct services){0};
}
