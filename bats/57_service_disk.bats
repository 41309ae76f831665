#!/usr/bin/env bats
# Services while the disk of their state is full: what runs goes on, what ends is started again, and no build is blamed for it.

load helpers
load service
setup() {
  service_setup
  mount_small state 5M,nr_inodes=200
  export XDG_STATE_HOME=$PWD/state
  make_service 1.0.0
  make_service 2.0.0
  install_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --grace 500ms
}
teardown() { service_teardown; }

# Neither bytes nor files fit any more.
fill_disk() {
  local number=0
  mkdir state/rest && : >state/rest/bytes
  while : >"state/rest/$((number++))"; do true; done 2>/dev/null
  cat /dev/zero >state/rest/bytes 2>/dev/null || true
}

tries() { [ "$(grep -c '"event":"restarted"' "$RUN_OUT")" -ge "$1" ]; }

@test "a full disk: a program that ends is started again as soon as there is room, and its build is not taken back" {
  update_to 2.0.0
  # Without what is kept aside for that.
  rm -r state/gupper/services/app/reserve
  fill_disk
  kill -KILL "$(gupper status app | field .pid)"
  # As often as one of its own fault would be, before its build is taken back.
  wait_until 30 tries 5
  event restarted '.state == "aborted" and (.reason | test("no space left"))'
  status_is app '.state == "BROKEN" and (.reason | test("no space left"))'
  [ "$(grep -ac 'cannot write the state of the service' "$RUN_ERR")" -le 1 ]
  rm -r state/rest
  wait_until 60 event restarted '.state == "committed" and .to == "2.0.0"'
  assert_answers 2.0.0
  status_is app '.state == "OK" and .version == "2.0.0"'
  ! event 'taken back'
  ! event crash-loop
  cmp app pkgs/app-2.0.0-any-any
  stop_service
}

@test "a full disk: an update is refused with 73, what runs goes on, and with room the same update is made" {
  fill_disk
  update_to 2.0.0 73
  [ "$(field .error.code <<<"$output")" = no-space ]
  assert_answers 1.0.0
  status_is app '.version == "1.0.0"'
  rm -r state/rest
  update_to 2.0.0
  [ "$(activated state)" = committed ]
  assert_answers 2.0.0
  stop_service
}

@test "a full disk: rollback, freeze and restart work, and are remembered once there is room" {
  update_to 2.0.0
  fill_disk
  run_gupper rollback app
  assert_output_has '"from":"2.0.0","to":"1.0.0"'
  assert_answers 1.0.0
  run_gupper restart app
  assert_answers 1.0.0
  run_gupper freeze app
  rm -r state/rest
  stop_service
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  assert_answers 1.0.0
  status_is app '.state == "FREEZE"'
  stop_service
}

@test "a disk that becomes read-only: the supervisor stays, tells why, and starts the program again once it can write" {
  mount_for_test state --bind "$PWD/state"
  mount -o remount,bind,ro "$PWD/state"
  kill -KILL "$(gupper status app | field .pid)"
  wait_until 20 event restarted '.reason | test("read-only")'
  status_is app '.state == "BROKEN" and (.reason | test("read-only"))'
  umount "$PWD/state"
  unset 'MOUNTED[-1]'
  wait_until 60 event restarted '.state == "committed"'
  assert_answers 1.0.0
  # It can be stopped while nothing can be written.
  mount_for_test state --bind "$PWD/state"
  mount -o remount,bind,ro "$PWD/state"
  stop_service
}
