/* See agent.h. */
#include "config/agent.h"

#include "config/document.h"
#include "config/reader.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>

#define AT(member) .offset = offsetof(struct agent_config, member)

static const struct field tls_fields[] = {
	{"ca", read_file, AT(tls_ca)},
	{"cert", read_file, AT(tls_cert)},
	{"key", read_file, AT(tls_key)},
	{0},
};

static const struct field root_fields[] = {
	{"listen", read_http_url, AT(listen)},
	{"engine", read_unix_url, AT(engine)},
	{"engine_pid", read_int, AT(engine_pid), .low = 1, .high = INT_MAX},
	{"netns_dir", read_path, AT(netns_dir)},
	{"state", read_path, AT(state)},
	{"swarm_control", read_unix_url, AT(swarm_control)},
	{"cluster", read_name, AT(cluster)},
	{"tls", read_mapping, .sub = tls_fields},
	{0},
};

int agent_config_parse(const char *text, size_t len, const char *name, const char *base_dir, struct agent_config *ret,
		       struct err *err) {
	struct node *root CLEANUP(cleanup_node) = NULL;
	const struct reader r = {.name = name, .base_dir = base_dir, .err = err};
	struct agent_config c = {0};

	int status = document_parse(text, len, name, &root, err);
	if (status < 0)
		return status;
	if (root->kind != NODE_MAPPING)
		return reader_refuse(&r, root, "expected a mapping, got %s", node_describe(root));
	if ((status = read_fields(&r, root_fields, root, &c)) < 0) {
		agent_config_clear(&c);
		return status;
	}
	*ret = c;
	return 0;
}

int agent_config_load(const char *path, struct agent_config *ret, struct err *err) {
	struct buf text CLEANUP_BUF = {0};
	char dir[PATH_MAX];

	int status = document_read(path, &text, err);
	if (status < 0)
		return status;
	char *copy CLEANUP_FREE = xstrdup(path);
	if (!realpath(dirname(copy), dir))
		return err_errno(err, -errno, "%s: cannot resolve its directory", path);
	return agent_config_parse(text.data ? text.data : "", text.len, path, dir, ret, err);
}

static int check_readable(const char *what, const char *path, struct err *err) {
	return access(path, R_OK) < 0 ? err_errno(err, -errno, "%s: %s", what, path) : 0;
}

static int check_tls(const struct agent_config *c, struct err *err) {
	bool secure = strncmp(c->listen, "https://", 8) == 0;
	int given = !!c->tls_ca + !!c->tls_cert + !!c->tls_key, r;

	if (!secure && given > 0)
		return err_set(err, -EINVAL, "there is a certificate, and listen is http://: expected https://");
	if (!secure)
		return 0;
	if (given < 3)
		return err_set(err, -EINVAL, "listen is https://: ca, cert and key are needed");
	if ((r = check_readable("ca", c->tls_ca, err)) < 0 || (r = check_readable("cert", c->tls_cert, err)) < 0)
		return r;
	return check_readable("key", c->tls_key, err);
}

int agent_config_check(const struct agent_config *c, struct err *err) {
	if (!c->listen)
		return err_set(err, -EINVAL, "listen is missing");
	if (!url_has_host_and_port(c->listen, "http") && !url_has_host_and_port(c->listen, "https"))
		return err_set(err, -EINVAL, "listen: %.128s: expected http://address:port or https://address:port", c->listen);
	if (!c->engine)
		return err_set(err, -EINVAL, "engine is missing");
	if (!url_is_unix(c->engine))
		return err_set(err, -EINVAL, "engine: %.128s: expected unix:///path", c->engine);
	if (c->swarm_control && !url_is_unix(c->swarm_control))
		return err_set(err, -EINVAL, "swarm control: %.128s: expected unix:///path", c->swarm_control);
	return check_tls(c, err);
}

void agent_config_clear(struct agent_config *c) {
	char *texts[] = {c->listen,  c->engine, c->netns_dir, c->state,  c->swarm_control,
			 c->cluster, c->tls_ca, c->tls_cert,  c->tls_key};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]);
	*c = (struct agent_config){0};
}
