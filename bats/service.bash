# For tests of services: a small web service in several versions, run, updated and asked as people do it.

service_setup() { common_setup; RUN_PID='' LOAD_PID=''; }

# Ends what runs, and fails when anything that was started for the test is still there, wherever it has hidden.
service_teardown() {
  local failed=0 left
  common_teardown || failed=1
  left=$(processes_left)
  [ -z "$left" ] || { ps -o pid,args -p "${left// /,}" >&2; kill -KILL $left; failed=1; }
  return "$failed"
}

# The processes that have this test's home, all of them: also those in whose command a path of bats stands.
processes_left() {
  local entry pid left=()
  for entry in $(grep -lzxF "HOME=$HOME" /proc/[0-9]*/environ 2>/dev/null); do
    entry=${entry%/environ}
    # That of grep itself, and those that end right now.
    pid=${entry#/proc/}
    has_ended "$pid" || left+=("$pid")
  done
  echo "${left[*]}"
}
nobody_left() { [ -z "$(processes_left)" ]; }
# processes_with NAME=VALUE: those that have this in their environment, and this test's home.
processes_with() {
  local pid
  for pid in $(processes_left); do
    ! grep -qzxF "$1" "/proc/$pid/environ" 2>/dev/null || echo "$pid"
  done
}
# process_with PATTERN: the processes of this test whose command has it. (Other tests run at the same time.)
process_with() {
  local pid command
  for pid in $(processes_left); do
    command=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || continue
    [[ ${command% } =~ $1 ]] && echo "$pid"
  done
  return 0
}
# The shell that has started the programs ends a moment after the supervisor.
processes_of_test() { wait_until 5 nobody_left 2>/dev/null || processes_left; }

# make_service VERSION [LINES…]: app VERSION as a package in ./pkgs, a script of sh. It runs the lines, then, unless they
# exec or exit, the example service, which answers its version at / and sleeps at /slow?ms=N.
make_service() {
  local version=$1 file=pkgs/app-$1-any-any
  shift
  mkdir -p pkgs
  { echo '#!/bin/sh'; echo "export VERSION=$version"; [ $# = 0 ] || printf '%s\n' "$@"; echo "exec node '$ROOT/scripts/services/web.js'"; } >"$file"
  chmod +x "$file"
}

# install_service [VERSION]: to ./app, as gupper update does it; the newest unless said otherwise.
install_service() { gupper update ./pkgs ${1:+--range "$1"} --to ./app >/dev/null; }

# start_service NAME [FLAGS…] [-- CMD…]: runs ./app, installed from ./pkgs where it is not yet. The events go to $RUN_OUT, what
# it says to $RUN_ERR; waits until its first program is live, or has failed. $RUN_PID is the supervisor, $URL where it answers.
start_service() {
  local name=$1
  shift
  [ -e app ] || install_service
  RUN_OUT=$BATS_TEST_TMPDIR/$name.$RANDOM.events RUN_ERR=$BATS_TEST_TMPDIR/$name.$RANDOM.stderr
  spawn "$RUN_OUT" "$RUN_ERR" gupper run --name "$name" --to ./app "$@"
  RUN_PID=$SPAWNED_PID URL=''
  wait_until 20 has_begun || { cat "$RUN_OUT" "$RUN_ERR" >&2; return 1; }
  ! has_ended "$RUN_PID" || return 0
  URL=$(gupper status "$name" 2>/dev/null | field .listen)
  case $URL in undefined) URL='' ;; http* | /* | unix:*) ;; *) URL=http://$URL ;; esac
}
has_begun() { event started || event 'taken over' || has_ended "$RUN_PID"; }

# stop_service [STATUS]: SIGTERM, and the status that it has to end with (0).
stop_service() { kill -TERM "$RUN_PID" && ends_with "${1:-0}" "$RUN_PID"; }

# update_to VERSION [STATUS]: the pipe, as cron runs it; its status has to be STATUS (0). $output has its record.
update_to() { run_sh "${2:-0}" "gupper list ./pkgs --range '$1' | gupper fetch | gupper install --to ./app | gupper activate ${SERVICE-app}"; }

# event EVENT [JQ [TIMES]]: whether such an event was told (so many times); with a condition on it: event ended '.status == 3'.
event() { tells "select(.event == \"$1\") | select(${2-true}) | 1" "\"$1\"" "${3-1}"; }
# phase PHASE [VERSION [TIMES]]: whether a hand-over (to this version) has entered it (so many times).
phase() { event phase ".phase == \"$1\"${2:+ and .version == \"$2\"}" "${3-1}"; }
# A line may be half written when it is read.
tells() { [ -s "$RUN_OUT" ] && grep -qF "${2-}" "$RUN_OUT" && [ "$(jq -R "fromjson? | $1" "$RUN_OUT" | wc -l)" -ge "${3-1}" ]; }

# activated FIELD: of the record (or failure) in $output; failure FIELD: of the error.
activated() { field ".activated.$1" <<<"$output"; }
failure() { field ".error.$1" <<<"$output"; }

# status_of NAME JQ: whether the condition holds for what gupper status says; its own status may be 1 (BROKEN).
status_is() { gupper status "$1" 2>/dev/null | jq -e "$2" >/dev/null; }

# answers [TEXT]: whether the service answers, and with this.
answers() {
  local body
  body=$(curl -sS --max-time 10 --fail "$URL/") && { [ $# = 0 ] || [ "$body" = "$1" ]; }
}
assert_answers() { answers "$1" || { curl -si "$URL/" >&2; return 1; }; }

# start_load: asks for / again and again, 50 times a second, and notes each answer: "BODY STATUS CURL'S-STATUS".
start_load() {
  LOAD=$BATS_TEST_TMPDIR/load.$RANDOM
  spawn "$LOAD" "$LOAD.err" curl -sSN --max-time 20 --rate 50/s -H 'Connection: close' \
    -w ' %{http_code} %{exitcode}\n' "$URL/?[1-5000]"
  LOAD_PID=$SPAWNED_PID
  wait_until 10 has_line "$LOAD" 3
}

# stop_load VERSION…: ends that once each of these has answered; no other answer may be there, and no failure.
stop_load() {
  local version pattern
  for version; do wait_until 10 grep -q "^$version 200 0$" "$LOAD"; done
  kill -TERM "$LOAD_PID" && wait_until 10 has_ended "$LOAD_PID"
  pattern=$(IFS='|'; echo "$*")
  # It may have been ended amid the last line.
  ! head -n -1 "$LOAD" | grep -vE "^(${pattern//./\\.}) 200 0$" >&2
}

# start_sshd: this machine under the name `there`, for ssh as the tests have it on their PATH: the real one, with a configuration
# and keys of its own.
start_sshd() {
  local dir=$BATS_TEST_TMPDIR/ssh port
  mkdir -p "$dir" && chmod 700 "$dir"
  ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/user"
  port=$(free_port)
  printf '%s\n' "Port $port" 'ListenAddress 127.0.0.1' "HostKey $dir/host" "PidFile $dir/pid" 'StrictModes no' 'UsePAM no' \
    "AuthorizedKeysFile $dir/user.pub" 'PermitRootLogin prohibit-password' "SetEnv HOME=$HOME XDG_STATE_HOME=$XDG_STATE_HOME PATH=$PATH" >"$dir/sshd_config"
  printf '%s\n' 'Host there' 'HostName 127.0.0.1' "Port $port" "User $(id -un)" "IdentityFile $dir/user" 'IdentitiesOnly yes' \
    'StrictHostKeyChecking no' "UserKnownHostsFile $dir/known" 'LogLevel ERROR' 'ConnectTimeout 5' >"$dir/config"
  # What sshd wants where it was never started as a service.
  mkdir -p /run/sshd
  spawn "$dir/out" "$dir/err" "$(command -v sshd)" -D -e -f "$dir/sshd_config"
  printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" "$dir/config" >"$BATS_TEST_TMPDIR/bin/ssh"
  chmod +x "$BATS_TEST_TMPDIR/bin/ssh"
  wait_until 10 grep -q 'Server listening' "$dir/err"
}
free_port() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }
