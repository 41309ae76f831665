#!/usr/bin/env bats
# gupper activate, and the ways of going live: each replaces a real program, and takes one back that fails.

load helpers
load service

setup() { service_setup; need jq; need curl; }
teardown() { service_teardown; }

# The target of a socket program, with what it needs to be told ready.
socket=(--via socket --listen 127.0.0.1:0 --ready fd)

@test "activate returns when the new version is live, with a record of what it took" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  start_load
  make_service 1.1.0
  update_to 1.1.0
  [ "$(activated state)" = committed ]
  [ "$(activated from)" = 1.0.0 ] && [ "$(activated to)" = 1.1.0 ]
  [ "$(activated lost)" -eq 0 ] && [ "$(activated cut)" -eq 0 ]
  [ "$(activated took_ms)" -gt 0 ]
  assert_answers 1.1.0
  stop_load 1.0.0 1.1.0
}

@test "activate of what is live already changes nothing; --dry-run says what would happen" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  local record pid
  record=$(gupper list ./pkgs | gupper fetch | gupper install --to ./app)
  pid=$(gupper status app | field .pid)
  run_gupper activate app <<<"$record"
  [ "$(activated state)" = unchanged ]
  make_service 1.1.0
  record=$(gupper list ./pkgs | gupper fetch | gupper install --to ./app)
  run_gupper activate app --dry-run <<<"$record"
  [ "$(activated dry_run)" = true ] && [ "$(activated to)" = 1.1.0 ]
  [ "$(gupper status app | field .pid)" = "$pid" ]
  assert_answers 1.0.0
}

@test "activate passes failures on, and refuses what was not installed, or elsewhere" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  run_sh 69 'gupper list ./nowhere | gupper fetch | gupper install --to ./app | gupper activate app'
  assert_output_has '"step":"list"'
  run_sh 65 'gupper list ./pkgs | gupper fetch | gupper activate app'
  assert_stderr_has 'put gupper install before it'
  run_sh 64 'gupper list ./pkgs | gupper fetch | gupper install --to ./other | gupper activate app'
  assert_stderr_has 'other'
  run_sh 69 'gupper list ./pkgs | gupper fetch | gupper install --to ./app | gupper activate nothing'
  assert_stderr_has 'nothing is not running here'
  run_sh 65 'echo nonsense | gupper activate app'
}

@test "a version that fails is taken back at the target, held by its digest, and its last words are told" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  make_service 1.1.0 'echo "no license" >&2; exit 4'
  update_to 1.1.0 65
  [ "$(failure code)" = not-ready ]
  [ "$(failure record.activated.state)" = aborted ]
  [ "$(failure record.activated.log)" = '["no license"]' ]
  assert_stderr_has 'no license'
  assert_answers 1.0.0
  run_gupper list ./pkgs --newer-than ./app
  assert_silent
  update_to 1.1.0 65
  [ "$(failure code)" = rejected ]
  status_is app '.state == "OK" and .version == "1.0.0"'
}

@test "of updates that come during an update, only the newest is taken" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --healthy-for 0
  local version first
  for version in 1.1.0 1.2.0 1.3.0; do make_service "$version"; done
  touch hold
  spawn one.out one.err sh -c "gupper list ./pkgs --range 1.1.0 | gupper fetch | gupper install --to ./app | gupper activate app"
  first=$SPAWNED_PID
  wait_until 10 phase probing 1.1.0
  spawn two.out two.err sh -c "gupper list ./pkgs --range 1.2.0 | gupper fetch | gupper install --to ./app | gupper activate app"
  local second=$SPAWNED_PID
  wait_until 10 status_is app '.target == "1.2.0"'
  spawn three.out three.err sh -c "gupper list ./pkgs --range 1.3.0 | gupper fetch | gupper install --to ./app | gupper activate app"
  local third=$SPAWNED_PID
  ends_with 1 "$second"
  [ "$(field .error.code <two.out)" = superseded ]
  rm hold
  ends_with 0 "$first"
  ends_with 0 "$third"
  [ "$(field .activated.to <three.out)" = 1.3.0 ]
  assert_answers 1.3.0
  [ "$(jq -r 'select(.event == "activated").to' "$RUN_OUT" | tr '\n' ' ')" = '1.1.0 1.3.0 ' ]
}

