load helpers
setup() { common_setup; }
teardown() { common_teardown; }

@test "watch writes a record for what is there and, pushed by the server, for what appears" {
  make_package pkgs 1.9.0 >/dev/null
  start_server pkgs --settle 100ms
  spawn out err gupper watch "$SERVER_URL" --every 10m
  wait_until 15 has_line out 1
  make_package pkgs 1.11.0 >/dev/null
  wait_until 15 has_line out 2
  [ "$(sed -n 1p out | field .version)" = 1.9.0 ]
  [ "$(sed -n 2p out | field .version)" = 1.11.0 ]
  [ "$(sed -n 2p out | field .watched.at)" != undefined ]
}

@test "watch follows a directory" {
  mkdir pkgs
  spawn out err gupper watch pkgs --every 10m
  make_package pkgs 1.9.0 >/dev/null
  wait_until 15 has_line out 1
  [ "$(field .version <out)" = 1.9.0 ]
}

@test "a server that cannot push is polled" {
  mkdir pkgs
  spawn old.out old.err node "$ROOT/tests/ancestor-server.ts" pkgs
  wait_until 15 has_line old.out
  spawn out err gupper watch "$(field .listening <old.out)" --every 200ms
  make_package pkgs 1.9.0 >/dev/null
  wait_until 15 has_line out 1
}

@test "each package is written once, also after a restart" {
  make_package pkgs 1.9.0 >/dev/null
  run_gupper watch pkgs --count 1
  [ "$(field .version <<<"$output")" = 1.9.0 ]
  run_gupper watch pkgs --once
  assert_silent
  make_package pkgs 1.10.0 >/dev/null
  run_gupper watch pkgs --once
  [ "$(field .version <<<"$output")" = 1.10.0 ]
  run_gupper watch pkgs --once
  assert_silent
}

@test "--once is silent with 0 when nothing is newer than what is installed" {
  make_package pkgs 1.9.0 >/dev/null
  make_program ./app 1.9.0
  run_gupper watch --once pkgs --newer-than ./app
  assert_silent
}

@test "--once with a path writes again what is still not installed: a failed update is tried again" {
  make_package pkgs 1.9.0 >/dev/null
  run_gupper watch --once pkgs --newer-than ./app
  [ "$(field .version <<<"$output")" = 1.9.0 ]
  run_gupper watch --once pkgs --newer-than ./app
  [ "$(field .version <<<"$output")" = 1.9.0 ]
}

@test "a watched pipe installs, and takes the next version as it appears" {
  make_package pkgs 1.9.0 >/dev/null
  start_server pkgs --settle 100ms
  spawn out err sh -c "gupper watch $SERVER_URL --newer-than ./app | gupper fetch | gupper verify | gupper install --to ./app"
  wait_until 20 has_line out 1
  [ "$(./app --version)" = "app version 1.9.0" ]
  make_package pkgs 1.10.0 >/dev/null
  wait_until 20 has_line out 2
  [ "$(./app --version)" = "app version 1.10.0" ]
  kill "$SERVER_PID"
  pkill -TERM -P "$SPAWNED_PID"
  wait_until 10 has_ended "$SPAWNED_PID"
}

@test "watch survives an outage and goes on when the server is back" {
  make_package pkgs 1.9.0 >/dev/null
  start_server pkgs --settle 100ms
  port=${SERVER_URL##*:}
  spawn out err gupper watch "$SERVER_URL" --every 100ms
  wait_until 15 has_line out 1
  kill "$SERVER_PID"
  wait_until 15 grep -q "trying again" err
  make_package pkgs 1.10.0 >/dev/null
  spawn server.out server.err gupper serve pkgs --host 127.0.0.1 --port "$port"
  wait_until 30 has_line out 2
  [ "$(sed -n 2p out | field .version)" = 1.10.0 ]
}

@test "--cron looks at the times of the expression" {
  make_package pkgs 1.9.0 >/dev/null
  run_gupper watch pkgs --cron '* * * * * *' --count 1
  [ "$(field .version <<<"$output")" = 1.9.0 ]
  run_gupper 64 watch pkgs --cron 'nonsense'
  assert_stderr_has "--cron"
  run_gupper 64 watch pkgs --cron '0 0 31 2 *'
}

@test "overlapping runs of --once write each package once between them" {
  make_package pkgs 1.9.0 >/dev/null
  for i in 1 2 3 4 5; do gupper watch --once pkgs >"out$i" 2>"err$i" & done
  wait
  [ "$(cat out? | wc -l)" -eq 1 ]
  [ -z "$(cat err?)" ]
}

@test "two lasting watches of the same thing: the second says 75" {
  make_package pkgs 1.9.0 >/dev/null
  spawn out err gupper watch pkgs
  wait_until 15 has_line out 1
  run_gupper 75 watch pkgs
  run_gupper watch pkgs --state ./own --count 1
}

@test "misbehaviour: with --once a source that is away is 69; a lasting watch waits for it" {
  run_gupper 69 watch --once http://127.0.0.1:9
  assert_output_has '"exit":69'
  assert_stderr_has "connection refused"
}

@test "misbehaviour: killed after it wrote, it does not write again" {
  make_package pkgs 1.9.0 >/dev/null
  spawn out err gupper watch pkgs
  wait_until 15 has_line out 1
  # The memory is written after the record; wait for it, then kill.
  wait_until 15 test -n "$(ls "$XDG_STATE_HOME/gupper/watch")"
  wait_until 15 grep -rqs sha256 "$XDG_STATE_HOME/gupper/watch"
  kill_hard "$SPAWNED_PID"
  run_gupper watch --once pkgs
  assert_silent
}

@test "misbehaviour: a memory that was cut off in the middle of a line is mended" {
  make_package pkgs 1.9.0 >/dev/null
  run_gupper watch --once pkgs --state memory
  head -c 20 memory >cut && mv cut memory
  run_gupper watch --once pkgs --state memory
  [ "$(field .version <<<"$output")" = 1.9.0 ]
  [ "$(wc -l <memory)" -eq 1 ]
}

@test "misbehaviour: a reader that has gone is noticed by the next record, without a word" {
  mkdir pkgs
  make_package pkgs 1.9.0 >/dev/null
  make_package other 1.10.0 >/dev/null
  spawn out err sh -c 'gupper watch pkgs --every 100ms | head -1; echo $? >ended'
  wait_until 15 has_line out
  mv other/* pkgs/
  wait_until 15 test -s ended
  [ "$(cat ended)" = 0 ]
  [ ! -s err ]
}

@test "SIGTERM ends a watch with 143" {
  mkdir pkgs
  gupper watch pkgs >out 2>err &
  pid=$!
  SPAWNED+=("$pid")
  make_package pkgs 1.9.0 >/dev/null
  wait_until 15 has_line out
  kill -TERM "$pid"
  ends_with 143 "$pid"
}
