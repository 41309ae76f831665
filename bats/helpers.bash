# Shared by all bats files: real processes, exact exit statuses, nothing left behind.
bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/.." && pwd)

# Every test has a home, a cache and a state of its own, and `gupper` on its PATH.
common_setup() {
  export HOME=$BATS_TEST_TMPDIR/home
  export XDG_CACHE_HOME=$HOME/.cache XDG_STATE_HOME=$HOME/.local/state
  unset GUPPER_TOKEN_FILE GUPPER_KEYS GUPPER_PASSPHRASE GUPPER_TRUST NO_COLOR http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
  mkdir -p "$HOME" "$BATS_TEST_TMPDIR/bin" "$BATS_TEST_TMPDIR/work"
  ln -s "$ROOT/bin/gupper.js" "$BATS_TEST_TMPDIR/bin/gupper"
  export PATH=$BATS_TEST_TMPDIR/bin:$ROOT/node_modules/.bin:$PATH
  # One compile cache for all tests; a fresh one each would make every process slow.
  export NODE_COMPILE_CACHE=$BATS_RUN_TMPDIR/compiled
  SPAWNED=() MOUNTED=()
  cd "$BATS_TEST_TMPDIR/work" || return
}

# Ends and unmounts what the test started and mounted, and fails the test when that cannot be done.
common_teardown() {
  local failed=0 place
  end_spawned || failed=1
  cd "$BATS_TEST_TMPDIR" || failed=1
  for place in "${MOUNTED[@]}"; do umount "$place" || failed=1; done
  return "$failed"
}

# Ends what the test started; fails when a process outlives that.
end_spawned() {
  local pid
  for pid in "${SPAWNED[@]}"; do
    kill -TERM "$pid" 2>/dev/null || true
  done
  for pid in "${SPAWNED[@]}"; do
    wait_until 10 has_ended "$pid" || { kill -KILL "$pid"; echo "process $pid had to be killed" >&2; return 1; }
  done
  local left
  left=$(processes_of_test)
  [ -z "$left" ] || { echo "left behind: $left" >&2; kill -KILL $left 2>/dev/null; return 1; }
}

has_ended() {
  ! kill -0 "$1" 2>/dev/null || [[ $(ps -o stat= -p "$1" 2>/dev/null) == Z* ]]
}

# kill_hard PID: kill -9, and waits until it is gone.
kill_hard() {
  kill -KILL "$1"
  wait_until 10 has_ended "$1"
}

# ends_with STATUS PID: waits for a process of this shell and expects the status.
ends_with() {
  local ended=0
  wait_until 40 has_ended "$2"
  wait "$2" || ended=$?
  [ "$ended" -eq "$1" ] || { echo "ended with $ended, wanted: $1" >&2; return 1; }
}

# The processes, other than this shell's own, whose environment says that they belong to this test.
processes_of_test() {
  [ -d /proc/self ] || return 0
  local entry pid
  for entry in /proc/[0-9]*; do
    pid=${entry#/proc/}
    [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] && [ "$pid" != "$PPID" ] || continue
    grep -qzxF "HOME=$HOME" "$entry/environ" 2>/dev/null || continue
    case $(tr '\0' ' ' <"$entry/cmdline" 2>/dev/null) in *bats* | '') continue ;; esac
    printf '%s ' "$pid"
  done
}

# What the verbs wrote in any test is held against the published schema, all together, when the tests are done.
keep_output() {
  [ -z "${GUPPER_TEST_OUTPUTS-}" ] || printf '%s\n' "$output" >>"$GUPPER_TEST_OUTPUTS/$(basename "$BATS_TEST_FILENAME")-$BATS_TEST_NUMBER"
}

# A command that hangs fails its test (124) rather than all tests.
with_deadline() {
  if command -v timeout >/dev/null; then timeout --foreground -k 5 90 "$@"; else "$@"; fi
}

# run_gupper [STATUS] ARGS…: runs gupper, expects the status (0 unless given); $output is stdout, $stderr stderr.
run_gupper() {
  local status_wanted=0
  [[ $1 =~ ^[0-9]+$ ]] && { status_wanted=$1; shift; }
  run -"$status_wanted" --separate-stderr with_deadline gupper "$@"
  keep_output
}

# run_sh [STATUS] SCRIPT: the same for a line of sh, as cron would run it (no pipefail).
run_sh() {
  local status_wanted=0
  [[ $1 =~ ^[0-9]+$ ]] && { status_wanted=$1; shift; }
  run -"$status_wanted" --separate-stderr with_deadline sh -c "$1"
  keep_output
}

# as_plain STATUS COMMAND…: without the right to override permissions, as users and many containers are.
as_plain() {
  local plain=()
  if [ "$(id -u)" -eq 0 ]; then
    need setpriv
    plain=(setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all)
  fi
  run -"$1" --separate-stderr with_deadline "${plain[@]}" "${@:2}"
  keep_output
}

# wait_until SECONDS COMMAND…: waits for a condition, with a deadline.
wait_until() {
  local deadline=$((SECONDS + $1)) pause
  shift
  exec {pause}<> <(:)
  until "$@"; do
    if ((SECONDS >= deadline)); then
      exec {pause}<&-
      echo "waited in vain for: $*" >&2
      return 1
    fi
    read -rt 0.05 -u "$pause" || true
  done
  exec {pause}<&-
}

# spawn OUT ERR COMMAND…: starts a process in the background; its id is in $SPAWNED_PID.
spawn() {
  local out=$1 err=$2
  shift 2
  "$@" >"$out" 2>"$err" </dev/null 3>&- &
  SPAWNED_PID=$!
  SPAWNED+=("$SPAWNED_PID")
}