@test "a version that is live and then falls into a loop of ends is taken back by itself" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  make_service 1.1.0 '[ ! -e broken ] || exit 9'
  update_to 1.1.0
  touch broken
  kill -KILL "$(gupper status app | field .pid)"
  wait_until 30 event 'taken back' '.to == "1.0.0"'
  wait_until 20 answers 1.0.0
  run_gupper list ./pkgs --newer-than ./app
  assert_silent
}

@test "socket: the program inherits what listens, in Node and in Perl, and nothing is refused while it is replaced" {
  need perl
  make_service 1.0.0
  start_service app "${socket[@]}" --healthy-for 0
  start_load
  make_service 1.1.0 "exec perl '$ROOT/scripts/services/accept.pl'"
  update_to 1.1.0
  [ "$(activated way)" = socket ] && [ "$(activated lost)" -eq 0 ]
  make_service 1.2.0
  update_to 1.2.0
  stop_load 1.0.0 1.1.0 1.2.0
}

@test "socket: the last of two words decides who answers: http needs to tell the version" {
  make_service 1.0.0
  start_service app --via socket --listen 127.0.0.1:0 --ready 'http:/version={version}' --healthy-for 0
  make_service 1.1.0
  update_to 1.1.0
  assert_answers 1.1.0
}

@test "socket: a Unix socket too, also where a dead one lies" {
  make_service 1.0.0
  node -e 'require("net").createServer().listen("app.sock", () => process.kill(process.pid, "SIGKILL"))' || true
  start_service app --via socket --listen "unix:$PWD/app.sock" --ready fd --healthy-for 0
  [ "$(curl -s --unix-socket app.sock http://app/)" = 1.0.0 ]
  make_service 1.1.0
  update_to 1.1.0
  [ "$(curl -s --unix-socket app.sock http://app/)" = 1.1.0 ]
}

@test "restart: the old one ends first; one that fails is taken back by starting the old one again" {
  make_service 1.0.0
  local port
  port=$(free_port)
  start_service app --listen "127.0.0.1:$port" --via restart --healthy-for 0 -- env "PORT=$port" ./app
  assert_answers 1.0.0
  make_service 1.1.0
  update_to 1.1.0
  assert_answers 1.1.0
  [ "$(activated lost)" = null ]
  make_service 1.2.0 'exit 1'
  update_to 1.2.0 65
  [ "$(failure code)" = reverted ]
  assert_answers 1.1.0
}

@test "reuseport: both bind the address, and it is said what this cannot promise" {
  local port
  port=$(free_port)
  reuse() { make_service "$1" "exec node --input-type=module -e \"import { createServer } from 'node:http'; import { listen } from '$ROOT/src/service.ts'; await listen(createServer((q, r) => r.end('$1')), { port: $port, host: '127.0.0.1', reusePort: true }); console.log('up')\""; }
  reuse 1.0.0
  start_service app --via reuseport --listen "127.0.0.1:$port" --ready log:^up --healthy-for 0
  assert_answers 1.0.0
  reuse 1.1.0
  update_to 1.1.0
  assert_answers 1.1.0
  event caveat '.way == "reuseport" and (.reason | test("reset"))'
}

@test "signal: nginx reads its new files, under load, and one that it cannot read is taken back" {
  need nginx
  local port
  port=$(free_port)
  conf() {
    mkdir -p "src-$1"
    printf 'daemon off; pid %s/nginx.pid; error_log stderr; events {} http { access_log off; %s server { listen 127.0.0.1:%s; location = / { return 200 %s; } } }\n' "$PWD" "$2" "$port" "$1" >"src-$1/nginx.conf"
    gupper pack "src-$1" --name app --version "$1" --os any --arch any --format tar.gz --into pkgs >/dev/null
  }
  conf 1.0.0 'client_body_temp_path /tmp;'
  gupper update ./pkgs --to ./app >/dev/null
  start_service app --via signal:HUP --listen "127.0.0.1:$port" --ready 'http:/={version}' --ready-within 5s --healthy-for 0 -- nginx -c "$PWD/app/nginx.conf" -p "$PWD"
  URL=http://127.0.0.1:$port
  assert_answers 1.0.0
  local pid
  pid=$(gupper status app | field .pid)
  start_load
  conf 1.1.0 'client_body_temp_path /tmp;'
  update_to 1.1.0
  [ "$(gupper status app | field .pid)" = "$pid" ]
  stop_load 1.0.0 1.1.0
  conf 1.2.0 'nonsense on;'
  update_to 1.2.0 65
  [ "$(failure code)" = reverted ]
  assert_answers 1.1.0
  grep -q 1.1.0 app/nginx.conf
}

