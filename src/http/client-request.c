/* One request's life: its options for libcurl, and start, pause and end from outside. */
#include "http/client-internal.h"

#include "base/alloc.h"

#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <utlist.h>

#define IDLE_SECONDS_MAX 15L /* heartbeats keep theirs; what a listing opened is not kept for a thousand engines */
#define DEFAULT_BODY_LIMIT ((size_t)1 << 20)
#define DEFAULT_BUFFER_SIZE 16384L
#define DEFAULT_CONNECT_MS 10000L

#define SET(req, option, value) \
	do { \
		if ((req)->setup == CURLE_OK) \
			(req)->setup = curl_easy_setopt((req)->easy, option, value); \
	} while (0)

static size_t on_source(char *data, size_t size, size_t n, void *ctx) {
	struct http_request *req = ctx;

	if (req->dead)
		return CURL_READFUNC_ABORT;
	ssize_t got = req->source(req->ctx, data, size * n);
	if (got == HTTP_SOURCE_LATER)
		return CURL_READFUNC_PAUSE;
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* libcurl 7.88 opens sockets without CLOEXEC. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address) {
	(void)ctx;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int limit_keepalive(void *ctx, curl_socket_t fd, curlsocktype purpose) {
	int probes = 3;

	(void)ctx;
	(void)purpose;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes,
			 sizeof(probes)); /* no TCP on a unix socket: nothing to limit there */
	return CURL_SOCKOPT_OK;
}

static void add_header(struct http_request *req, const char *line) {
	struct curl_slist *list = curl_slist_append(req->headers, line);

	if (list)
		req->headers = list;
	else
		req->setup = CURLE_OUT_OF_MEMORY;
}

static void set_up_body(struct http_request *req, const struct http_options *o) {
	const char *method = o->method ? o->method : "GET";
	bool get = strcmp(method, "GET") == 0;

	if (o->source) {
		SET(req, CURLOPT_POST, 1L);
		SET(req, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)-1);
		SET(req, CURLOPT_READFUNCTION, on_source);
		SET(req, CURLOPT_READDATA, req);
		add_header(req, "Transfer-Encoding: chunked");
	} else if (o->body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
		req->post = xstrndup("", 0);
		req->post = xreallocarray(req->post, o->body_len + 1, 1);
		if (o->body_len > 0 && o->body)
			memcpy(req->post, o->body, o->body_len);
		SET(req, CURLOPT_POST, 1L);
		SET(req, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
		SET(req, CURLOPT_POSTFIELDS, req->post);
	} else if (strcmp(method, "HEAD") == 0) {
		SET(req, CURLOPT_NOBODY, 1L);
	}
	if (!get)
		SET(req, CURLOPT_CUSTOMREQUEST, method);
	add_header(req, "Expect:"); /* no waiting for a "100 Continue" */
	for (size_t i = 0; o->headers && o->headers[i]; i++)
		add_header(req, o->headers[i]);
	SET(req, CURLOPT_HTTPHEADER, req->headers);
}