has_line() { [ -s "$1" ] && [ "$(wc -l <"$1")" -ge "${2:-1}" ]; }

# start_server DIR [FLAGS…]: serves DIR on loopback; the address is in $SERVER_URL, the id in $SERVER_PID.
start_server() {
  local dir=$1 out=$BATS_TEST_TMPDIR/server.$RANDOM
  shift
  spawn "$out.out" "$out.err" gupper serve "$dir" --host 127.0.0.1 --port 0 "$@"
  SERVER_PID=$SPAWNED_PID
  SERVER_ERR=$out.err
  wait_until 10 has_line "$out.out" || { cat "$out.err" >&2; return 1; }
  SERVER_URL=$(field .listening <"$out.out")
}

# start_hostile SIN [FLAGS…]: a server that misbehaves with what is in ./served; its address is in $URL, its id in $SERVER_PID.
start_hostile() {
  local out=$BATS_TEST_TMPDIR/$1.$RANDOM
  mkdir -p served
  spawn "$out" "$out.err" node "$ROOT/tests/hostile-server.ts" --sin "$1" --dir served "${@:2}"
  SERVER_PID=$SPAWNED_PID
  wait_until 15 has_line "$out" || { cat "$out.err" >&2; return 1; }
  URL=$(field .url <"$out")
}

# mount_small DIR SIZE: a small file system of its own.
mount_small() {
  mkdir -p "$1"
  mount_for_test "$1" -t tmpfs -o "size=$2" tmpfs
}

# mount_for_test DIR ARGS…: mounts something there until the test is done; skips the test where that is not allowed.
mount_for_test() {
  mount "${@:2}" "$1" 2>/dev/null || skip 'needs the right to mount'
  MOUNTED+=("$PWD/$1")
}

# field .a.b: that field of the first JSON line on stdin, as text.
field() {
  node -e '
    const [line] = require("node:fs").readFileSync(0, "utf8").split("\n")
    let value = JSON.parse(line)
    for (const key of process.argv[1].split(".").filter(Boolean)) value = value?.[key]
    console.log(typeof value === "string" ? value : JSON.stringify(value))' "$1"
}

# make_program FILE VERSION [LINES…]: a real program that tells its version.
make_program() {
  local file=$1 version=$2
  shift 2
  mkdir -p "$(dirname "$file")"
  printf '#!/bin/sh\ncase $1 in --version) echo "app version %s"; exit 0 ;; esac\n' "$version" >"$file"
  printf '%s\n' "$@" >>"$file"
  chmod +x "$file"
}

# make_package DIR VERSION [LINES…]: packs such a program as app VERSION for this machine; prints its record.
make_package() {
  local dir=$1 version=$2
  shift 2
  make_program "$BATS_TEST_TMPDIR/src-$version/app" "$version" "$@"
  gupper pack "$BATS_TEST_TMPDIR/src-$version/app" --name app --version "$version" --into "$dir"
}

# describe_package NAME VERSION FILE: the record of a file, as fetch writes it.
describe_package() {
  printf '{"schema":1,"name":"%s","version":"%s","os":"any","arch":"any","file":"%s","size":%s,"digest":"sha256:%s","path":"%s","proofs":[{"by":"digest"}]}\n' \
    "$1" "$2" "${3##*/}" "$(stat -c %s "$3")" "$(sha256sum <"$3" | cut -d' ' -f1)" "$PWD/$3"
}

# versions: those of the records in $output, each with a space after it.
versions() { for line in "${lines[@]}"; do field .version <<<"$line"; done | tr '\n' ' '; }

# make_minisign NAME…: key pairs of the real minisign, not encrypted: NAME.pub and NAME.key.
make_minisign() {
  local name
  need minisign
  for name in "$@"; do minisign -G -W -p "$name.pub" -s "$name.key" >/dev/null; done
}

# sums DIR…: what is in these directories, by name and content; locks are always there and always empty.
sums() { find "$@" -type f ! -name lock -exec sha256sum {} + | sort; }

assert_version() { [ "$("$1" --version)" = "app version $2" ] || { "$1" --version >&2; return 1; }; }
assert_output_is() { [ "$output" = "$1" ] || { printf 'stdout: %s\nwanted: %s\n' "$output" "$1" >&2; return 1; }; }
assert_output_has() { [[ $output == *"$1"* ]] || { printf 'stdout: %s\nwanted in it: %s\n' "$output" "$1" >&2; return 1; }; }
assert_stderr_has() { [[ $stderr == *"$1"* ]] || { printf 'stderr: %s\nwanted in it: %s\n' "$stderr" "$1" >&2; return 1; }; }
assert_silent() { [ -z "$output" ] && [ -z "$stderr" ] || { printf 'stdout: %s\nstderr: %s\nwanted: silence\n' "$output" "$stderr" >&2; return 1; }; }
assert_no_trace() { [[ $stderr != *"    at "* ]] || { printf 'a stack trace: %s\n' "$stderr" >&2; return 1; }; }

# need TOOL: skips the test, with the reason, where the tool is missing.
need() { command -v "$1" >/dev/null 2>&1 || skip "needs $1"; }

# minisign_id FILE.pub: the key's number; minisign itself leaves zeros at its beginning out.
minisign_id() {
  local id
  id=$(head -1 "$1")
  id=0000000000000000${id##* }
  echo "${id: -16}"
}

# find_old_node: an older Node than gupper runs on, on the PATH; fails where there is none.
find_old_node() {
  local node
  for node in $(type -aP node); do
    "$node" -e 'const [a, b] = process.versions.node.split("."); process.exit(+a < 24 || (+a == 24 && +b < 15) ? 0 : 1)' || continue
    echo "$node" && return
  done
  return 1
}
