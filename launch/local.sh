#!/usr/bin/env bash
# Run an experiment on this machine, and start it again if it dies: it goes on from its last checkpoint.
#
#   launch/local.sh --config=configs/resnet50_brain.py --workdir=runs/brain [--config.FIELD=VALUE …]
#
# A mistake in the command (status 2) and Ctrl-C (status 130) end it at once; so do three deaths in a row.
set -u

for attempt in 1 2 3; do
  python -m medjax.main "$@"
  status=$?
  case $status in
    0 | 2 | 130) exit "$status" ;;
  esac
  echo "launch: died with status $status (attempt $attempt of 3)" >&2
done
exit "$status"
