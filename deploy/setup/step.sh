#!/usr/bin/env bash
# Runs a command under a title and tells how long it took: step.sh "Title" command argument...
title=$1
shift
started=$(date +%s.%N)
printf '== %s\n' "$title"
"$@"
code=$?
took=$(awk -v from="$started" -v to="$(date +%s.%N)" 'BEGIN { printf "%.1f", to - from }')
if [ $code -eq 0 ]; then
  printf '== %s: done in %s s\n' "$title" "$took"
else
  printf '== %s: FAILED (exit code %d) after %s s\n' "$title" "$code" "$took" >&2
fi
exit $code
