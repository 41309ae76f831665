#!/usr/bin/env bats
# kill -9 at any instant leaves a program that runs and is wholly the old or wholly the new one.

load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# both MODE: that kind of killing for a file and for a tree at the same time.
both() {
  local file=0 tree=0
  mkdir file tree
  node "$ROOT/tests/chaos/chaos.ts" "$1" file "$PWD/file" node "$ROOT/bin/gupper.js" >file.out 2>&1 3>&- &
  local pid=$!
  SPAWNED+=("$pid")
  node "$ROOT/tests/chaos/chaos.ts" "$1" tree "$PWD/tree" node "$ROOT/bin/gupper.js" >tree.out 2>&1 3>&- || tree=$?
  wait "$pid" || file=$?
  cat file.out tree.out
  sed 's/^/# /' file.out tree.out >&3
  [ "$file" -eq 0 ] && [ "$tree" -eq 0 ]
}

@test "install and rollback killed at 200 random instants, while the program is run all the time" {
  both random
}

@test "install and rollback killed before every call that changes the disk" {
  both steps
}
