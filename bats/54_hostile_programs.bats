#!/usr/bin/env bats
# Services whose programs misbehave, a sin each: what answers goes on to answer, and what is told is true.

load helpers
load service
setup() {
  service_setup
  # The good ones wait for as long as a slow machine needs; what must not wait says so.
  PATIENT=(--listen 127.0.0.1:0 --healthy-for 0 --grace 500ms)
}
teardown() { service_teardown; }

# make_js VERSION JS [LINES…]: such a service in JavaScript, after lines of sh; it has `version`, `server`, `answer` to set, and `open()` to listen.
make_js() {
  local file=$BATS_TEST_TMPDIR/$1.cjs
  { cat <<'JS'; echo "$2"; } >"$file"
const fs = require('node:fs')
const { createServer } = require('node:http')
const version = process.env.VERSION
let answer = (req, res) => res.end(version)
const server = createServer((req, res) => answer(req, res))
const open = (port = process.env.PORT) =>
  server.listen(port, '127.0.0.1', () => console.log(version + ' is up'))
JS
  make_service "$1" "${@:3}" "exec node '$file'"
}

# What shares a stream with Node is to open it anew (>/proc/self/fd/1), since Node makes it non-blocking.
# start_old [FLAGS…]: 1.0.0 runs and answers under load.
start_old() {
  [ -e pkgs/app-1.0.0-any-any ] || make_js 1.0.0 'open()'
  install_service 1.0.0
  start_service app "${PATIENT[@]}" "$@"
  assert_answers 1.0.0
  start_load
}

# What starts and is never ready costs its whole time: it gets less than 1.0.0, which is taken over as it runs.
start_old_then() {
  [ -e pkgs/app-1.0.0-any-any ] || make_js 1.0.0 'open()'
  install_service 1.0.0
  start_service app "${PATIENT[@]}"
  kill_hard "$RUN_PID"
  start_service app "${PATIENT[@]}" "$@"
  event 'taken over'
  start_load
}

# assert_refused VERSION WHY: the update in $output came to nothing, is known to have, and left no process.
assert_refused() {
  [ "$(failure code)" = not-ready ] && [ "$(failure step)" = activate ] || { echo "$output" >&2; return 1; }
  [[ $(failure message) =~ $2 ]] || { echo "$output" >&2; return 1; }
  [ -z "$(processes_with "GUPPER_VERSION=$1")" ]
  assert_old_goes_on "$1" aborted
  stop_load 1.0.0
}

# assert_old_goes_on VERSION STATE: 1.0.0 is live and at the target; the build of VERSION is held.
assert_old_goes_on() {
  assert_answers 1.0.0
  status_is app ".state == \"OK\" and .version == \"1.0.0\" and .phase == \"$2\" and (.reason | startswith(\"$1\")) and .candidate == null"
  run_gupper status app --history --count 1
  jq -e ".event == \"activated\" and .to == \"$1\" and .from == \"1.0.0\" and .state == \"$2\"" <<<"$output"
  run_gupper list ./pkgs --newer-than ./app
  assert_output_is ''
  run_sh 65 "gupper list ./pkgs --range '$1' | gupper fetch | gupper install --to ./app"
  [ "$(failure code)" = rejected ]
}

@test "hostile: never ready: refused, and the old one goes on" {
  make_service 2.0.0 'echo "2.0.0 thinks" >&2; exec sleep 1000'
  start_old_then --ready-within 300ms
  update_to 2.0.0 65
  assert_refused 2.0.0 'nothing listens at 127.0.0.1:[0-9]+'
  stop_service
}

@test "hostile: ready, and dies before it has proven itself: refused, with its last words" {
  make_js 2.0.0 'answer = (req, res) => res.end(version, () => { console.error("the sky falls"); process.exit(3) }); open()'
  start_old --ready http:/ --healthy-for 300ms
  update_to 2.0.0 65
  assert_refused 2.0.0 'it exited with 3.*the sky falls|is no more'
  event activated '.state == "aborted" and (.log | index("the sky falls"))'
  stop_service
}

