/* What the client's files share. */
#ifndef HTTP_CLIENT_INTERNAL_H
#define HTTP_CLIENT_INTERNAL_H

#include "base/buf.h"
#include "http/client.h"

#include <curl/curl.h>

#define SHARES 16

enum todo {
	TODO_START = 1 << 0,
	TODO_RESUME = 1 << 1,
	TODO_FREE = 1 << 2,
};

/* libcurl 7.88 walks all of a multi handle's connections whenever a request ends. With a thousand engines that was a quarter of all
 * work, so they are shared out by host and port. */
struct share {
	struct http_client *client;
	CURLM *multi;
	uv_timer_t timer;
};

struct http_client {
	uv_loop_t *loop;
	struct share shares[SHARES];
	uv_idle_t wake; /* runs while there is something to do */
	int open_handles;
	unsigned in_curl;
	size_t n_requests;
	struct http_request *todo;
};

struct http_request {
	struct http_client *client;
	struct share *share;
	CURL *easy;
	struct curl_slist *headers;
	char *where; /* for errors: host and port, or the socket's path */
	char *post;
	CURLcode setup; /* the first option that libcurl refused */
	http_done_fn *on_done;
	http_header_fn *on_header;
	http_response_fn *on_response;
	http_data_fn *on_data;
	http_source_fn *source;
	void *ctx;
	struct span connect_timeout, deadline;
	size_t body_limit;

	bool running, added, dead, paused, responded;
	bool cut, too_large;
	int status;
	size_t header_bytes;
	struct buf body;
	char reason[CURL_ERROR_SIZE];

	unsigned todo;
	struct http_request *prev, *next;
};

/* client.c: at the next turn of the loop, outside of libcurl. */
void http_request_later(struct http_request *req, enum todo what);

/* client-answer.c: libcurl's callbacks, and the end. The request may be gone after its end. */
size_t http_request_on_header(char *data, size_t size, size_t n, void *ctx);
size_t http_request_on_body(char *data, size_t size, size_t n, void *ctx);
void http_request_finish(struct http_request *req, CURLcode code);

/* client-request.c: only outside of libcurl's callbacks. */
void http_request_start_now(struct http_request *req);
void http_request_resume_now(struct http_request *req);
void http_request_remove(struct http_request *req); /* from the multi handle */
void http_request_destroy(struct http_request *req);

#endif
