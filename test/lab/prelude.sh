# Sourced by the scripts that run ktop in a guest. Files go to /out.
# start NAME ARGS…: ktop ARGS --json in the background, /out/NAME.json; returns once it records
# more N: waits for N further pictures; finish: two more pictures, then ends it
start() {
	name=$1
	shift
	: >"/out/$name.json"
	# An emulated CPU takes many times as long for each event: the budget is not what is tested here.
	case $1 in
	nettop | disktop | cpu-util | task-state | kvm-exit | kmemleak | irq-off | watchdog) set -- "$@" --budget off ;;
	esac
	node /job/dist/ktop.mjs "$@" --json >"/out/$name.json" 2>"/out/$name.err" &
	ktop=$!
	more 1
}

pictures() {
	wc -l <"/out/$name.json"
}

more() {
	want=$(($(pictures) + $1))
	until [ "$(pictures)" -ge "$want" ]; do
		kill -0 "$ktop" 2>/dev/null || { echo "ktop $name ended early: $(cat "/out/$name.err")" >&2; exit 9; }
		sleep 0.1
	done
}

finish() {
	more 2
	kill -INT "$ktop"
	wait "$ktop"
}

# witness EVENTS…: a tracefs instance of its own that records them from `witness_on` to `witness_off NAME`
witness() {
	mkdir /sys/kernel/tracing/instances/witness
	cd /sys/kernel/tracing/instances/witness || exit 9
	echo 0 >tracing_on
	echo mono >trace_clock
	echo 40000 >buffer_size_kb
	for event in "$@"; do echo 1 >"events/$event/enable" || exit 9; done
	cd /job || exit 9
}

witness_on() {
	echo >/sys/kernel/tracing/instances/witness/trace
	echo 1 >/sys/kernel/tracing/instances/witness/tracing_on
}

witness_off() {
	echo 0 >/sys/kernel/tracing/instances/witness/tracing_on
	cat /sys/kernel/tracing/instances/witness/trace >"/out/$1.trace"
	cat /sys/kernel/tracing/instances/witness/per_cpu/cpu*/stats >"/out/$1.stats"
}