@test "hostile: dies after the switch, while the old one still drains: taken back, and what the old one does goes on" {
  make_js 1.0.0 'answer = (req, res) => req.url === "/wait" ? setInterval(() => fs.existsSync("go") && res.end(version), 20) : res.end(version); open()'
  make_js 2.0.0 'setInterval(() => fs.existsSync("die") && process.exit(4), 20); open()'
  install_service 1.0.0
  start_service app "${PATIENT[@]}"
  spawn waited /dev/null curl -sS "$URL/wait"
  local waiting=$SPAWNED_PID
  spawn updated updated.err sh -c 'gupper list ./pkgs | gupper fetch | gupper install --to ./app | gupper activate app'
  local updating=$SPAWNED_PID
  wait_until 20 phase draining 2.0.0
  assert_answers 2.0.0
  touch die
  ends_with 65 "$updating"
  output=$(<updated)
  [ "$(failure code)" = reverted ]
  [[ $(failure message) == *'it exited with 4'* ]]
  phase reverting 2.0.0
  assert_old_goes_on 2.0.0 reverted
  touch go
  ends_with 0 "$waiting"
  [ "$(<waited)" = 1.0.0 ]
  stop_service
}

@test "hostile: exits with 0 at once: that is no success" {
  make_service 2.0.0 'echo "nothing to do here"; exit 0'
  start_old --drain 500ms
  update_to 2.0.0 65
  assert_refused 2.0.0 'it exited with 0.*nothing to do here'
  stop_service
}

@test "hostile: ignores SIGTERM: killed after --grace, when it is replaced and when the service ends" {
  make_js 1.0.0 'process.on("SIGTERM", () => console.log("never")); open()'
  make_js 2.0.0 'process.on("SIGTERM", () => console.log("never")); open()'
  start_old --drain 500ms
  local old
  old=$(processes_with GUPPER_VERSION=1.0.0)
  update_to 2.0.0
  [ "$(activated state)" = committed ] && [ "$(activated cut)" = 0 ]
  has_ended "$old"
  stop_load 1.0.0 2.0.0
  stop_service
  wait_until 5 nobody_left
}

@test "hostile: daemonises: refused, and the daemon does not stay" {
  make_js 2.0.0 'open()' "(setsid sh -c 'sleep 1000 & exec node $BATS_TEST_TMPDIR/2.0.0.cjs' &)" 'exit 0'
  start_old --drain 500ms
  update_to 2.0.0 65
  assert_refused 2.0.0 'it exited with 0'
  stop_service
}

@test "hostile: forks into its own and other sessions: nothing of that outlives it, nor the service" {
  local forks="(sleep 1000 & setsid -f sleep 1000; setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' & (trap '' TERM; sleep 1000) &)"
  make_js 1.0.0 'open()' "$forks"
  make_js 2.0.0 'open()' "$forks"
  start_old --drain 500ms
  [ "$(processes_with GUPPER_VERSION=1.0.0 | wc -l)" -ge 6 ]
  update_to 2.0.0
  [ "$(activated state)" = committed ]
  [ -z "$(processes_with GUPPER_VERSION=1.0.0)" ]
  stop_load 1.0.0 2.0.0
  stop_service
  wait_until 5 nobody_left
}

@test "hostile: binds another port than its own: refused" {
  make_js 2.0.0 'open(0)'
  start_old_then --ready-within 1s
  update_to 2.0.0 65
  assert_refused 2.0.0 'nothing listens at 127.0.0.1:[0-9]+'
  stop_service
}

@test "hostile: answers 500, at once or after it was ready: refused" {
  make_js 2.0.0 'let n = 0; answer = (req, res) => res.writeHead(n++ ? 500 : 200).end("oh no"); open()'
  start_old --ready http:/ --healthy-for 100ms
  update_to 2.0.0 65
  assert_refused 2.0.0 'it was ready, and is no more: GET / answered 500'
  make_js 3.0.0 'answer = (req, res) => res.writeHead(500).end("oh no"); open()'
  kill_hard "$RUN_PID"
  start_service app "${PATIENT[@]}" --ready http:/ --ready-within 1s
  update_to 3.0.0 65
  [ "$(failure code)" = not-ready ]
  assert_old_goes_on 3.0.0 aborted
  stop_service
}

