# shellcheck shell=sh
#
# The laboratory's servers of service discovery: Consul, etcd and BIND, real ones,
# at the wire's own address like the key/value store (kv.sh) and away from every
# host that may be cut.
#
#	consul	HTTP 8500, DNS 8600; one server, and clients on hosts that want one
#	etcd	2389: another than the engines' store
#	bind	53, zones lab.example, 20.10.in-addr.arpa and 0.0.d.f.ip6.arpa
#
# Each is a cgroup heir-NAME/disco-SERVER, what it keeps is in memory and survives
# that it is stopped: stopped means killed. Slow is the lossy program with
# nothing lost, on what the server answers: connections that are open already are
# slow as well. Garbage is a program (rubbish.c) in its place.
#
# Secrets are made afresh and are files of the folder that `discovery folder`
# names: token, password (user heir), key and key512 (TSIG, of these names: heir,
# heir512), and of each one that is wrong, NAME-wrong.
#
# Sourced by `lab`, whose functions and variables it uses.

# shellcheck disable=SC2154,SC2034 # of and for lab

disco=$dir/discovery
servers='consul etcd bind'
reverse4=20.10.in-addr.arpa reverse6=0.0.d.f.ip6.arpa

server_port() {
	case $1 in
	consul) echo 8500 ;;
	etcd) echo 2389 ;;
	bind) echo 53 ;;
	*) die "discovery: there is no server '$1': $servers" ;;
	esac
}

server_group() { printf 'heir-%s/disco-%s\n' "$lab" "$1"; }
server_pids() { group_procs "$(server_group "$1")"; }
server_bin() { cat "$disco/$1.bin"; }

# at_server SERVER CMD...: one of its users' programs.
at_server() {
	program=$(server_bin "$1")/$2
	shift 2
	in_underlay "$program" "$@"
}

server_run() {
	group=$(server_group "$1") output=$state/$1.log
	shift
	(
		cd /
		unset NOTIFY_SOCKET LISTEN_FDS
		in_group "$group" nsenter --net="/run/netns/heir-$lab" -- setsid "$@"
	) </dev/null >>"$output" 2>&1 9>&- &
}

# server_signal SERVER SIGNAL
server_signal() {
	pids=$(server_pids "$1")
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || kill "-$2" $pids
}

### Secrets

random_uuid() { cat /proc/sys/kernel/random/uuid; }
random_base64() { head -c "$1" /dev/urandom | base64 -w 0; }

secrets_make() {
	(
		umask 077
		for name in token token-wrong token-root password password-wrong \
			password-root; do
			random_uuid >"$disco/$name"
		done
		for name in key key-wrong key-foreign; do
			random_base64 32 >"$disco/$name"
		done
		random_base64 64 >"$disco/key512"
	)
}

### Consul

