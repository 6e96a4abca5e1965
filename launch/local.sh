#!/usr/bin/env bash
# Run an experiment on this machine, and start it again if it dies: it goes on from its last checkpoint.
#
#   [PROCESSES=2] [PORT=45670] launch/local.sh --config=configs/resnet50_brain.py --workdir=runs/brain [--config.FIELD=VALUE …]
#
# One process drives all devices of a machine; several are for trying out what a cluster does. If one of them is lost,
# its number and status are said and all are started again. A mistake in the command (status 2), a stop that was asked
# for (75 after SIGTERM, 130 after Ctrl-C), also of a process too young to answer, and three deaths in a row end it.
set -um # with job control, or the children would not hear Ctrl-C

processes=${PROCESSES:-1}
port=${PORT:-45670}
pids=()
asked='' # the status of a stop that was asked for

pass_on() { for pid in ${pids[@]+"${pids[@]}"}; do kill -s "$1" "$pid" 2>/dev/null; done; }
trap 'asked=75; pass_on TERM' TERM
trap 'asked=130; pass_on INT' INT

start_all() {
  local i together=()
  for ((i = 0; i < processes; i++)); do
    if ((processes > 1)); then
      together=("--coordinator=127.0.0.1:$port" "--num_processes=$processes" "--process_id=$i")
    fi
    python -m medjax.main "$@" ${together[@]+"${together[@]}"} &
    pids[i]=$!
  done
}

# Waits until all have ended well, or one has not: `number` is its, `status` how it ended. Of several, the one that was
# killed outright (137): that is never what the loss of another does to a process.
wait_for_all() {
  local i ended
  status=0
  while ((${#pids[@]})); do
    for i in "${!pids[@]}"; do
      if kill -0 "${pids[i]}" 2>/dev/null; then continue; fi
      wait "${pids[i]}" 2>/dev/null
      ended=$?
      unset "pids[i]"
      if ((ended == 137 || status == 0)); then status=$ended number=$i; fi
    done
    if ((status)); then return; fi
    sleep 0.2
  done
}

for attempt in 1 2 3; do
  start_all "$@"
  wait_for_all
  case $status in
    0 | 2 | 75 | 130)
      wait
      exit "$status"
      ;;
  esac
  if [[ -n $asked ]]; then
    wait
    exit "$asked"
  fi
  echo "launch: process $number of $processes was lost with status $status (attempt $attempt of 3)" >&2
  pass_on KILL # none goes on without the others
  wait 2>/dev/null
  pids=()
done
exit "$status"
