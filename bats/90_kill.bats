#!/usr/bin/env bats
# kill -9 at any instant leaves a program that runs and is wholly the old or wholly the new one; the next run finishes.

load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# both HOW KIND HOW KIND: these two ways of killing at the same time.
both() {
  local first=0 second=0 gupper=(node "$ROOT/bin/gupper.js")
  mkdir first second
  node "$ROOT/tests/chaos/chaos.ts" "$1" "$2" "$PWD/first" "${gupper[@]}" >first.out 2>&1 3>&- &
  local pid=$!
  SPAWNED+=("$pid")
  node "$ROOT/tests/chaos/chaos.ts" "$3" "$4" "$PWD/second" "${gupper[@]}" >second.out 2>&1 3>&- || second=$?
  wait "$pid" || first=$?
  cat first.out second.out
  sed 's/^/# /' first.out second.out >&3
  [ "$first" -eq 0 ] && [ "$second" -eq 0 ]
}

@test "install and rollback killed at 100 random instants, while the program is run all the time" {
  both random file random tree
}

@test "fetch and update killed at 100 random instants each, from a server" {
  both fetch file update file
}

@test "install and rollback killed before every call that changes the disk" {
  # STRIDE=1 spares none of a tree's either.
  STRIDE=${STRIDE:-2} both steps file steps tree
}