# For the server and the hosts' agents. The small multiplier is for a leader that
# is there in a second and not in ten.
consul_settings() {
	cat <<-END
	{ "disable_update_check": true, "performance": {"raft_multiplier": 1},
	  "ports": {"dns": 8600, "grpc": -1},
	  "dns_config": {"service_ttl": {"*": "0s"}, "allow_stale": false}
	END
	[ "$disco_acl" = no ] || cat <<-END
	, "acl": {"enabled": true, "default_policy": "deny", "tokens":
		{"master": "$(cat "$disco/token-root")",
		"agent": "$(cat "$disco/token-root")"}}
	END
	printf '}\n'
}

consul_tool() {
	[ "$disco_acl" = no ] ||
		CONSUL_HTTP_TOKEN=$(cat "$disco/${consul_token:-token-root}")
	export CONSUL_HTTP_TOKEN="${CONSUL_HTTP_TOKEN:-}"
	export CONSUL_HTTP_ADDR="http://$subnet.1:8500"
	at_server consul consul "$@"
}

consul_run() {
	consul_settings >"$disco/consul.json"
	server_run consul "$(server_bin consul)/consul" agent -server \
		-bootstrap-expect 1 -node consul -bind "$subnet.1" \
		-client "$subnet.1" -data-dir "$disco/consul" \
		-config-file "$disco/consul.json"
}

# A node that can be read is there once a leader has written its own.
consul_answers() {
	consul_tool catalog nodes | grep -q '^consul '
}

# What heird's manual says that its token needs; clients of its DNS have none.
consul_prepare() {
	[ "$disco_acl" = yes ] || return 0
	consul_tool acl policy create -name heir -rules \
		'node "heir-lab" { policy = "write" }
		node_prefix "" { policy = "read" }
		service_prefix "" { policy = "write" }'
	consul_tool acl policy create -name look -rules \
		'node_prefix "" { policy = "read" }
		service_prefix "" { policy = "read" }'
	consul_tool acl token create -description heir -policy-name heir \
		-secret "$(cat "$disco/token")"
	consul_tool acl token update -id anonymous -policy-name look
}

### etcd

etcd_url() { printf 'http://%s.1:2389\n' "$subnet"; }

etcd_run() {
	server_run etcd "$(server_bin etcd)/etcd" --name "$lab" \
		--data-dir "$disco/etcd" \
		--listen-client-urls "$(etcd_url)" \
		--advertise-client-urls "$(etcd_url)" \
		--listen-peer-urls http://127.0.0.1:2390 \
		--initial-advertise-peer-urls http://127.0.0.1:2390 \
		--initial-cluster "$lab=http://127.0.0.1:2390"
}

etcd_answers() { in_underlay curl -fs -m 2 "$(etcd_url)/health"; }

etcd_tool() {
	[ ! -e "$disco/etcd-auth" ] ||
		set -- --user "root:$(cat "$disco/password-root")" "$@"
	at_server etcd etcdctl --endpoints "$(etcd_url)" "$@"
}

etcd_prepare() {
	[ "$disco_auth" = yes ] || return 0
	etcd_tool user add "root:$(cat "$disco/password-root")"
	etcd_tool user add "heir:$(cat "$disco/password")"
	etcd_tool role add heir
	etcd_tool role grant-permission heir --prefix=true readwrite /skydns
	etcd_tool user grant-role heir heir
	etcd_tool user grant-role root root
	etcd_tool auth enable
	: >"$disco/etcd-auth"
}

### BIND

bind_key() {
	printf 'key "%s" { algorithm %s; secret "%s"; };\n' "$1" "$2" \
		"$(cat "$disco/$3")"
}

bind_zone() {
	cat <<-END
	zone "$1" { type primary; file "$1"; notify no;
		allow-update { key heir; key heir512; key foreign; };
		allow-transfer { key heir; key heir512; key foreign; }; };
	END
	[ -e "$disco/bind/$1" ] || cat >"$disco/bind/$1" <<-END
	\$TTL 10
	@ SOA ns.lab.example. root.lab.example. 1 3600 600 86400 1
	@ NS ns.lab.example.
	END
}

# There is one zone that nobody may change.
bind_settings() {
	bind_key heir hmac-sha256 key
	bind_key heir512 hmac-sha512 key512
	bind_key foreign hmac-sha256 key-foreign
	cat <<-END
	options { directory "$disco/bind"; pid-file none; session-keyfile none;
		listen-on port 53 { $subnet.1; }; listen-on-v6 { none; };
		recursion no; dnssec-validation no; minimal-responses yes; };
	controls { };
	END
	for zone in lab.example $reverse4 $reverse6; do
		bind_zone "$zone"
	done
	bind_zone closed.example | sed 's/allow-update.*/allow-update { none; };/'
}

bind_run() {
	mkdir -p "$disco/bind"
	bind_settings >"$disco/named.conf"
	grep -q '^ns A' "$disco/bind/lab.example" ||
		printf 'ns A %s.1\n' "$subnet" >>"$disco/bind/lab.example"
	server_run bind "$(server_bin bind)/named" -g -n 1 -c "$disco/named.conf"
}

bind_dig() {
	unpacked=$("$here/engines" --bind) || die "discovery: there is no bind"
	in_underlay "$unpacked/bin/dig" "@$subnet.1" +time=2 +tries=1 "$@"
}

bind_answers() { bind_dig +short lab.example SOA | grep -q '^ns\.'; }

# As another than heir, by a program that is not ours; what it does is read from
# its input.
bind_nsupdate() {
	{
		printf 'server %s.1 53\n' "$subnet"
		cat
		printf 'send\n'
	} | at_server bind nsupdate \
		-y "hmac-sha256:foreign:$(cat "$disco/key-foreign")"
}

bind_prepare() { :; }

### Servers: up, down, and what fails

server_wait() {
	wait_for 60 "$1, see $state/$1.log" "$1_answers"
}

# server_up SERVER: not more than once.
server_up() {
	[ ! -e "$disco/$1.bin" ] || return 0
	unpacked=$("$here/engines" "--$1") || die "discovery: there is no $1"
	printf '%s/bin\n' "$unpacked" >"$disco/$1.bin"
	"$1_run"
	server_wait "$1"
	"$1_prepare" >>"$state/$1.log" 2>&1 ||
		die "$1 cannot be prepared, see $state/$1.log"
}

server_stop() {
	server_slow "$1" 0
	group_kill "$(server_group "$1")"
}

server_start() {
	[ -e "$disco/$1.bin" ] || die "discovery: $1 was never up"
	server_stop "$1"
	"$1_run"
	server_wait "$1"
}

server_garbage() {
	program=$root/build/tests/netns/rubbish
	[ -x "$program" ] || die "$program is missing: make netns-tests builds it"
	server_stop "$1"
	cp "$program" "$disco/rubbish-$1"
	server_run "$1" "$disco/rubbish-$1" "$subnet.1" "$(server_port "$1")"
	wait_for 30 "rubbish, see $state/$1.log" rubbish_listens "$1"
}

rubbish_listens() {
	in_underlay ss -Hltn "sport = :$(server_port "$1")" | grep -q .
}

# slow_rules SERVER -A|-D QUEUE
slow_rules() {
	for protocol in tcp udp; do
		in_underlay iptables -w 10 -t mangle "$2" OUTPUT -p $protocol \
			-s "$subnet.1" --sport "$(server_port "$1")" \
			-j NFQUEUE --queue-num "$3" || return 1
	done
}

# The rules go first, as with every lossy link.
server_slow() {
	queue=$((100 + $(server_port "$1") % 97)) slow_group=heir-$lab/slow-$1
	if [ -e "$disco/slow-$1" ]; then
		slow_rules "$1" -D "$queue" 2>/dev/null || :
		group_kill "$slow_group"
		group_remove "$slow_group"
		rm -rf "$disco/slow-$1"
	fi
	[ "$2" -gt 0 ] || return 0
	mkdir "$disco/slow-$1"
	lossy_run "$slow_group" "heir-$lab" "$disco/slow-$1" "$queue" 0 "$2" 0 1
	slow_rules "$1" -A "$queue"
}

# Without what they held.
discovery_down() {
	[ -e "$disco" ] || return 0
	for server in $servers; do
		server_stop "$server"
		group_remove "$(server_group "$server")"
	done
	for host in $(host_names); do
		consul_agent_end "$host" KILL
		rm -rf "${state:?}/$host/consul"
	done
	rm -rf "${disco:?}"
}

parse_discovery() {
	disco_acl=no disco_auth=no wanted=
	while [ $# -gt 0 ]; do
		case $1 in
		--acl) disco_acl=yes ;;
		--auth) disco_auth=yes ;;
		*) server_port "$1" >/dev/null; wanted="$wanted $1" ;;
		esac
		shift
	done
	[ -n "$wanted" ] || wanted=$servers
}