@test "hostile: a websocket that nobody ends stays with its version until --drain, is then cut, and counted" {
  make_js 1.0.0 'server.on("upgrade", (req, socket) => {
    socket.on("error", () => undefined).write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      "Sec-WebSocket-Accept: " + require("node:crypto").createHash("sha1").update(req.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64") + "\r\n\r\n")
    setInterval(() => socket.write(Buffer.concat([Buffer.from([0x81, version.length]), Buffer.from(version)])), 50)
  }); open()'
  make_js 2.0.0 'open()'
  start_old --drain 1s
  spawn frames frames.err node -e '
    const socket = new WebSocket(process.argv[1].replace("http", "ws"))
    socket.onmessage = ({ data }) => console.log(data)
    socket.onclose = ({ wasClean }) => console.log("closed", wasClean)' "$URL/ws"
  local client=$SPAWNED_PID
  wait_until 10 has_line frames
  spawn updated updated.err sh -c 'gupper list ./pkgs --newer-than ./app | gupper fetch | gupper install --to ./app | gupper activate app'
  local updating=$SPAWNED_PID
  wait_until 20 phase draining 2.0.0
  assert_answers 2.0.0
  ends_with 0 "$updating"
  output=$(<updated)
  [ "$(activated state)" = committed ] && [ "$(activated in_flight)" = 1 ] && [ "$(activated cut)" = 1 ] && [ "$(activated lost)" = 0 ]
  [ "$(activated took_ms)" -ge 1000 ]
  ends_with 0 "$client"
  [ "$(sort -u frames)" = $'1.0.0\nclosed false' ]
  stop_load 1.0.0 2.0.0
  stop_service
}

@test "hostile: writes a line of 10 MB: it is kept whole" {
  make_js 2.0.0 'process.stdout.write("x".repeat(10 * 2 ** 20) + "\n", () => open())'
  start_old --quiet
  update_to 2.0.0
  gupper logs app --all >all
  [ "$(jq -r 'select(.line | length > 1000) | [.stream, (.line | length)] | @tsv' all)" = $'stdout\t10485760' ]
  stop_load 1.0.0 2.0.0
  stop_service
}

@test "hostile: writes 100 MB a second: it answers, is replaced, and neither its log nor the supervisor grows" {
  local noise='yes "$(head -c 200 /dev/zero | tr "\0" y)"'
  make_js 1.0.0 'open()' "($noise | head -c 100M >/proc/self/fd/1; : >full; exec $noise >/proc/self/fd/1) &"
  make_js 2.0.0 'open()' "$noise >/proc/self/fd/1 &"
  start_old --quiet --log-size 1M --log-keep 3
  local log=$XDG_STATE_HOME/gupper/services/app/log
  wait_until 60 test -e full
  status_is app '.version == "1.0.0"'
  update_to 2.0.0
  [ "$(activated state)" = committed ]
  stop_load 1.0.0 2.0.0
  [ "$(du -sB1 --apparent-size "$log" | cut -f1)" -le $((3 * 2 ** 20 + 65536)) ]
  [ "$(awk '/^VmHWM/ { print $2 }' "/proc/$RUN_PID/status")" -lt 200000 ]
  stop_service
}