@test "exec: a command of the user's makes it live, of a program that somebody else runs" {
  make_service 1.0.0
  gupper update ./pkgs --to ./app >/dev/null
  # shellcheck disable=SC2016
  start_service app --via 'exec:echo "$GUPPER_FROM > $GUPPER_VERSION" >>reloads; [ ! -e bad ]' --healthy-for 0
  make_service 1.1.0
  update_to 1.1.0
  [ "$(activated way | cut -c1-5)" = exec: ]
  touch bad
  make_service 1.2.0
  run_sh 69 "gupper list ./pkgs | gupper fetch | gupper install --to ./app | gupper activate app"
  [ "$(failure code)" = stuck ]
  [ "$(tr '\n' ';' <reloads)" = ' > 1.0.0;1.0.0 > 1.1.0;1.1.0 > 1.2.0;1.1.0 > 1.1.0;' ]
}

@test "handover: the protocol of self-update, and one that never binds is taken back" {
  local port
  port=$(free_port)
  speaks() { make_service "$1" "exec node '$ROOT/tests/activations/self-update.js' $1 \"\$@\""; }
  speaks 1.0.0
  start_service app --via handover --listen "127.0.0.1:$port" --ready 'http:/={version}' --healthy-for 0 --ready-within 3s
  assert_answers 1.0.0
  speaks 1.1.0
  update_to 1.1.0
  assert_answers 1.1.0
  make_service 1.2.0 "exec node '$ROOT/tests/activations/self-update.js' never \"\$@\""
  update_to 1.2.0 65
  [ "$(failure code)" = reverted ]
  assert_answers 1.1.0
}

@test "misbehaviour: activate is killed while it waits: the update goes on, and is live" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --healthy-for 0
  make_service 1.1.0
  touch hold
  spawn one.out one.err sh -c "gupper list ./pkgs | gupper fetch | gupper install --to ./app | exec gupper activate app"
  wait_until 10 phase probing 1.1.0
  kill -KILL "$(process_with 'bin/gupper activate app')" "$SPAWNED_PID"
  rm hold
  wait_until 20 answers 1.1.0
}

@test "misbehaviour: the supervisor is killed while activate waits: 69, and the next start has it live" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --healthy-for 0
  make_service 1.1.0
  touch hold
  spawn one.out one.err sh -c "gupper list ./pkgs | gupper fetch | gupper install --to ./app | gupper activate app"
  local waiting=$SPAWNED_PID
  wait_until 10 phase probing 1.1.0
  kill_hard "$RUN_PID"
  ends_with 69 "$waiting"
  rm hold
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --healthy-for 0
  wait_until 20 answers 1.1.0
}

@test "misbehaviour: the service is stopped amid a hand-over: the reason is told, and the next start proves the new version or goes back" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --healthy-for 0 --ready-within 2s
  make_service 1.1.0
  touch hold
  spawn one.out one.err sh -c "gupper list ./pkgs | gupper fetch | gupper install --to ./app | gupper activate app"
  local waiting=$SPAWNED_PID
  wait_until 10 phase probing 1.1.0
  kill -TERM "$RUN_PID"
  ends_with 69 "$waiting"
  grep -q 'the service was stopped meanwhile' one.err
  ends_with 0 "$RUN_PID"
  # It never gets ready: what ran before is live again, and the build is held.
  spawn again.events again.err gupper run --name app --to ./app --listen 127.0.0.1:0 --ready exec:'[ "$GUPPER_VERSION" = 1.0.0 ]' --healthy-for 0 --ready-within 2s
  wait_until 20 status_is app '.state == "OK" and .version == "1.0.0" and .phase != "staged"'
  run_gupper rollback ./app --list
  [ "$(jq -r 'select(.current) | .version' <<<"$output")" = 1.0.0 ]
}
