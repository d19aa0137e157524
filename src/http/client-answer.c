/* An answer as it comes, within its limits, and what a request's end means: whether it can have had an effect. */
#include "http/client-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void got_response(struct http_request *req) {
	long status = 0;

	curl_easy_getinfo(req->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || req->responded)
		return;
	req->responded = true;
	req->status = (int)status;
	if (req->on_response && !req->dead)
		req->on_response(req->ctx, (int)status);
}

static void got_header(struct http_request *req, char *line) {
	char *colon = strchr(line, ':');

	if (!colon || !req->on_header || req->dead)
		return;
	*colon = '\0';
	req->on_header(req->ctx, line, colon + 1 + strspn(colon + 1, " \t"));
}

size_t http_request_on_header(char *data, size_t size, size_t n, void *ctx) {
	struct http_request *req = ctx;

	req->header_bytes += size * n;
	if (req->dead)
		return 0;
	if (req->header_bytes > HTTP_HEADERS_MAX) {
		req->too_large = true;
		return 0;
	}
	CLEANUP_FREE char *line = xstrndup(data, size * n);
	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0')
		got_response(req);
	else
		got_header(req, line);
	return size * n;
}

static size_t collect(struct http_request *req, const char *data, size_t n) {
	bool success = req->status >= 200 && req->status < 300;
	size_t limit = success ? req->body_limit : HTTP_ERROR_BODY_MAX;

	if (n <= limit - req->body.len) {
		buf_append(&req->body, data, n);
		return n;
	}
	if (success) {
		req->too_large = true;
		return 0;
	}
	buf_append(&req->body, data, limit - req->body.len);
	req->cut = true; /* enough to say why; the rest may be endless */
	return 0;
}

size_t http_request_on_body(char *data, size_t size, size_t n, void *ctx) {
	struct http_request *req = ctx;

	if (req->dead)
		return 0;
	if (!req->on_data || req->status < 200 || req->status > 299)
		return collect(req, data, size * n);
	if (req->paused)
		return CURL_WRITEFUNC_PAUSE;
	req->on_data(req->ctx, data, size * n);
	return req->dead ? 0 : size * n;
}

static const char *timeout_text(const struct http_request *req, bool sent, char *text, size_t n) {
	double seconds = span_to_sec(sent ? req->deadline : req->connect_timeout);

	if (!sent && req->deadline.ns > 0 && span_less(req->deadline, req->connect_timeout))
		seconds = span_to_sec(req->deadline);
	snprintf(text, n, sent ? "no complete answer within %.1f s" : "no connection within %.1f s", seconds);
	return text;
}

static const char *failure_text(const struct http_request *req, CURLcode code, bool sent, char *text, size_t n) {
	long os_error = 0;

	if (req->too_large) {
		snprintf(text, n, "answer larger than %zu bytes",
			 req->header_bytes > HTTP_HEADERS_MAX ? HTTP_HEADERS_MAX : req->body_limit);
		return text;
	}
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return timeout_text(req, sent, text, n);
	case CURLE_GOT_NOTHING:
		return "closed without an answer";
	case CURLE_PARTIAL_FILE:
		return "closed in the middle of the answer";
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(req->easy, CURLINFO_OS_ERRNO, &os_error);
		if (os_error)
			return strerror_r((int)os_error, text, n);
		break;
	default:
		break;
	}
	return req->reason[0] ? req->reason : curl_easy_strerror(code);
}

static enum http_outcome classify(const struct http_request *req, CURLcode code, bool sent) {
	if (code == CURLE_OK || req->cut)
		return HTTP_ANSWERED;
	if (req->too_large)
		return HTTP_BAD;
	if (!sent)
		return HTTP_NOT_SENT;
	if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL)
		return HTTP_BAD;
	return HTTP_UNKNOWN;
}

static int outcome_code(enum http_outcome outcome, CURLcode code) {
	if (code == CURLE_OPERATION_TIMEDOUT)
		return -ETIMEDOUT;
	return outcome == HTTP_NOT_SENT ? -ECONNREFUSED : outcome == HTTP_BAD ? -EBADMSG : -EIO;
}

/* The callback may free the request: nothing of it is touched afterwards. */
void http_request_finish(struct http_request *req, CURLcode code) {
	struct http_result result = {.status = req->status};
	CLEANUP_BUF struct buf body = req->body;
	char text[160];
	long sent = 0;

	curl_easy_getinfo(req->easy, CURLINFO_REQUEST_SIZE, &sent);
	req->body = (struct buf){0};
	result.outcome = classify(req, code, sent > 0);
	result.body = body.data ? body.data : "";
	result.body_len = body.len;
	if (result.outcome != HTTP_ANSWERED)
		err_set(&result.err, outcome_code(result.outcome, code), "%s: %s", req->where,
			failure_text(req, code, sent > 0, text, sizeof(text)));
	http_request_remove(req);
	req->running = false;
	if (!req->dead && req->on_done)
		req->on_done(req->ctx, &result);
}
