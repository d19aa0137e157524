/* See message.h: the tables. */
#include "net/wire/message.h"

#include <assert.h>

#define TIMEOUT_MAX_MS 60000
#define PORT_MAX 65535

#define FIELD(type, member, kind_, ...) \
	{ .key = #member, .kind = (kind_), .offset = offsetof(struct type, member), __VA_ARGS__ }
#define LIST(type, member, of, ...) FIELD(type, member, WIRE_LIST, .shape = &(of), __VA_ARGS__)
#define INLINE(type, member, of) \
	{ .kind = WIRE_INLINE, .offset = offsetof(struct type, member), .shape = &(of) }
#define END \
	{ .kind = WIRE_KIND_MAX }
#define REQUIRED .required = true
#define SHAPE(name, type) const struct wire_shape name##_shape = {.size = sizeof(struct type), .fields = name##_fields}

static const char *const address_words[] = {
	[WIRE_ADDRESS_HERE] = "here",
	[WIRE_ADDRESS_MISSING] = "missing",
	[WIRE_ADDRESS_ELSEWHERE] = "elsewhere",
	[WIRE_ADDRESS_MAX] = NULL,
};
static const char *const echo_words[] = {
	[WIRE_ECHO_ANSWERED] = "answered",
	[WIRE_ECHO_REFUSED] = "refused",
	[WIRE_ECHO_SILENT] = "silent",
	[WIRE_ECHO_MAX] = NULL,
};
static_assert(sizeof(address_words) / sizeof(address_words[0]) == WIRE_ADDRESS_MAX + 1, "a word for each");
static_assert(sizeof(echo_words) / sizeof(echo_words[0]) == WIRE_ECHO_MAX + 1, "a word for each");

const char *wire_address_name(enum wire_address address) { return address_words[address]; }
const char *wire_echo_name(enum wire_echo echo) { return echo_words[echo]; }

/* The parts. */

static const struct wire_field wire_envelope_fields[] = {
	FIELD(wire_envelope, manager, WIRE_ID, REQUIRED),
	FIELD(wire_envelope, cluster, WIRE_TEXT, REQUIRED),
	FIELD(wire_envelope, epoch, WIRE_INT, REQUIRED, .low = 0, .high = INT64_MAX),
	END,
};
SHAPE(wire_envelope, wire_envelope);

static const struct wire_field owner_fields[] = {
	FIELD(wire_owner, network_id, WIRE_ID, REQUIRED),
	FIELD(wire_owner, mac, WIRE_MAC, REQUIRED),
	FIELD(wire_owner, ip, WIRE_IP),
	FIELD(wire_owner, ip6, WIRE_IP),
	FIELD(wire_owner, vtep, WIRE_IP, REQUIRED),
	FIELD(wire_owner, local, WIRE_ID),
	FIELD(wire_owner, watch, WIRE_BOOL),
	END,
};
static SHAPE(owner, wire_owner);

static const struct wire_field endpoint_fields[] = {
	FIELD(wire_endpoint, network_id, WIRE_ID, REQUIRED),
	FIELD(wire_endpoint, mac, WIRE_MAC, REQUIRED),
	END,
};
static SHAPE(endpoint, wire_endpoint);

static const struct wire_field probe_fields[] = {
	FIELD(wire_probe, timeout_ms, WIRE_INT, REQUIRED, .low = 0, .high = TIMEOUT_MAX_MS),
	FIELD(wire_probe, tcp_port, WIRE_INT, .low = 0, .high = PORT_MAX),
	END,
};
static SHAPE(probe, wire_probe);

static const struct wire_field stale_fields[] = {
	FIELD(wire_stale, network_id, WIRE_ID, REQUIRED),
	FIELD(wire_stale, mac, WIRE_MAC, REQUIRED),
	FIELD(wire_stale, ip, WIRE_IP),
	FIELD(wire_stale, sandbox, WIRE_ID),
	END,
};
static SHAPE(stale, wire_stale);

static const struct wire_field target_fields[] = {
	FIELD(wire_target, name, WIRE_TEXT, REQUIRED),
	FIELD(wire_target, addr, WIRE_IP, REQUIRED),
	FIELD(wire_target, ports, WIRE_NUMBERS, .low = 1, .high = PORT_MAX),
	END,
};
static SHAPE(target, wire_target);

static const struct wire_field question_fields[] = {
	FIELD(wire_question, name, WIRE_NAME),
	FIELD(wire_question, address, WIRE_IP),
	END,
};
static SHAPE(question, wire_question);

/* Orders. */

static const struct wire_field wire_nothing_fields[] = {END};
const struct wire_shape wire_nothing_shape = {.size = 0, .fields = wire_nothing_fields};

static const struct wire_field wire_confirm_order_fields[] = {
	INLINE(wire_confirm_order, envelope, wire_envelope_shape),
	END,
};
SHAPE(wire_confirm_order, wire_confirm_order);

static const struct wire_field wire_quarantine_fields[] = {
	FIELD(wire_quarantine, vteps, WIRE_IPS, REQUIRED),
	FIELD(wire_quarantine, ports, WIRE_NUMBERS, .low = 1, .high = PORT_MAX),
	END,
};
SHAPE(wire_quarantine, wire_quarantine);

static const struct wire_field wire_quarantine_order_fields[] = {
	INLINE(wire_quarantine_order, envelope, wire_envelope_shape),
	INLINE(wire_quarantine_order, wanted, wire_quarantine_shape),
	FIELD(wire_quarantine_order, order, WIRE_INT, .low = 0, .high = INT64_MAX),
	END,
};
SHAPE(wire_quarantine_order, wire_quarantine_order);

static const struct wire_field wire_owners_order_fields[] = {
	INLINE(wire_owners_order, envelope, wire_envelope_shape),
	LIST(wire_owners_order, owners, owner_shape, REQUIRED),
	LIST(wire_owners_order, forget, endpoint_shape),
	FIELD(wire_owners_order, order, WIRE_INT, .low = 0, .high = INT64_MAX),
	END,
};
SHAPE(wire_owners_order, wire_owners_order);

static const struct wire_field wire_verify_order_fields[] = {
	INLINE(wire_verify_order, envelope, wire_envelope_shape),
	LIST(wire_verify_order, owners, owner_shape, REQUIRED),
	FIELD(wire_verify_order, probe, WIRE_OBJECT, .shape = &probe_shape),
	END,
};
SHAPE(wire_verify_order, wire_verify_order);

static const struct wire_field wire_isolate_order_fields[] = {
	INLINE(wire_isolate_order, envelope, wire_envelope_shape),
	LIST(wire_isolate_order, containers, stale_shape, REQUIRED),
	END,
};
SHAPE(wire_isolate_order, wire_isolate_order);

static const struct wire_field wire_witness_order_fields[] = {
	LIST(wire_witness_order, targets, target_shape, REQUIRED),
	FIELD(wire_witness_order, timeout_ms, WIRE_INT, REQUIRED, .low = 1, .high = TIMEOUT_MAX_MS),
	END,
};
SHAPE(wire_witness_order, wire_witness_order);

static const struct wire_field wire_resolve_order_fields[] = {
	INLINE(wire_resolve_order, envelope, wire_envelope_shape),
	FIELD(wire_resolve_order, sandbox, WIRE_ID, REQUIRED),
	FIELD(wire_resolve_order, server, WIRE_IP),
	FIELD(wire_resolve_order, timeout_ms, WIRE_INT, REQUIRED, .low = 1, .high = TIMEOUT_MAX_MS),
	LIST(wire_resolve_order, questions, question_shape, REQUIRED, .high = WIRE_QUESTIONS_MAX),
	END,
};
SHAPE(wire_resolve_order, wire_resolve_order);

static const struct wire_field wire_remove_task_order_fields[] = {
	INLINE(wire_remove_task_order, envelope, wire_envelope_shape),
	FIELD(wire_remove_task_order, task, WIRE_ID, REQUIRED),
	END,
};
SHAPE(wire_remove_task_order, wire_remove_task_order);

/* Answers. */

static const struct wire_field wire_refusal_fields[] = {
	FIELD(wire_refusal, error, WIRE_TEXT, REQUIRED),
	FIELD(wire_refusal, code, WIRE_TEXT),
	FIELD(wire_refusal, manager, WIRE_TEXT),
	FIELD(wire_refusal, epoch, WIRE_INT),
	END,
};
SHAPE(wire_refusal, wire_refusal);

static const struct wire_field contested_fields[] = {
	FIELD(wire_contested, network_id, WIRE_ID, REQUIRED),
	FIELD(wire_contested, mac, WIRE_MAC, REQUIRED),
	FIELD(wire_contested, ip, WIRE_IP),
	FIELD(wire_contested, flips, WIRE_INT),
	END,
};
static SHAPE(contested, wire_contested);

static const struct wire_field wire_status_fields[] = {
	FIELD(wire_status, version, WIRE_TEXT, REQUIRED),
	FIELD(wire_status, instance, WIRE_TEXT, REQUIRED),
	FIELD(wire_status, hostname, WIRE_TEXT),
	FIELD(wire_status, manager, WIRE_ID),
	FIELD(wire_status, cluster, WIRE_TEXT),
	FIELD(wire_status, epoch, WIRE_INT, REQUIRED, .low = 0, .high = INT64_MAX),
	FIELD(wire_status, engine_pid, WIRE_INT),
	FIELD(wire_status, networks, WIRE_IDS, REQUIRED),
	FIELD(wire_status, quarantine, WIRE_OBJECT, REQUIRED, .shape = &wire_quarantine_shape),
	FIELD(wire_status, owners, WIRE_INT),
	FIELD(wire_status, repaired, WIRE_INT),
	FIELD(wire_status, flips, WIRE_INT),
	LIST(wire_status, contested, contested_shape),
	LIST(wire_status, former, endpoint_shape),
	FIELD(wire_status, swarm_control, WIRE_BOOL),
	FIELD(wire_status, errors, WIRE_TEXTS),
	END,
};
SHAPE(wire_status, wire_status);

static const struct wire_field owner_state_fields[] = {
	FIELD(wire_owner_state, network_id, WIRE_ID, REQUIRED),
	FIELD(wire_owner_state, mac, WIRE_MAC, REQUIRED),
	FIELD(wire_owner_state, joined, WIRE_BOOL, REQUIRED),
	FIELD(wire_owner_state, before, WIRE_TEXTS),
	FIELD(wire_owner_state, after, WIRE_TEXTS),
	FIELD(wire_owner_state, changed, WIRE_INT),
	FIELD(wire_owner_state, right, WIRE_BOOL, REQUIRED),
	FIELD(wire_owner_state, contested, WIRE_BOOL),
	FIELD(wire_owner_state, error, WIRE_TEXT),
	END,
};
static SHAPE(owner_state, wire_owner_state);

/* The same struct; the first part frees and reads what both have. */
static const struct wire_field verified_state_fields[] = {
	{.kind = WIRE_INLINE, .offset = 0, .shape = &owner_state_shape},
	FIELD(wire_owner_state, address, WIRE_WORD, .words = address_words),
	FIELD(wire_owner_state, strays, WIRE_IDS),
	FIELD(wire_owner_state, icmp, WIRE_WORD, .words = echo_words),
	FIELD(wire_owner_state, tcp, WIRE_WORD, .words = echo_words),
	FIELD(wire_owner_state, answered_from, WIRE_TEXT),
	END,
};
static SHAPE(verified_state, wire_owner_state);

static const struct wire_field wire_owner_states_fields[] = {
	LIST(wire_owner_states, owners, owner_state_shape, REQUIRED),
	END,
};
SHAPE(wire_owner_states, wire_owner_states);

static const struct wire_field wire_verified_fields[] = {
	LIST(wire_owner_states, owners, verified_state_shape, REQUIRED),
	END,
};
SHAPE(wire_verified, wire_owner_states);

static const struct wire_field cut_fields[] = {
	FIELD(wire_cut, cut, WIRE_INT, REQUIRED),
	FIELD(wire_cut, error, WIRE_TEXT),
	END,
};
static SHAPE(cut, wire_cut);

static const struct wire_field wire_cuts_fields[] = {
	LIST(wire_cuts, containers, cut_shape, REQUIRED),
	END,
};
SHAPE(wire_cuts, wire_cuts);

static const struct wire_field sighting_fields[] = {
	FIELD(wire_sighting, name, WIRE_TEXT, REQUIRED),
	FIELD(wire_sighting, reached, WIRE_BOOL, REQUIRED),
	FIELD(wire_sighting, how, WIRE_TEXT),
	END,
};
static SHAPE(sighting, wire_sighting);

static const struct wire_field wire_reached_fields[] = {
	LIST(wire_reached, targets, sighting_shape, REQUIRED),
	END,
};
SHAPE(wire_reached, wire_reached);

static const struct wire_field answer_fields[] = {
	FIELD(wire_answer, addresses, WIRE_IPS, REQUIRED),
	FIELD(wire_answer, names, WIRE_TEXTS, REQUIRED),
	FIELD(wire_answer, error, WIRE_TEXT),
	END,
};
static SHAPE(answer, wire_answer);

static const struct wire_field wire_answers_fields[] = {
	FIELD(wire_answers, heard, WIRE_BOOL, REQUIRED),
	LIST(wire_answers, answers, answer_shape, REQUIRED, .high = WIRE_QUESTIONS_MAX),
	END,
};
SHAPE(wire_answers, wire_answers);
