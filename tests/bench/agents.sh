# shellcheck shell=sh
#
# repair, rest, dump: the node agent by itself.
#
# Sourced by `run`, whose functions and variables it uses.

# shellcheck disable=SC2154,SC2034 # of and for run and scene.sh

### repair

observers_count=50 repair_rounds=20

observers() { # COUNT FILE
	rm -rf "$work/observers"
	"$bench/observers" "$1" "$repair_rounds" "$root/build/heir-agent" \
		"$work/observers" 8>&- >"$2" || die "observers: see above"
}

repair() {
	observers "$observers_count" "$work/repair"
	observers 1 "$work/repair-one"
	text ""
	text "Repair of one address: first order to last answer, an agent process for each stand-in overlay, ordered at once, $repair_rounds rounds"
	row "" median worst ""
	row "$observers_count observers" "$(median 1 "$work/repair") ms" "$(worst 1 "$work/repair") ms" \
		"$(verdict "$(median 1 "$work/repair")" 100 'under 100 ms')"
	row "one observer" "$(median 1 "$work/repair-one") ms" "$(worst 1 "$work/repair-one") ms" ""
}

### rest

agent_sees_an_overlay() {
	lab agent h3 status >"$work/status" && has '"networks": *\["' "$work/status"
}

# heird asks the agent once a second. Memory is read when heird and the other
# agents have ended: what several programs share is counted in parts.
rest() {
	choose swarm-agents 1s
	# shellcheck disable=SC2086 # a list
	fresh $options
	start_three
	start_heird
	heird=$!
	until_true 30 agents_ok || die "heird has not all agents"
	until_true 60 agent_sees_an_overlay || die "h3's agent sees no overlay"
	agent=$(lab agent h3 pid)
	sleep 5 # what the start did is over
	say "rest: measuring $measured s"
	cpu_before=$(cpu "$agent")
	sleep "$measured"
	busy=$(awk "BEGIN { printf \"%.4f\", ($(cpu "$agent") - $cpu_before) / $measured }")
	kill "$heird"
	lab agent h1 down
	lab agent h2 down
	until_true 30 test ! -d "/proc/$heird" || die "heird does not end"
	pss=$(awk '/^Pss:/ { printf "%.1f", $2 / 1024 }' "/proc/$agent/smaps_rollup")
	quietly lab down || :
	text ""
	text "heir-agent at rest, plain HTTP: asked once a second, a real engine's namespaces, one overlay, $measured s"
	row "processor" "$busy" "" "$(verdict "$busy" 0.01 'under a hundredth of a core')"
	row "memory (Pss)" "$pss MiB" "" "$(verdict "$pss" 12 'under 12 MiB')"
}

### dump

dump_rows=10000 dump_rounds=20

dump() {
	"$bench/dump" "$dump_rows" "$dump_rounds" 8>&- |
		awk '{ print $1, $2, $3, $1 / ($2 - $3) }' >"$work/dump"
	[ "$(wc -l <"$work/dump")" -eq "$dump_rounds" ] || die "dump: see above"
	text ""
	text "Dump of $dump_rows forwarding rows in one namespace, $dump_rounds rounds"
	row "" median worst ""
	row "net/netlink, every row parsed" "$(median 1 "$work/dump") ms" "$(worst 1 "$work/dump") ms" ""
	row "bridge fdb show >/dev/null, as text" "$(median 2 "$work/dump") ms" "$(worst 2 "$work/dump") ms" ""
	row "  of it starting the program" "$(median 3 "$work/dump") ms" "$(worst 3 "$work/dump") ms" ""
	row "ratio, without starting it" "$(median 4 "$work/dump")" "$(worst 4 "$work/dump")" \
		"$(verdict "$(median 4 "$work/dump")" 2 'under 2: half its speed')"
}
