#!/usr/bin/env bats
# rollback while an update is under way: it is broken off, whatever it waits for, and nothing is lost.

load helpers
load service
setup() { service_setup; }
teardown() { service_teardown; }

# make_waiting VERSION…: such a service; /wait is answered once there is a file ./go, and SIGTERM ends it when all is answered.
make_waiting() {
  local version
  cat >"$BATS_TEST_TMPDIR/waiting.cjs" <<'JS'
const fs = require('node:fs')
const version = process.env.VERSION
const server = require('node:http').createServer((req, res) => {
  if (req.url !== '/wait') return res.end(version)
  fs.writeFileSync('asked-' + version, '')
  const timer = setInterval(() => {
    if (!fs.existsSync('go')) return
    clearInterval(timer)
    res.end(version)
  }, 20)
})
server.listen(process.env.LISTEN_FDS ? { fd: 3 } : process.env.PORT)
process.on('SIGTERM', () => server.close())
JS
  for version; do make_service "$version" "exec node '$BATS_TEST_TMPDIR/waiting.cjs'"; done
}

# ask_to_wait VERSION: a request that is under way at that version, which is live; $WAITING is its process.
ask_to_wait() {
  spawn "waited-$1" /dev/null curl -sS "$URL/wait"
  WAITING=$SPAWNED_PID
  wait_until 10 test -e "asked-$1"
}
# assert_waited VERSION PROCESS: that request gets its answer, whole.
assert_waited() { touch go; ends_with 0 "$2" && [ "$(<"waited-$1")" = "$1" ]; }

# begin_update VERSION: the pipe, in the background; $UPDATING is its process.
begin_update() {
  spawn updated updated.err sh -c "gupper list ./pkgs --range $1 | gupper fetch | gupper install --to ./app | gupper activate app"
  UPDATING=$SPAWNED_PID
}

# assert_broken_off VERSION: whoever waited for the update has been told, and the build is held.
assert_broken_off() {
  ends_with 1 "$UPDATING"
  output=$(<updated)
  [ "$(failure code)" = superseded ]
  [ "$(failure message)" = "app $1: it was rolled back meanwhile" ]
  status_is app '.state == "FREEZE" and .version == "1.0.0" and .target == null'
  [ -z "$(processes_with "GUPPER_VERSION=$1")" ]
  run_gupper unfreeze app
  update_to "$1" 65
  [ "$(failure code)" = rejected ]
}

@test "proxy: a rollback while the old one drains leads to it again at once, and what either has begun is finished" {
  make_waiting 1.0.0 1.1.0
  install_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --drain 1h
  ask_to_wait 1.0.0
  local old=$WAITING pid new
  pid=$(gupper status app | field .pid)
  begin_update 1.1.0
  wait_until 20 phase draining 1.1.0
  assert_answers 1.1.0
  ask_to_wait 1.1.0
  new=$WAITING
  spawn back back.err gupper rollback app
  local back=$SPAWNED_PID
  wait_until 10 phase reverting 1.1.0
  assert_answers 1.0.0
  wait_until 10 cmp -s app pkgs/app-1.0.0-any-any
  ! has_ended "$new"
  ! has_ended "$old"
  assert_waited 1.1.0 "$new"
  ends_with 0 "$back"
  [ "$(field .from <back) $(field .to <back) $(field .state <back)" = '1.1.0 1.0.0 committed' ]
  [ "$(field .in_flight <back) $(field .cut <back) $(field .lost <back)" = '1 0 0' ]
  [ "$(field .broken_off <back)" = 1.1.0 ]
  run_gupper status app --history --count 1
  [ "$(field .event <<<"$output") $(field .reason <<<"$output")" = 'rolled back 1.1.0 was broken off' ]
  [ "$(gupper status app | field .pid)" = "$pid" ]
  assert_broken_off 1.1.0
  assert_waited 1.0.0 "$old"
  stop_service
}