@test "hostile: fills the disk with its log: it goes on, that is said once, and there is a way back" {
  mount_small state 5M
  export XDG_STATE_HOME=$PWD/state
  make_js 1.0.0 'open()' '[ -e full ] || (until [ -e fill ]; do sleep 0.05; done; yes "$(head -c 200 /dev/zero | tr "\0" y)" | head -c 5000000 >/proc/self/fd/1; : >full) &'
  make_js 2.0.0 'open()'
  head -c 2M /dev/zero >state/room
  start_old
  touch fill
  wait_until 20 test -e full
  wait_until 10 grep -qa 'is not kept until it can be written again' "$RUN_ERR"
  cat /dev/zero >state/rest 2>/dev/null || true
  status_is app '.version == "1.0.0"'
  assert_answers 1.0.0
  run_sh "gupper list ./pkgs --newer-than ./app | gupper fetch | gupper install --to ./app | gupper activate app; echo ended \$?"
  case $output in
    *'ended 0') assert_answers 2.0.0; status_is app '.version == "2.0.0"' ;;
    *'ended 73') assert_answers 1.0.0; status_is app '.version == "1.0.0"' ;;
    *) echo "$output" >&2; return 1 ;;
  esac
  [ "$(grep -ac 'is not kept until it can be written again' "$RUN_ERR")" = 1 ]
  rm state/room state/rest
  # What failed for want of room is not a fault of the build.
  answers 2.0.0 || update_to 2.0.0
  assert_answers 2.0.0
  run_gupper rollback app
  [ "$(field .state <<<"$output")" = committed ]
  assert_answers 1.0.0
  stop_load 1.0.0 2.0.0
  stop_service
}

@test "hostile: takes a minute for a request: cut after --drain, and counted" {
  make_js 1.0.0 'answer = (req, res) => req.url === "/slow" ? (fs.writeFileSync("begun", ""), setTimeout(() => res.end(version), 60000)) : res.end(version); open()'
  make_js 2.0.0 'open()'
  start_old --drain 500ms
  spawn slow slow.err curl -sS "$URL/slow"
  local slow=$SPAWNED_PID
  wait_until 10 test -e begun
  update_to 2.0.0
  [ "$(activated state)" = committed ] && [ "$(activated in_flight)" = 1 ] && [ "$(activated cut)" = 1 ]
  wait_until 10 has_ended "$slow"
  [ ! -s slow ] || ! grep -q 1.0.0 slow
  stop_load 1.0.0 2.0.0
  stop_service
}

@test "hostile: takes its time for a request: with a longer --drain nothing is cut" {
  make_js 1.0.0 'answer = (req, res) => req.url === "/slow" ? (fs.writeFileSync("begun", ""), setInterval(() => fs.existsSync("go") && res.end(version), 20)) : res.end(version); open()'
  make_js 2.0.0 'open()'
  start_old
  spawn slow slow.err curl -sS "$URL/slow"
  local slow=$SPAWNED_PID
  wait_until 10 test -e begun
  spawn updated updated.err sh -c 'gupper list ./pkgs --newer-than ./app | gupper fetch | gupper install --to ./app | gupper activate app'
  local updating=$SPAWNED_PID
  wait_until 20 phase draining 2.0.0
  assert_answers 2.0.0
  status_is app '.phase == "draining" and .candidate.version == "2.0.0"'
  touch go
  ends_with 0 "$slow"
  ends_with 0 "$updating"
  output=$(<updated)
  [ "$(activated in_flight)" = 1 ] && [ "$(activated cut)" = 0 ] && [ "$(activated lost)" = 0 ]
  [ "$(<slow)" = 1.0.0 ]
  stop_load 1.0.0 2.0.0
  stop_service
}

@test "hostile: two versions that want one lock: refused with the reason beside each other, live after each other" {
  local lock='exec 9>lock; flock -n 9 || { echo "the lock is taken" >&2; exit 9; }' version
  for version in 1.0.0 2.0.0 3.0.0; do make_js "$version" 'open()' "$lock"; done
  start_old --drain 500ms
  update_to 2.0.0 65
  [[ $(failure message) == *'it exited with 9'*'the lock is taken' ]]
  event activated '.state == "aborted" and .log == ["the lock is taken"]'
  assert_answers 1.0.0
  status_is app '.state == "OK" and .version == "1.0.0"'
  stop_load 1.0.0
  stop_service
  start_service app --via restart --ready 'log:is up' --healthy-for 0 --grace 2s
  update_to 3.0.0
  [ "$(activated state)" = committed ] && [ "$(activated way)" = restart ] && [ "$(activated cut)" = null ]
  status_is app '.state == "OK" and .version == "3.0.0"'
  stop_service
}