discovery_up() {
	parse_discovery "$@"
	if [ ! -e "$disco/options" ]; then
		rm -rf "${disco:?}"
		mkdir -p "$disco"
		secrets_make
		printf 'disco_acl=%s disco_auth=%s\n' $disco_acl $disco_auth \
			>"$disco/options"
	fi
	running=
	for server in $wanted; do
		(server_up "$server") &
		running="$running $!"
	done
	for job in $running; do
		wait "$job" || die "a server of discovery did not start"
	done
	stage "discovery:$wanted"
}

### A Consul agent on a host

consul_agent_pids() { group_procs "heir-$lab-$1/consul"; }

consul_agent_answers() {
	nsenter --net="/run/netns/heir-$lab-$1" curl -fs -m 2 -o /dev/null \
		"http://$(host_ip "$1"):8500/v1/status/leader"
}

# Like an agent of ours (agents.sh) it sees the machine's files. It dies with the
# host, and does not come back by itself.
consul_agent_start() {
	[ -e "$disco/consul.json" ] || die "discovery: consul was never up"
	[ -z "$(consul_agent_pids "$1")" ] || return 0
	init=$(host_init "$1") || die "$1 is off"
	(
		cd /
		unset NOTIFY_SOCKET LISTEN_FDS
		in_group "heir-$lab-$1/consul" nsenter -t "$init" -n -u -- \
			setsid "$(server_bin consul)/consul" agent -node "$1" \
			-bind "$(host_ip "$1")" \
			-client "$(host_ip "$1")" -retry-join "$subnet.1" \
			-retry-interval 1s -data-dir "$state/$1/consul" \
			-config-file "$disco/consul.json"
	) </dev/null >>"$state/$1/consul.log" 2>&1 9>&- &
	wait_for 60 "the Consul agent of $1, see $state/$1/consul.log" \
		consul_agent_answers "$1"
}

