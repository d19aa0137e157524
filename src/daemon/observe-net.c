/* Which networks an engine has, and of what kind they are. */
#include "daemon/observe-internal.h"

#include "base/alloc.h"
#include "daemon/translate.h"

#include <string.h>

void observe_clear_nets(struct observer *o) {
	for (size_t i = 0; i < o->n_nets; i++) {
		free(o->nets[i].id);
		free(o->nets[i].name);
	}
	free(o->nets);
	o->nets = NULL;
	o->n_nets = 0;
}

static const struct known_net *find_net(const struct observer *o, const char *id, const char *name) {
	for (size_t i = 0; o && i < o->n_nets; i++)
		if (*id ? strcmp(o->nets[i].id, id) == 0 : strcmp(o->nets[i].name, name) == 0)
			return &o->nets[i];
	return NULL;
}

/* A worker forgets an overlay that nothing of it uses; the swarm's managers know it all the same. */
enum net_kind observe_net_kind(void *ctx, const char *id, const char *name) {
	const struct daemon_node *n = ctx;
	const struct daemon *d = n->daemon;
	const struct known_net *net = find_net(n->observer, id, name);

	for (size_t i = 0; !net && i < d->n_nodes; i++) {
		net = find_net(d->nodes[i].observer, id, name);
		if (net && net->kind == NET_LOCAL)
			net = NULL;
	}
	return net ? net->kind : NET_LOCAL;
}

void observe_take_nets(struct daemon_node *n, const struct engine_result *result) {
	struct observer *o = n->observer;

	observe_clear_nets(o);
	strs_clear(&o->facts.local_networks);
	o->nets = xnew_n(struct known_net, result->n);
	for (size_t i = 0; i < result->n; i++) {
		const struct engine_network *net = &result->networks[i];
		o->nets[o->n_nets++] = (struct known_net){xstrdup(net->id), xstrdup(net->name), translate_network_kind(net)};
		if (o->nets[i].kind == NET_LOCAL)
			strs_add(&o->facts.local_networks, net->name);
	}
}
