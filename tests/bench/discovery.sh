# shellcheck shell=sh
#
# discovery: what it costs to keep Consul, etcd and a zone of BIND true, the
# laboratory's real servers on its wire.
#
# reconcile: entries from nothing, compared, and mended where one in a hundred was
# changed or removed behind heird's back; the servers are empty before each kind.
# move: one entry goes elsewhere. Both by a program that has nothing but what
# heird has for it (publish.c). takeover: real ones by real heirds, with and
# without service discovery in turn.
#
# Sourced by `run`, whose functions and variables it uses.

# shellcheck disable=SC2154,SC2034 # of and for run and scene.sh

disco_entries=10000 disco_moves=200 disco_takeovers=5
disco_kinds='consul skydns dns' logs=$root/build/bench-logs

disco_systems() { # KIND...
	for kind in "$@"; do
		case $kind in
		consul) echo consul=http://10.99.0.1:8500 ;;
		skydns) echo skydns=http://10.99.0.1:2389 ;;
		dns) echo "dns=10.99.0.1:53=$(lab discovery folder)/key" ;;
		esac
	done
}

# publish FILE WHAT ENTRIES SERVICES KIND...
publish() {
	file=$1 what=$2 entries=$3 services=$4
	shift 4
	# shellcheck disable=SC2046 # a list
	lab manager "$bench/publish" "$what" "$entries" "$services" \
		$(disco_systems "$@") >>"$file" || die "publish $what: see above"
}

disco_empty() {
	lab discovery down
	lab discovery up
}

load_now() { cut -d ' ' -f 1 /proc/loadavg; }

### reconcile

# reconcile_rows SERVICES
reconcile_rows() {
	disco_empty
	for kind in $disco_kinds; do
		out=$work/reconcile-$kind-$1
		publish "$out" fill "$disco_entries" "$1" "$kind"
		publish "$out" fill "$disco_entries" "$1" "$kind"
		publish "$out" spoil "$disco_entries" "$1" "$kind"
		publish "$out" fill "$disco_entries" "$1" "$kind"
		printf 'from_nothing\ncompared\nmended\n' | paste -d ' ' - "$out" |
			while read -r what kind seconds calls memory turn work_ms; do
				printf '  %-8s %-14s %8.2f %7d %9.1f %9.0f %9.0f\n' \
					"$kind" "$(echo "$what" | tr _ ' ')" "$seconds" \
					"$calls" "$memory" "$turn" "$work_ms"
			done | tee -a "$table"
	done
}

reconcile() {
	for services in $disco_entries 100; do
		text ""
		text "Reconciliation: $disco_entries entries of $services services"
		text "                           seconds   calls       MiB   longest turn, ms: clock, processor"
		reconcile_rows "$services"
		text "  load $(load_now)"
	done
}

### move

# percentile N FILE
percentile() {
	sort -n "$2" | awk -v n="$1" '{ v[NR] = $1 }
		END { i = int(NR * n / 100 + 0.999); printf "%.2f", v[i ? i : 1] }'
}

# move_row KIND WHAT
move_row() {
	sed -n "s/^$1 $2 //p" "$work/moves" >"$work/move"
	row "$1, to another $2" "$(percentile 50 "$work/move") ms" \
		"$(percentile 99 "$work/move") ms" \
		"$(verdict "$(percentile 99 "$work/move")" 20 'under 20 ms')"
}

# In the program's words an owner is a host, and half of the moves are to an
# address too.
moves() {
	for entries in 10 "$disco_entries"; do
		disco_empty
		rm -f "$work/moves"
		# shellcheck disable=SC2086 # a list
		publish "$work/moves" "$disco_moves" "$entries" "$entries" $disco_kinds
		text ""
		text "One entry moves, $entries in place, $disco_moves rounds, load $(load_now)"
		row "" median 99% ""
		for kind in $disco_kinds all; do
			move_row "$kind" owner
			move_row "$kind" address
		done
	done
}

### takeover

disco_configuration() {
	[ "$1" = with ] || return 0
	cat <<-END
	discovery:
	  systems:
	    - {kind: consul, url: "http://10.99.0.1:8500"}
	    - {kind: skydns, url: "http://10.99.0.1:2389", domain: svc.local, reverse: true}
	    - {kind: dns, server: "10.99.0.1:53", zone: lab.example, reverse: [20.10.in-addr.arpa],
	       key_name: heir, key_file: "$(lab discovery folder)/key"}
	    - {kind: docker}
	END
}

start_published_web() {
	docker h1 run -d --name web --network ov --ip 10.20.0.50 \
		-e reschedule:on-node-failure --stop-signal KILL \
		--label heir.service=web --label heir.service.port=80 \
		"$image" sh -c "$serve" >/dev/null
}

disco_start_heird() {
	{ configuration; disco_configuration "$1"; } >"$work/heir.yaml"
	beside "$work/log" manager "$root/build/heird" --config "$work/heir.yaml"
	heird=$!
}

web_is_published() {
	lab discovery query web | grep -q '^bind web 10.20.0.50'
}

# takeover_seconds STEP: how long it took; nothing where it was skipped.
takeover_seconds() {
	awk -v step="$1" '/"name":/ { name = $2 }
		/"seconds":/ { gsub(/[",]/, "", name); v = $2; sub(/,/, "", v)
			if (name == step) { print v; exit } }' "$work/takeover"
}

# disco_takeover with|without NUMBER
disco_takeover() {
	# shellcheck disable=SC2086 # a list
	fresh $options
	lab discovery up
	start_published_web
	warm h2 neighbour
	warm h3 client
	disco_start_heird "$1"
	until_true 30 would_move 1 h2 || die "heird would not move web to h2"
	until_true 30 agents_ok || die "heird has not all agents"
	[ "$1" = without ] || until_true 30 web_is_published || die "web is not published"
	lab cut h1
	must_hear 30 'node=h1 from=suspect to=dead'
	dead=$at
	must_hear 120 "$(takeover_step 'done')"
	heir --format json takeover inspect web >"$work/takeover"
	kill "$heird"
	[ "$1" = without ] || has '"published": true' "$work/takeover" ||
		die "the takeover is not published: $(cat "$work/takeover")"
	cp "$work/log" "$logs/heird-$1-discovery-$2.log"
	cp "$work/takeover" "$logs/takeover-$1-discovery-$2.json"
	printf '%s %s %s\n' "$dead" "$at" "$(takeover_seconds publish)" |
		awk -v OFMT=%.3f '{ print $2 - $1, $3 + 0 }' |
		tee -a "$work/takeovers-$1" |
		sed "s/^/bench: discovery $2 of $disco_takeovers, $1: /" >&2
}

takeovers() {
	choose swarm-agents 1s
	mkdir -p "$logs"
	number=1
	while [ "$number" -le "$disco_takeovers" ]; do
		disco_takeover with "$number"
		disco_takeover without "$number"
		number=$((number + 1))
	done
	with=$(median 1 "$work/takeovers-with")
	without=$(median 1 "$work/takeovers-without")
	text ""
	text "Takeovers with three systems and the engines' DNS, and without, $disco_takeovers each, swarm with agents, Docker $engine, load $(load_now)"
	row "" median worst ""
	row "publish, of it" "$(median 2 "$work/takeovers-with") s" "$(worst 2 "$work/takeovers-with") s" ""
	row "decision to done, with" "$with s" "$(worst 1 "$work/takeovers-with") s" ""
	row "decision to done, without" "$without s" "$(worst 1 "$work/takeovers-without") s" ""
	row "ratio" "$(seconds "$with / $without")" "" ""
}

discovery() {
	fresh
	reconcile
	moves
	takeovers
}
