#!/usr/bin/env bash
# Run an experiment on a Cloud TPU slice, one process on each of its hosts.
#
#   TPU=my-slice ZONE=us-central2-b launch/tpu_vm.sh --config=configs/resnet50_brain.py --workdir=/shared/run …
#
# The hosts must hold this repository in ~/medjax, installed with the [tpu] extra. If the hosts end with a status that
# another start may mend (75: preempted and saved; a death), the command is given again, up to RESTARTS times (10).
set -u

: "${TPU:?set TPU to the name of the slice}" "${ZONE:?set ZONE to its zone}"
restarts=${RESTARTS:-10}
command="cd medjax && exec python -m medjax.main --distributed $(printf ' %q' "$@")"

for ((attempt = 0; attempt <= restarts; attempt++)); do
  gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all --command="$command"
  status=$?
  case $status in
    0 | 2 | 130) exit "$status" ;;
  esac
  echo "launch: the slice ended with status $status; started again ($((attempt + 1)) of $restarts)" >&2
done
exit "$status"
