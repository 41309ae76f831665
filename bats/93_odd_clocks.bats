#!/usr/bin/env bats
# Clocks that are set back, and dates in the future: it works.

load helpers
load odd
setup() { common_setup; }
teardown() { common_teardown; }

# clock BACK|NOW: what a process that is started from here on takes for the time: a hundred days ago, or now.
clock() {
  unset NODE_OPTIONS
  [ "$1" = back ] || return 0
  cat >"$BATS_TEST_TMPDIR/clock.mjs" <<'JS'
const Real = Date
const now = () => Real.now() - 100 * 86_400_000
globalThis.Date = class extends Real {
  constructor(...given) { super(...(given.length > 0 ? given : [now()])) }
  static now() { return now() }
}
JS
  # The directory's name has no spaces: NODE_OPTIONS could not tell.
  export NODE_OPTIONS=--import=$BATS_TEST_TMPDIR/clock.mjs
}

lists() { [ "$(gupper list "$1" | field .version)" = "$2" ]; }

@test "clock set back: list, update, rollback and a new update work on what is dated in the future" {
  app 1.0.0
  touch -d '+3 days' pkgs/*
  run_gupper update pkgs --to opt/app
  touch -d '+3 days' opt/app opt/.gupper/app/receipt.json
  app 1.1.0
  clock back
  run_gupper update pkgs --to opt/app
  assert_version opt/app 1.1.0
  run_gupper rollback opt/app
  assert_version opt/app 1.0.0
  run_gupper update pkgs --to opt/app
  assert_silent
  clock now
  app 1.2.0
  run_gupper update pkgs --to opt/app
  assert_version opt/app 1.2.0
  run_gupper rollback opt/app
  assert_version opt/app 1.0.0
}

@test "clock set back: serve lists what is dated in the future, and watch hears of it" {
  clock back
  app 1.0.0
  touch -d '+3 days' pkgs/*
  start_server pkgs --settle 100ms
  wait_until 10 lists "$SERVER_URL" 1.0.0
  spawn pushed pushed.err gupper watch "$SERVER_URL" --newer-than 1.0.0 --count 1
  spawn looked looked.err gupper watch pkgs --newer-than 1.0.0 --count 1
  app 1.1.0 later
  touch -d '+5 days' later/*
  mv later/* pkgs/
  wait_until 30 has_line pushed
  wait_until 30 has_line looked
  [ "$(field .version <pushed)" = 1.1.0 ] && [ "$(field .version <looked)" = 1.1.0 ]
}

@test "clock set back: watch --once writes each package once, before and after" {
  app 1.0.0
  run_gupper watch --once pkgs
  [ "${#lines[@]}" = 1 ]
  clock back
  run_gupper watch --once pkgs
  assert_silent
}