@test "socket: a rollback while the old one drains starts it anew at once, and what either has begun is finished" {
  make_waiting 1.0.0 1.1.0
  install_service 1.0.0
  start_service app --via socket --listen 127.0.0.1:0 --healthy-for 0 --drain 1h --ready 'http:/={version}'
  ask_to_wait 1.0.0
  local old=$WAITING
  begin_update 1.1.0
  wait_until 20 phase draining 1.1.0
  wait_until 10 answers 1.1.0
  spawn back back.err gupper rollback app
  local back=$SPAWNED_PID
  ends_with 0 "$UPDATING"
  [ "$(field .activated.state <updated)" = committed ]
  ends_with 0 "$back"
  assert_answers 1.0.0
  status_is app '.state == "FREEZE" and .version == "1.0.0"'
  ! has_ended "$old"
  assert_waited 1.0.0 "$old"
  stop_service
}

@test "a rollback while an update is not ready yet breaks it off, and what waits for its turn too" {
  make_service 1.0.0
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --ready-within 1h --progress 1h --healthy-for 0
  make_service 1.1.0
  make_service 1.2.0
  touch hold
  begin_update 1.1.0
  local first=$UPDATING
  wait_until 20 phase probing 1.1.0
  spawn next next.err sh -c "gupper list ./pkgs --range 1.2.0 | gupper fetch | gupper install --to ./app | gupper activate app"
  local next=$SPAWNED_PID
  wait_until 20 status_is app '.target == "1.2.0"'
  run_gupper rollback app
  [ "$(field .state <<<"$output") $(field .to <<<"$output") $(field .broken_off <<<"$output")" = 'unchanged 1.0.0 1.1.0' ]
  ends_with 1 "$next"
  [ "$(field .error.code <next)" = superseded ]
  assert_answers 1.0.0
  rm hold
  UPDATING=$first
  ends_with 1 "$first"
  [ "$(field .error.code <updated)" = superseded ]
  status_is app '.state == "FREEZE" and .version == "1.0.0" and .target == null'
  stop_service
}

@test "restart: a rollback while the new one is not ready yet starts the old one again" {
  make_service 1.0.0
  make_service 1.1.0 'touch begun'
  install_service 1.0.0
  local port
  port=$(free_port)
  start_service app --via restart --listen "127.0.0.1:$port" --ready exec:'[ "$GUPPER_VERSION" = 1.0.0 ]' --ready-within 1h \
    --progress 1h --healthy-for 0 -- env "PORT=$port" ./app
  begin_update 1.1.0
  wait_until 20 test -e begun
  run_gupper rollback app --version 1.0.0
  status_is app '.version == "1.0.0"'
  assert_broken_off 1.1.0
  stop_service
}

@test "signal: a rollback while the program has the new files already has it read the old ones again" {
  mkdir pkgs
  printf 1.0.0 >pkgs/app-1.0.0-any-any
  cat >reader.cjs <<'JS'
const fs = require('node:fs')
let text = fs.readFileSync('app', 'utf8')
process.on('SIGHUP', () => (text = fs.readFileSync('app', 'utf8')))
require('node:http').createServer((req, res) => res.end(text)).listen(process.argv[2], '127.0.0.1')
JS
  local port
  port=$(free_port)
  start_service app --via signal:HUP --listen "127.0.0.1:$port" --ready exec:'[ ! -e hold ]' --ready-within 1h --progress 1h \
    --healthy-for 0 -- node reader.cjs "$port"
  URL=http://127.0.0.1:$port
  wait_until 10 answers 1.0.0
  printf 1.1.0 >pkgs/app-1.1.0-any-any
  touch hold
  begin_update 1.1.0
  wait_until 20 answers 1.1.0
  phase probing 1.1.0
  spawn back back.err gupper rollback app
  local back=$SPAWNED_PID
  wait_until 10 phase reverting 1.1.0
  rm hold
  ends_with 0 "$back"
  assert_answers 1.0.0
  cmp app pkgs/app-1.0.0-any-any
  assert_broken_off 1.1.0
  stop_service
}

# start_with_past [FLAGS…]: 1.0.0 runs and has replaced 0.9.0; ./hold has nothing become ready.
start_with_past() {
  make_service 0.9.0
  install_service
  start_service app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --ready-within 1h --progress 1h --healthy-for 0 "$@"
  make_service 1.0.0
  update_to 1.0.0
  make_service 1.1.0
  touch hold
}

