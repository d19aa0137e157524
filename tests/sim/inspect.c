/* What an engine says of a container when it is inspected: a small document with the fields that are read, made as an engine makes
 * them (docs/engine-facts.md), so that whatever heird knows of a container has come through its own reading of one. */
#include "sim.h"

#include "base/alloc.h"
#include "base/json.h"
#include "engine/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As it was when its document was made: most looks find a container as it was. */
struct inspection {
	struct fake_container was;
	json_t *document;
};

static void label_service(json_t *labels, int number, const struct fake_service *s) {
	static const char *const addresses[] = {[SERVICE_OVERLAY] = "overlay", [SERVICE_HOST] = "host"};
	char key[40], port[8];

	snprintf(port, sizeof(port), "%u", s->port);
	const struct {
		const char *field, *value;
	} fields[] = {
		{"", *s->name ? s->name : NULL},
		{".port", s->port ? port : NULL},
		{".tags", *s->tag ? s->tag : NULL},
		{".address", s->address ? addresses[s->address] : NULL},
	};
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (fields[i].value)
			json_set_str(labels, fake_service_label(number, fields[i].field, key), fields[i].value);
}

static json_t *labels(const struct fake_container *c) {
	json_t *j = json_object();
	char generation[16];

	if (*c->takeover) {
		snprintf(generation, sizeof(generation), "%u", c->generation);
		json_set_str(j, SPEC_LABEL_WORKLOAD, c->workload);
		json_set_str(j, SPEC_LABEL_TAKEOVER, c->takeover);
		json_set_str(j, SPEC_LABEL_GENERATION, generation);
		json_set_str(j, SPEC_LABEL_CLUSTER, FAKE_CLUSTER);
		json_set_str(j, SPEC_LABEL_IMAGE, fake_image_name(c->image));
	}
	if (c->fence)
		json_set_str(j, "heir.fence", evidence_name(c->fence));
	for (int i = 0; i < c->n_services; i++)
		label_service(j, i + 1, &c->services[i]);
	return j;
}

static json_t *config(const struct fake_container *c) {
	return json_pack("{s:s, s:s, s:o, s:o}", "Image", fake_image_name(c->image), "Hostname", c->id, "Env",
			 c->opted ? json_pack("[ss]", "PATH=/bin", "reschedule:on-node-failure") : json_pack("[s]", "PATH=/bin"),
			 "Labels", labels(c));
}

static const char *network_mode(const struct fake_container *c) {
	for (int k = 0; k < FAKE_NETS; k++)
		if (*c->ip[k])
			return fake_net_name(k);
	return "bridge";
}

static json_t *restart_policy(const struct fake_container *c) {
	const char *colon = strchr(c->policy, ':');

	return json_pack("{s:s%, s:i}", "Name", c->policy, colon ? (size_t)(colon - c->policy) : strlen(c->policy),
			 "MaximumRetryCount", colon ? atoi(colon + 1) : 0);
}

static json_t *host_config(const struct fake_container *c) {
	json_t *ports = json_object();
	char port[8];

	if (c->port || c->any_port) {
		snprintf(port, sizeof(port), "%.0u", c->port); /* "" for any */
		json_object_set_new(ports, "80/tcp", json_pack("[{s:s, s:s}]", "HostIp", "", "HostPort", port));
	}
	return json_pack("{s:s, s:o, s:o}", "NetworkMode", network_mode(c), "RestartPolicy", restart_policy(c), "PortBindings",
			 ports);
}

/* As given, and as long as it runs the short ID as well. */
static json_t *aliases(const struct fake_container *c) {
	json_t *j = json_array();

	if (*c->alias)
		json_array_append_new(j, json_string(c->alias));
	if (c->running)
		json_array_append_new(j, json_string(c->id));
	return j;
}

/* A stopped one keeps what it asked for, and shows no address. */
static json_t *endpoint(const struct fake_container *c, int k) {
	bool up = c->running;

	return json_pack("{s:{s:s}, s:o, s:s, s:s, s:i, s:s}", "IPAMConfig", "IPv4Address", c->ip[k], "Aliases", aliases(c),
			 "NetworkID", c->started ? fake_net_id(k) : "", "IPAddress", up ? c->ip[k] : "", "IPPrefixLen", up ? 24 : 0,
			 "MacAddress", up ? c->mac[k] : "");
}

static json_t *networks(const struct fake_container *c) {
	json_t *j = json_object();

	for (int k = 0; k < FAKE_NETS; k++)
		if (*c->ip[k] && c->connected[k])
			json_object_set_new(j, fake_net_name(k), endpoint(c, k));
	if (!fake_has_overlay(c))
		json_object_set_new(j, "bridge", json_object());
	return j;
}

/* What its host has open for it now. */
static json_t *bound(const struct fake_container *c) {
	json_t *ports = json_object();
	char port[8];

	if (c->running && c->bound) {
		snprintf(port, sizeof(port), "%u", c->bound);
		json_object_set_new(ports, "80/tcp", json_pack("[{s:s, s:s}]", "HostIp", "0.0.0.0", "HostPort", port));
	}
	return ports;
}

static json_t *make(const struct fake_container *c) {
	char *name = xasprintf("/%s", c->name), *sandbox = c->running ? xasprintf("/var/run/docker/netns/%s", c->id) : xstrdup("");
	const char *status = c->running ? "running" : c->started ? "exited" : "created";
	json_t *j = json_pack("{s:s, s:s, s:s, s:{s:s, s:b, s:b, s:b, s:{s:s}}, s:o, s:o, s:{s:s, s:o, s:o}}", "Id", c->id, "Name",
			      name, "Image", fake_image_id(c->image), "State", "Status", status, "Running", c->running, "Paused", 0,
			      "Restarting", 0, "Health", "Status", c->running && c->unhealthy ? "unhealthy" : "none", "Config",
			      config(c), "HostConfig", host_config(c), "NetworkSettings", "SandboxKey", sandbox, "Ports", bound(c),
			      "Networks", networks(c));

	if (!j)
		abort();
	free(name);
	free(sandbox);
	return j;
}

static int index_of(const struct sim *s, const struct fake_container *c) {
	int i = 0;
	while (s->fake.containers[i] != c)
		i++;
	return i;
}

json_t *inspect_container(struct sim *s, const struct fake_container *c) {
	int i = index_of(s, c);

	if (i >= s->n_inspections) {
		s->inspections = xreallocarray(s->inspections, (size_t)i + 1, sizeof(*s->inspections));
		memset(&s->inspections[s->n_inspections], 0, (size_t)(i + 1 - s->n_inspections) * sizeof(*s->inspections));
		s->n_inspections = i + 1;
	}
	struct inspection *known = &s->inspections[i];
	if (!known->document || memcmp(&known->was, c, sizeof(*c)) != 0) {
		json_decref(known->document);
		known->document = make(c);
		known->was = *c;
	}
	return json_incref(known->document);
}

void inspect_free(struct sim *s) {
	for (int i = 0; i < s->n_inspections; i++)
		json_decref(s->inspections[i].document);
	free(s->inspections);
	s->inspections = NULL;
	s->n_inspections = 0;
}
