/* See request.h. */
#include "http/request.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#define BODY_MAX_DEFAULT ((size_t)64 << 20)
#define CONNECT_TIMEOUT_MS 10000L

struct transfer {
	const struct request *r;
	CURL *curl;
	struct curl_slist *headers;
	struct buf *body; /* the caller's */
	struct buf line;  /* begun, not ended */
	size_t limit;
	bool too_large, stopped;
};

static bool is_success(CURL *curl) {
	long status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return status >= 200 && status < 300;
}

/* Hands the whole lines over; false when the caller has had enough. */
static bool give_lines(struct transfer *t) {
	char *end;

	while (t->line.len > 0 && (end = memchr(t->line.data, '\n', t->line.len))) {
		size_t len = (size_t)(end - t->line.data);
		*end = '\0';
		if (!t->r->on_line(t->r->user, t->line.data, len))
			return false;
		buf_consume(&t->line, len + 1);
	}
	return true;
}

static size_t on_data(char *data, size_t size, size_t n, void *user) {
	struct transfer *t = user;
	bool lines = t->r->on_line && is_success(t->curl);
	struct buf *to = lines ? &t->line : t->body;

	n *= size;
	t->too_large = to->len + n > t->limit;
	if (t->too_large)
		return 0;
	buf_append(to, data, n);
	t->stopped = lines && !give_lines(t);
	return t->stopped ? 0 : n;
}

static int set_target(CURL *curl, const struct request *r, struct err *err) {
	const char *authority = NULL;

	if (!strncmp(r->host, "unix:///", 8)) {
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, r->host + 7);
		authority = "localhost";
	} else if (!strncmp(r->host, "tcp://", 6)) {
		authority = r->host + 6;
	} else if (!strncmp(r->host, "http://", 7)) {
		authority = r->host + 7;
	}
	if (!authority || !*authority || strpbrk(authority, "/?#@ "))
		return err_set(err, -EINVAL, "%.100s: expected unix:///path, tcp://host:port or http://host:port", r->host);
	char *url CLEANUP_FREE = xasprintf("http://%s%s", authority, r->path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	return 0;
}

static void set_body(CURL *curl, struct transfer *t) {
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, t->r->body ? t->r->body : "");
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
	if (!t->r->body)
		return;
	t->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (!t->headers)
		abort();
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, t->headers);
}

static void set_options(CURL *curl, struct transfer *t) {
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)span_to_ms(t->r->timeout));
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, t->r->method);
	if (!strcmp(t->r->method, "POST"))
		set_body(curl, t);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
}

static int unreachable(const struct transfer *t, CURLcode code, struct err *err) {
	long os = 0;

	curl_easy_getinfo(t->curl, CURLINFO_OS_ERRNO, &os);
	if (code == CURLE_COULDNT_CONNECT && os > 0)
		return err_set(err, -ENOTCONN, "cannot reach %.100s: %s", t->r->host, strerror((int)os));
	return err_set(err, -ENOTCONN, "cannot reach %.100s: %s", t->r->host, curl_easy_strerror(code));
}

static int judge(const struct transfer *t, CURLcode code, long status, struct err *err) {
	if (code == CURLE_OK || t->stopped)
		return 0;
	if (t->too_large)
		return err_set(err, -EMSGSIZE, "%.100s: the answer is larger than %zu bytes", t->r->host, t->limit);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_set(err, -ETIMEDOUT, "%.100s: no answer in time", t->r->host);
	if (status == 0)
		return unreachable(t, code, err);
	return err_set(err, -EIO, "%.100s: the answer broke off: %s", t->r->host, curl_easy_strerror(code));
}

/* A last line without a newline is a line, too. */
static void give_rest(struct transfer *t) {
	if (t->line.len > 0 && !t->stopped)
		(void)t->r->on_line(t->r->user, t->line.data, t->line.len); /* nothing is left to stop */
}

int request_perform(const struct request *r, long *ret_status, struct buf *ret_body, struct err *err) {
	struct transfer t = {.r = r, .body = ret_body, .limit = r->body_max ? r->body_max : BODY_MAX_DEFAULT};
	long status = 0;

	t.curl = curl_easy_init();
	if (!t.curl)
		abort();
	set_options(t.curl, &t);
	int result = set_target(t.curl, r, err);
	if (result == 0) {
		CURLcode code = curl_easy_perform(t.curl);
		curl_easy_getinfo(t.curl, CURLINFO_RESPONSE_CODE, &status);
		result = judge(&t, code, status, err);
	}
	if (result == 0) {
		give_rest(&t);
		*ret_status = status;
	}
	buf_clear(&t.line);
	curl_easy_cleanup(t.curl);
	curl_slist_free_all(t.headers);
	return result;
}

char *request_escape(const char *text) {
	struct buf b = {0};

	for (const char *p = text; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-_.~", *p);
		if (plain)
			buf_append(&b, p, 1);
		else
			buf_printf(&b, "%%%02X", (unsigned char)*p);
	}
	return buf_take(&b);
}