@test "a rollback that leads nowhere breaks nothing off" {
  start_with_past
  begin_update 1.1.0
  wait_until 20 phase probing 1.1.0
  run_gupper 1 rollback app --version 9.9.9
  [ "$(failure code)" = no ]
  rm hold
  ends_with 0 "$UPDATING"
  status_is app '.state == "OK" and .version == "1.1.0"'
  stop_service
}

@test "a rollback amid the very first start breaks nothing off: there is nothing to go back to" {
  spawn run.out run.err gupper run --to ./app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --ready-within 1h --progress 1h --healthy-for 0
  RUN_PID=$SPAWNED_PID RUN_OUT=run.out
  wait_until 10 status_is app '.state == "BROKEN"'
  make_service 1.0.0
  touch hold
  begin_update 1.0.0
  wait_until 20 phase probing 1.0.0
  run_gupper 1 rollback --service app
  [ "$(failure code)" = no ]
  rm hold
  ends_with 0 "$UPDATING"
  status_is app '.state == "OK" and .version == "1.0.0"'
  stop_service
}

@test "two rollbacks at once go no further than one" {
  start_with_past
  begin_update 1.1.0
  wait_until 20 phase probing 1.1.0
  spawn one.out one.err gupper rollback --service app
  local one=$SPAWNED_PID
  spawn two.out two.err gupper rollback --service app --version 1.0.0
  local two=$SPAWNED_PID
  ends_with 0 "$one"
  ends_with 0 "$two"
  assert_answers 1.0.0
  status_is app '.state == "FREEZE" and .version == "1.0.0" and .target == null'
  rm hold
  stop_service
}

@test "a rollback goes to what ran before the update also where that does not run any more" {
  start_with_past
  stop_service
  gupper update ./pkgs --to ./app >/dev/null
  spawn run.out run.err gupper run --name app --to ./app --listen 127.0.0.1:0 --ready exec:'[ ! -e hold ]' --ready-within 1h \
    --progress 1h --healthy-for 0
  RUN_PID=$SPAWNED_PID RUN_OUT=run.out
  wait_until 20 phase probing 1.1.0
  spawn back back.err gupper rollback --service app
  local back=$SPAWNED_PID
  wait_until 10 phase probing 1.0.0
  rm hold
  ends_with 0 "$back"
  status_is app '.state == "FREEZE" and .version == "1.0.0"'
  cmp app pkgs/app-1.0.0-any-any
  stop_service
}

@test "misbehaviour: the service is stopped while a rollback waits: it is done, and the next start goes on with what ran before" {
  make_waiting 1.0.0 1.1.0
  install_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --drain 1h
  ask_to_wait 1.0.0
  begin_update 1.1.0
  wait_until 20 phase draining 1.1.0
  ask_to_wait 1.1.0
  spawn back back.err gupper rollback --service app
  local back=$SPAWNED_PID
  wait_until 10 phase reverting 1.1.0
  kill -TERM "$RUN_PID"
  wait_until 10 event stopping
  touch go
  ends_with 0 "$RUN_PID"
  ends_with 0 "$back"
  start_service app --listen 127.0.0.1:0 --healthy-for 0
  status_is app '.state == "FREEZE" and .version == "1.0.0"'
  stop_service
}

@test "misbehaviour: the supervisor is killed while the broken-off version drains: the old one is taken over" {
  make_waiting 1.0.0 1.1.0
  install_service 1.0.0
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --drain 1h
  local pid
  pid=$(gupper status app | field .pid)
  ask_to_wait 1.0.0
  begin_update 1.1.0
  wait_until 20 phase draining 1.1.0
  ask_to_wait 1.1.0
  spawn back back.err gupper rollback app
  local back=$SPAWNED_PID
  wait_until 10 phase reverting 1.1.0
  kill_hard "$RUN_PID"
  ends_with 69 "$back"
  start_service app --listen 127.0.0.1:0 --healthy-for 0 --drain 1h
  assert_answers 1.0.0
  [ "$(gupper status app | field .pid)" = "$pid" ]
  status_is app '.state == "FREEZE" and .version == "1.0.0"'
  cmp app pkgs/app-1.0.0-any-any
  [ -z "$(processes_with "GUPPER_VERSION=1.1.0")" ]
  touch go
  stop_service
}