# TERM: it leaves, and takes what it knew with it. KILL: it is gone.
consul_agent_end() {
	pids=$(consul_agent_pids "$1")
	# shellcheck disable=SC2086 # a list
	[ -z "$pids" ] || {
		kill "-$2" $pids
		wait_for 60 "the end of the Consul agent of $1" \
			no_processes "heir-$lab-$1/consul"
	}
}

no_processes() { [ -z "$(group_procs "$1")" ]; }

discovery_agent() {
	check_host "${1:-}"
	case ${2:-} in
	up) consul_agent_start "$1" ;;
	down) consul_agent_end "$1" TERM ;;
	kill) consul_agent_end "$1" KILL ;;
	url) printf 'http://%s:8500\n' "$(host_ip "$1")" ;;
	log) printf '%s\n' "$state/$1/consul.log" ;;
	*) die "discovery agent $1: up, down, kill, url or log" ;;
	esac
}

### Questions

# Each answer is a line: the system, the name, what it says.
discovery_query() {
	for name in "$@"; do
		for type in A AAAA; do
			[ ! -e "$disco/consul.bin" ] || bind_dig -p 8600 +short \
				"$name.service.consul" $type |
				sed "s/^/consul $name /"
			[ ! -e "$disco/bind.bin" ] || bind_dig +short \
				"$name.lab.example" $type | sed "s/^/bind $name /"
		done
		[ ! -e "$disco/etcd.bin" ] || etcd_tool get --prefix \
			--print-value-only "/skydns/local/svc/$name/" |
			sed "/./s/^/etcd $name /"
	done
}

discovery_http() {
	in_underlay curl -fsS -m 10 \
		-H "X-Consul-Token: $(cat "$disco/token-root")" \
		"http://$subnet.1:8500$1"
}

lab_discovery() {
	what=${1:-}
	[ $# -eq 0 ] || shift
	case $what in
	up) locked; discovery_up "$@"; return ;;
	down) locked; discovery_down; return ;;
	folder) printf '%s\n' "$disco"; return ;;
	esac
	[ -e "$disco/options" ] || die "discovery is not up"
	# shellcheck source=/dev/null
	. "$disco/options"
	case $what in
	stop | start | hang | wake | slow | garbage) server_port "${1:-}" >/dev/null ;;
	esac
	case $what in
	stop) locked; server_stop "$1" ;;
	start) locked; server_start "$1" ;;
	hang) server_signal "$1" STOP ;;
	wake) server_signal "$1" CONT ;;
	slow) locked; server_slow "$1" "$(number "${2:-}" '')" ;;
	garbage) locked; server_garbage "$1" ;;
	agent) locked; discovery_agent "$@" ;;
	query) discovery_query "$@" ;;
	http) discovery_http "$1" ;;
	consul) consul_tool "$@" ;;
	etcdctl) etcd_tool "$@" ;;
	dig) bind_dig "$@" ;;
	nsupdate) bind_nsupdate ;;
	*) die "discovery: what is '$what'?" ;;
	esac
}