static void set_up_tls(struct http_request *req, const struct http_tls *tls) {
	SET(req, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
	SET(req, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
	if (tls->ca)
		SET(req, CURLOPT_CAINFO, tls->ca);
	if (tls->cert)
		SET(req, CURLOPT_SSLCERT, tls->cert);
	if (tls->key)
		SET(req, CURLOPT_SSLKEY, tls->key);
}

static void set_up_connection(struct http_request *req, const struct http_options *o) {
	SET(req, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(req, CURLOPT_URL, o->url);
	SET(req, CURLOPT_PROXY, "");
	SET(req, CURLOPT_NOSIGNAL, 1L);
	SET(req, CURLOPT_QUICK_EXIT, 1L); /* cancelling does not wait for a resolver thread */
	SET(req, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(req, CURLOPT_MAXAGE_CONN, IDLE_SECONDS_MAX);
	SET(req, CURLOPT_CONNECTTIMEOUT_MS, (long)span_to_ms(req->connect_timeout));
	SET(req, CURLOPT_HTTP_VERSION, o->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	SET(req, CURLOPT_BUFFERSIZE, o->buffer_size ? (long)o->buffer_size : DEFAULT_BUFFER_SIZE);
	if (o->unix_socket)
		SET(req, CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
	if (o->tls)
		set_up_tls(req, o->tls);
	if (o->changes) {
		/* On a connection that was used before, libcurl repeats a request that got no answer, POST too. */
		SET(req, CURLOPT_FRESH_CONNECT, 1L);
		SET(req, CURLOPT_FORBID_REUSE, 1L);
	}
	if (o->keepalive) {
		SET(req, CURLOPT_TCP_KEEPALIVE, 1L);
		SET(req, CURLOPT_TCP_KEEPIDLE, 15L);
		SET(req, CURLOPT_TCP_KEEPINTVL, 5L);
		SET(req, CURLOPT_SOCKOPTFUNCTION, limit_keepalive);
	}
}

static void set_up_callbacks(struct http_request *req) {
	SET(req, CURLOPT_PRIVATE, req);
	SET(req, CURLOPT_ERRORBUFFER, req->reason);
	SET(req, CURLOPT_HEADERFUNCTION, http_request_on_header);
	SET(req, CURLOPT_HEADERDATA, req);
	SET(req, CURLOPT_WRITEFUNCTION, http_request_on_body);
	SET(req, CURLOPT_WRITEDATA, req);
	SET(req, CURLOPT_USERAGENT, "heir");
}

static char *where_text(const struct http_options *o) {
	const char *host = o->url ? strstr(o->url, "://") : NULL;

	if (o->unix_socket)
		return xstrdup(o->unix_socket);
	host = host ? host + 3 : "no URL";
	return xstrndup(host, strnlen(host, strcspn(host, "/?#")));
}

/* FNV-1a */
static size_t share_of(const char *where) {
	uint32_t h = 2166136261;

	for (; *where; where++)
		h = (h ^ (unsigned char)*where) * 16777619;
	return (h ^ h >> 16) % SHARES;
}

struct http_request *http_request_new(struct http_client *client, const struct http_options *o) {
	struct http_request *req = xnew(struct http_request);

	req->client = client;
	req->easy = curl_easy_init();
	if (!req->easy)
		abort(); /* as every allocation here: see alloc.h */
	req->where = where_text(o);
	req->share = &client->shares[share_of(req->where)];
	req->on_done = o->on_done;
	req->on_header = o->on_header;
	req->on_response = o->on_response;
	req->on_data = o->on_data;
	req->source = o->source;
	req->ctx = o->ctx;
	req->deadline = o->deadline;
	req->connect_timeout = o->connect_timeout.ns > 0 ? o->connect_timeout : span_ms(DEFAULT_CONNECT_MS);
	req->body_limit = o->body_limit ? o->body_limit : DEFAULT_BODY_LIMIT;
	set_up_connection(req, o);
	set_up_callbacks(req);
	set_up_body(req, o);
	client->n_requests++;
	return req;
}

void http_request_remove(struct http_request *req) {
	if (!req->added)
		return;
	req->client->in_curl++;
	curl_multi_remove_handle(req->share->multi, req->easy);
	req->client->in_curl--;
	req->added = false;
}

void http_request_destroy(struct http_request *req) {
	struct http_client *client = req->client;

	http_request_remove(req);
	if (req->todo)
		DL_DELETE(client->todo, req);
	client->in_curl++;
	curl_easy_cleanup(req->easy);
	client->in_curl--;
	curl_slist_free_all(req->headers);
	buf_clear(&req->body);
	free(req->post);
	free(req->where);
	free(req);
	client->n_requests--;
}

void http_request_free(struct http_request *req) {
	if (!req)
		return;
	req->dead = true;
	if (req->client->in_curl)
		http_request_later(req, TODO_FREE);
	else
		http_request_destroy(req);
}

static long deadline_ms(struct span deadline) {
	if (deadline.ns <= 0)
		return 0;
	int64_t ms = span_to_ms(deadline);
	return ms < 1 ? 1 : ms > 1000000000 ? 1000000000 : (long)ms;
}

void http_request_start_now(struct http_request *req) {
	CURLcode code = req->setup;

	if (code == CURLE_OK)
		code = curl_easy_setopt(req->easy, CURLOPT_TIMEOUT_MS, deadline_ms(req->deadline));
	if (code == CURLE_OK && curl_multi_add_handle(req->share->multi, req->easy) != CURLM_OK)
		code = CURLE_FAILED_INIT;
	if (code == CURLE_OK)
		req->added = true;
	else
		http_request_finish(req, code);
}

void http_request_start(struct http_request *req) {
	assert(!req->running && !req->dead);
	buf_clear(&req->body);
	req->running = true;
	req->paused = req->responded = req->cut = req->too_large = false;
	req->status = 0;
	req->header_bytes = 0;
	req->reason[0] = '\0';
	if (req->client->in_curl || req->setup != CURLE_OK)
		http_request_later(req, TODO_START);
	else
		http_request_start_now(req);
}

bool http_request_is_running(const struct http_request *req) { return req->running; }

void http_request_set_deadline(struct http_request *req, struct span deadline) { req->deadline = deadline; }

void http_request_pause(struct http_request *req) { req->paused = true; }

void http_request_resume(struct http_request *req) {
	req->paused = false;
	if (req->running && !req->dead)
		http_request_later(req, TODO_RESUME);
}

void http_request_resume_now(struct http_request *req) {
	req->client->in_curl++;
	curl_easy_pause(req->easy, CURLPAUSE_CONT);
	req->client->in_curl--;
}
