# shellcheck shell=sh
#
# The laboratory's other overlay: engines that share a key/value store instead
# of a swarm, which only 20.10 still can.
#
# The store is etcd with its old API, one member, on the wire's own address: it
# stays where every host but the cut one reaches it, like a store elsewhere in
# the data centre. Hosts find each other through it and then gossip (7946).
#
# Sourced by `lab`, whose functions and variables it uses.

# shellcheck disable=SC2154,SC2034 # of and for lab

store_url() { printf 'http://%s.1:2379\n' "$subnet"; }

store_answers() {
	nsenter --net="/run/netns/heir-$lab" \
		curl -fs -m 2 "$(store_url)/health"
}

# In the memory of /run, not on disk: every heartbeat of a host is a write.
store_start() {
	[ -z "$(group_procs "heir-$lab/store")" ] || return 0
	etcd=$("$here/engines" --etcd)
	(
		cd /
		unset NOTIFY_SOCKET LISTEN_FDS
		in_group "heir-$lab/store" \
			nsenter --net="/run/netns/heir-$lab" -- \
			setsid "$etcd/bin/etcd" --name "$lab" --enable-v2 \
			--data-dir "$dir/store" \
			--listen-client-urls "$(store_url)" \
			--advertise-client-urls "$(store_url)" \
			--listen-peer-urls http://127.0.0.1:2380
	) </dev/null >>"$state/etcd.log" 2>&1 9>&- &
	wait_for 60 "the key/value store, see $state/etcd.log" store_answers
}

# probe_stays HOST: the probe's container is left where it runs, so that the
# host never drops the network: the engine may then keep a thread in the
# namespace that is gone, and a call which that thread serves reaches no store.
probe_stays() {
	[ "$overlay" = kv ] && [ "$(cli "$1" inspect "$probe-$1" \
		--format '{{.State.Running}}' 2>/dev/null)" = true ]
}

# Emptying the hosts is not enough, for the same reason, and because an engine
# that lost its power while it had endpoints does not join their network again
# before another restart.
store_lab_reset() {
	remove_remains
	rm -rf "${dir:?}"/store "${disco:?}" "${state:?}"/h*/data "$state"/h*/agent.json \
		"$state"/h*/consul
	lab_build
	stage reset
}

check_kv_engines() {
	for host in $(host_names); do
		[ "$(host_engine "$host")" = 20.10 ] ||
			die "--overlay kv: $host: only engine 20.10 has it"
	done
}
