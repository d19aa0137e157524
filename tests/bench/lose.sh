# shellcheck shell=sh
#
# lose: a thousand stand-in engines, of which ten fall silent at once.
#
# On loopback a closed port refuses, so that the host is seen to answer: the
# configuration says that such engines count as lost. The stand-ins' containers
# are on no overlay: what is measured is heird's own part, from the verdicts to
# the calls, with an engine that answers at once. Its state file is in memory.
#
# Sourced by `run`, whose functions and variables it uses.

# shellcheck disable=SC2154,SC2034 # of and for run and scene.sh

lost_count=10 lost_containers=50
lose_all=$((lost_count * lost_containers))

lose_configuration() {
	# Nothing but heird itself is to bound it.
	echo "takeover: {engine_only: move, parallel: 10000, per_target: 16}"
	engines_configuration
}

# The verdicts that count as lost, of whatever node.
lost_lines() { grep -E 'event=node node=n[0-9]+ from=[a-z-]+ to=(engine-only|dead) ' "$work/log"; }

all_known() {
	heir --format json drill n0 >"$work/drill" || [ $? -eq 2 ] || return 1
	[ "$(grep -c '"state": *"would-move"' "$work/drill")" -eq "$lost_containers" ]
}

all_done() { [ "$(grep -c "$(takeover_step 'done')" "$work/log")" -ge "$lose_all" ]; }

# NODE MOMENT of each that was given up.
lose_verdicts() {
	lost_lines | while read -r line; do
		printf '%s %s\n' "$(expr "$line" : '.* node=n\([0-9]*\)')" \
			"$(moment "$line")"
	done
}

# A staged container's name begins with the number of the engine it comes from:
# for each of those, from its verdict until the last of its containers was begun.
lose_begun() {
	awk 'NR == FNR { dead[$1] = $2; next }
		$1 == "create" { of = 0; name = substr($4, 6, 8)
			for (i = 1; i <= 8; i++)
				of = of * 16 + index("123456789abcdef", substr(name, i, 1))
			if ($2 > last[of]) last[of] = $2 }
		END { for (of in last) printf "%.3f\n", last[of] - dead[of] }' \
		"$work/verdicts" "$work/ready"
}

lose_burst() {
	cpu_before=$(cpu "$heird") late_before=$(heartbeats late)
	sent_before=$(heartbeats sent)
	kill -USR1 "$standin"
	until_true 120 all_done ||
		die "not all was taken over: $(grep -v 'outcome=ok' "$work/log" | tail -n 3)"
	busy=$(seconds "$(cpu "$heird") - $cpu_before")
	late=$(($(heartbeats late) - late_before))
	sent=$(($(heartbeats sent) - sent_before))
	suspects=$(grep -E 'event=node node=n[0-9]+ from=alive to=suspect' "$work/log" |
		grep -vcE "node=n[0-9] " || :)
	others=$(lost_lines | grep -vcE "node=n[0-9] " || :)
}

# What it costs to watch for as long, from just before.
lose_idle() {
	before=$(cpu "$heird") since=$(ticks)
	sleep 20
	idle=$(seconds "($(cpu "$heird") - $before) * 100 / ($(ticks) - $since)")
}

lose_table() {
	grep '^create ' "$work/ready" >"$work/creates"
	lose_verdicts >"$work/verdicts"
	lose_begun >"$work/begun"
	[ "$(wc -l <"$work/creates")" -eq "$lose_all" ] ||
		die "$(wc -l <"$work/creates") containers were created, and not $lose_all"
	silent=$(awk '$1 == "silent" { print $2 }' "$work/ready")
	first=$(head -n 1 "$work/creates" | cut -d ' ' -f 2)
	last=$(tail -n 1 "$work/creates" | cut -d ' ' -f 2)
	given_up=$(cut -d ' ' -f 2 "$work/verdicts" | sort -n)
	first_given_up=$(printf '%s\n' "$given_up" | head -n 1)
	last_given_up=$(printf '%s\n' "$given_up" | tail -n 1)
	end=$(moment "$(grep "$(takeover_step 'done')" "$work/log" | tail -n 1)")
	text ""
	text "heird with $engines_count engines loses $lost_count at once, $lost_containers containers of each opted in: $lose_all takeovers, on no overlay; heartbeat 1 s"
	row "silence to verdict: first, last of $lost_count" "$(seconds "$first_given_up - $silent") s" "$(seconds "$last_given_up - $silent") s" ""
	row "first create call to last" "$(seconds "$last - $first") s" "" ""
	row "  decisions per second" "$(awk "BEGIN { printf \"%.0f\", ($lose_all - 1) / ($last - $first) }")" "" ""
	row "an engine's verdict until its last is begun" "$(median 1 "$work/begun") s" "$(worst 1 "$work/begun") s" "median, worst of $lost_count"
	row "last verdict until all are begun, are done" "$(seconds "$last - $last_given_up") s" "$(seconds "$end - $last_given_up") s" ""
	row "heird's processor, silence until all are done" "$busy s" "" "watching alone: $idle of a core"
	row "heartbeats sent, late meanwhile" "$sent" "$late" ""
	row "other engines suspected, given up meanwhile" "$suspects" "$others" "$(verdict "$others" 1 none)"
}

lose() {
	rm -rf "$work/heir.db"* "$work/log"
	"$bench/engines" "$engines_count" 23750 "$containers" \
		"$root/tests/bench/container.json" "$lost_count" "$lost_containers" \
		>"$work/ready" 8>&- &
	standin=$! pids=$!
	until_true 20 has ready "$work/ready" || die "the stand-in engines do not listen"
	lose_configuration >"$work/heir.yaml"
	"$root/build/heird" --config "$work/heir.yaml" 2>>"$work/log" 8>&- &
	heird=$! pids="$pids $!"
	until_true 120 all_alive || die "not all engines are alive: $(tail -n 1 "$work/log")"
	until_true 60 all_known || die "heird would not move what is on n0"
	sleep 20 # what the start opened and did is over
	lose_idle
	: >"$work/log" # it is appended to
	lose_burst
	kill "$heird" "$standin"
	wait "$heird" "$standin" 2>/dev/null || :
	pids=
	lose_table
}
