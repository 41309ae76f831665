#!/usr/bin/env bats
# The control socket of a service: nobody else gets in, and nothing that comes in brings the supervisor down.

load helpers
load service
setup() {
  service_setup
  make_service 1.0.0 'exec sleep 1000'
  start_service app --ready exec:true --healthy-for 0 --grace 200ms
  HOME_OF=$XDG_STATE_HOME/gupper/services/app
}
teardown() { service_teardown; }

# talk SCRIPT: SCRIPT has `socket`, connected to the service, and ends when that is closed; what came is printed, without the
# empty lines that say that it was heard.
talk() {
  run -0 --separate-stderr with_deadline node -e '
    const socket = require("node:net").connect(process.argv[1])
    socket.on("data", (chunk) => process.stdout.write(chunk)).on("error", (error) => console.error(error.code))
    '"$1" "$HOME_OF/control"
  output=$(grep . <<<"$output") || true
}

# assert_serves: the same supervisor still answers.
assert_serves() {
  run_gupper status app
  [ "$(field .state <<<"$output")" = OK ] && [ "$(field .version <<<"$output")" = 1.0.0 ]
  ! has_ended "$RUN_PID"
}

# as_nobody STATUS ARGS…: gupper as another user who has found out where everything is.
as_nobody() {
  [ "$(id -u)" -eq 0 ] || skip 'needs root, to be somebody else'
  need setpriv
  id nobody >/dev/null 2>&1 || skip 'needs the user nobody'
  run -"$1" --separate-stderr with_deadline setpriv --reuid=nobody --regid=nogroup --clear-groups gupper "${@:2}"
}

# open_to_all DIR…: so that only the service's own permissions stand in the way, up to the test's place.
open_to_all() { local dir=$1; until [ "$dir" = / ]; do chmod a+x "$dir"; dir=$(dirname "$dir"); [ "$dir" != /tmp ] || break; done; }

@test "service socket: its directory is 0700 and the socket 0600, whatever the umask is and was" {
  [ "$(stat -c %a "$HOME_OF")" = 700 ]
  [ "$(stat -c %a "$HOME_OF/control")" = 600 ]
  stop_service
  [ ! -e "$HOME_OF/control" ]
  chmod 777 "$HOME_OF"
  umask 0
  start_service app --ready exec:true --healthy-for 0 --grace 200ms
  [ "$(stat -c %a "$HOME_OF")" = 700 ]
  [ "$(stat -c %a "$HOME_OF/control")" = 600 ]
  [ "$(find "$HOME_OF/log" "$HOME_OF/keeper" -perm /077)" = '' ]
}

@test "service socket: another user is refused, 69, and told why" {
  local verb
  open_to_all "$XDG_STATE_HOME/gupper/services"
  for verb in status freeze restart check unfreeze; do
    as_nobody 69 "$verb" app
    assert_stderr_has 'belongs to another user'
    assert_stderr_has 'run it as the user of the service'
    assert_no_trace
  done
  as_nobody 69 logs app
  assert_no_trace
  [[ $output != *'is started'* ]]
  as_nobody 69 activate app <<<"$(describe_package app 1.0.0 pkgs/app-1.0.0-any-any | jq -c '.installed = {path: "/app", changed: true}')"
  [ "$(failure code)" = denied ]
  # Nor with an open directory, for the socket has a lock of its own.
  chmod 755 "$HOME_OF"
  as_nobody 69 freeze app
  assert_stderr_has 'belongs to another user'
  assert_serves
}

@test "service socket: garbage is answered with a failure" {
  local line
  for line in 'not json' '{}' '[]' 'null' '7' '"status"' '{"verb":null}' '{"verb":["status"]}' '{"verb":"__proto__"}' '{"verb":"explode"}'; do
    talk "socket.write($(jq -n --arg line "$line" '$line + "\n"'))"
    [ "$(failure code)" = protocol ] || { echo "$line: $output" >&2; return 1; }
  done
  talk 'socket.write(require("node:crypto").randomBytes(5000)); socket.write("\n")'
  [ "$(failure code)" = protocol ]
  assert_serves
}

@test "service socket: fields of the wrong kind are told" {
  local line
  for line in '{"verb":"history","count":"many"}' '{"verb":"history","count":-1}' '{"verb":"history","count":1e300}' '{"verb":"history","count":null}' \
    '{"verb":"rollback","version":7}' '{"verb":"rollback","version":{}}' '{"verb":"activate","digest":7}' '{"verb":"activate","target":[]}' \
    '{"verb":"activate","dryRun":"yes"}'; do
    talk "socket.write($(jq -n --arg line "$line" '$line + "\n"'))"
    assert_no_trace
    [ "$(failure code)" = protocol ] || { echo "$line: $output" >&2; return 1; }
  done
  # Deep enough for whoever would walk it.
  talk 'socket.write(`{"verb":"activate","digest":${"[".repeat(30000)}${"]".repeat(30000)}}\n`)'
  [ "$(failure code)" = protocol ] && [ "$(failure step)" = run ]
  assert_serves
}

@test "service socket: a line of 1 MB is refused, and not kept in memory" {
  talk 'socket.write("x".repeat(2 ** 20) + "\n")'
  [ -z "$output" ] || [ "$(failure code)" = protocol ]
  talk 'socket.write(JSON.stringify({ verb: "status", more: "x".repeat(2 ** 20) }) + "\n")'
  [ -z "$output" ] || [ "$(failure code)" = protocol ]
  assert_serves
}

@test "service socket: who says nothing, breaks off or does not listen keeps nobody else from being served" {
  spawn silent.out silent.err node -e '
    const net = require("node:net")
    const open = (then) => net.connect(process.argv[1], then).on("error", () => undefined)
    const many = Array.from({ length: 50 }, () => open())
    open(function () { this.write("{\"verb\":\"sta") })
    // Never reads, and never hangs up.
    const deaf = net.connect({ path: process.argv[1], allowHalfOpen: true })
    deaf.on("error", () => undefined).pause().write("{\"verb\":\"history\",\"count\":1000}\n")
    const hasty = (left) => left === 0 ? console.log("done") :
      open(function () { this.end("{\"verb\":\"status\"}\n"); this.destroy(); hasty(left - 1) })
    hasty(100)' "$HOME_OF/control"
  wait_until 20 has_line silent.out
  assert_serves
  run_gupper freeze app
  [ "$(field .state <<<"$output")" = FREEZE ]
  run_gupper unfreeze app
  # One that goes away while its request is done: it is done all the same.
  talk 'socket.write("{\"verb\":\"restart\"}\n", () => socket.destroy())'
  wait_until 20 event restarted '.state == "committed"'
  assert_serves
  # Those that hang on do not keep it from ending.
  stop_service
  [ ! -e "$HOME_OF/control" ]
}

@test "service socket: of one that is gone nothing is left that would be taken for it" {
  kill_hard "$RUN_PID"
  [ -S "$HOME_OF/control" ]
  run_gupper 69 status app
  [ "$(field .supervised <<<"$output")" = false ]
  assert_stderr_has 'app is not running here'
  run_gupper 69 freeze app
  assert_stderr_has 'gupper run --name app'
  start_service app --ready exec:true --healthy-for 0 --grace 200ms
  event 'taken over'
  assert_serves
}
