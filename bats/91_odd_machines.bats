#!/usr/bin/env bats
# Clocks, disks, permissions, names, streams and limits that are not as they should be: it works, or says what is wrong.

load helpers

MOUNTED=()
OPEN=
setup() { common_setup; }
teardown() {
  local failed=0 place
  common_teardown || failed=1
  cd "$BATS_TEST_TMPDIR" || failed=1
  for place in "${MOUNTED[@]}"; do umount "$place" || failed=1; done
  [ -z "$OPEN" ] || rm -rf "$OPEN"
  return "$failed"
}

# app VERSION [DIR]: makes a package of that version.
app() { make_package "${2:-pkgs}" "$1" >/dev/null; }

# fetched VERSION: its record as fetch writes it.
fetched() { gupper list pkgs --all --range "$1" | gupper fetch; }

# served: serves pkgs, and keeps the records of all that is there in ./served.
served() {
  start_server pkgs --settle 100ms
  gupper list "$SERVER_URL" --all >served
}

says() { [ "$("$1" --version)" = "app version $2" ] || { "$1" --version >&2; return 1; }; }

# small DIR SIZE: a small file system of its own.
small() {
  [ "$(id -u)" = 0 ] || skip 'only root can mount a file system'
  mkdir -p "$1"
  mount -t tmpfs -o "size=$2" tmpfs "$1" 2>/dev/null || skip 'a file system cannot be mounted here'
  MOUNTED+=("$PWD/$1")
}

# as_plain STATUS COMMAND…: without the right to override permissions, as users and many containers are.
as_plain() {
  local plain=()
  if [ "$(id -u)" = 0 ]; then
    need setpriv
    plain=(setpriv --bounding-set=-dac_override,-dac_read_search --inh-caps=-all)
  fi
  run -"$1" --separate-stderr with_deadline "${plain[@]}" "${@:2}"
}

# refused STATUS WORDS: that is how the last command ended; these words are in its message, with a hint and no trace.
refused() {
  [ "$status" -eq "$1" ] || return 1
  assert_stderr_has "$2"
  assert_stderr_has 'hint: '
  assert_no_trace
}

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

# Clocks

@test "clock set back: list, update, rollback and a new update work on what is dated in the future" {
  app 1.0.0
  touch -d '+3 days' pkgs/*
  run_gupper update pkgs --to opt/app
  touch -d '+3 days' opt/app opt/.gupper/app/receipt.json
  app 1.1.0
  clock back
  run_gupper update pkgs --to opt/app
  says opt/app 1.1.0
  run_gupper rollback opt/app
  says opt/app 1.0.0
  run_gupper update pkgs --to opt/app
  assert_silent
  clock now
  app 1.2.0
  run_gupper update pkgs --to opt/app
  says opt/app 1.2.0
  run_gupper rollback opt/app
  says opt/app 1.0.0
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

lists() { [ "$(gupper list "$1" | field .version)" = "$2" ]; }

@test "clock set back: watch --once writes each package once, before and after" {
  app 1.0.0
  run_gupper watch --once pkgs
  [ "${#lines[@]}" = 1 ]
  clock back
  run_gupper watch --once pkgs
  assert_silent
}

# Disks

@test "a target on another file system than the cache" {
  small opt 2m
  app 1.0.0
  app 1.1.0
  served
  run_gupper update "$SERVER_URL" --to opt/app --range 1.0.0
  run_gupper update "$SERVER_URL" --to opt/app
  says opt/app 1.1.0
  run_gupper rollback opt/app
  says opt/app 1.0.0
}

@test "a full cache: 73, what was there stays, and with room it goes on" {
  small cache 400k
  export XDG_CACHE_HOME=$PWD/cache
  app 1.0.0
  make_program src/app 1.1.0 "# $(head -c 600000 /dev/zero | tr '\0' x)"
  gupper pack src/app --name app --version 1.1.0 --into pkgs >/dev/null
  served
  run_gupper update "$SERVER_URL" --to opt/app --range 1.0.0
  run_gupper 73 update "$SERVER_URL" --to opt/app
  refused 73 'no space left'
  says opt/app 1.0.0
  [ "$(gupper cache ls | wc -l)" = 1 ]
  mount -o remount,size=4m cache
  run_gupper update "$SERVER_URL" --to opt/app
  says opt/app 1.1.0
}

@test "a cache that may not be written to: 73, and says where it is" {
  app 1.0.0
  served
  mkdir cache
  chmod 555 cache
  as_plain 73 env XDG_CACHE_HOME="$PWD/cache" gupper fetch <served
  refused 73 "$PWD/cache/gupper/locks"
  as_plain 73 env XDG_CACHE_HOME="$PWD/cache" gupper update "$SERVER_URL" --to app
  [ ! -e app ]
  # What is on this machine already needs no cache.
  as_plain 0 env XDG_CACHE_HOME="$PWD/cache" gupper update pkgs --to app
  says ./app 1.0.0
}

@test "a read-only target directory: 73 for install, rollback and update; the program stays" {
  app 1.0.0
  app 1.1.0
  app 1.2.0
  run_gupper update pkgs --to opt/app --range 1.0.0
  run_gupper update pkgs --to opt/app --range 1.1.0
  fetched 1.2.0 >line
  chmod -R a-w opt
  as_plain 73 gupper install --to opt/app <line
  refused 73 "$PWD/opt/app"
  as_plain 73 gupper rollback opt/app
  refused 73 "$PWD/opt/app"
  as_plain 73 gupper update pkgs --to opt/app
  # What can be told without writing still can.
  as_plain 0 gupper rollback opt/app --list
  [ "${#lines[@]}" = 2 ]
  as_plain 0 gupper list pkgs --newer-than opt/app
  [ "$(field .version <<<"$output")" = 1.2.0 ]
  chmod -R u+w opt
  says opt/app 1.1.0
}

@test "a package that may not be read: 69 where it is asked for; the others are listed" {
  app 1.0.0
  app 1.1.0
  fetched 1.1.0 >line
  chmod 000 pkgs/app-1.1.0-*
  as_plain 69 gupper fetch <line
  refused 69 'permission denied'
  as_plain 69 gupper install --to app <line
  [ ! -e app ]
  as_plain 0 gupper list pkgs --range 1.0.0
  [ "$(field .version <<<"$output")" = 1.0.0 ]
  chmod 644 pkgs/app-1.1.0-*
}

@test "a directory where a file should be: cache, lock, receipt, target; each named, nothing lost" {
  app 1.0.0
  served
  local cache=$PWD/cache/gupper hex
  hex=$(field .digest <served | cut -d: -f2)
  export XDG_CACHE_HOME=$PWD/cache
  for place in "sha256/${hex:0:2}/$hex" "partial/$hex" "partial/$hex.json"; do
    mkdir -p "$cache/$place"
    run_gupper 73 fetch <served
    refused 73 "$cache/$place"
    rm -r "$cache"
  done
  touch cache/gupper
  run_gupper 73 fetch <served
  refused 73 "$cache/locks"
  rm cache/gupper
  mkdir -p "into/$(field .file <served)"
  run_gupper 73 fetch --into into <served
  refused 73 "$PWD/into/app-1.0.0"
  fetched 1.0.0 >line
  mkdir -p one/.gupper/app/lock two/.gupper/app/receipt.json three four
  touch three/.gupper
  run_gupper 73 install --to one/app <line
  refused 73 one/.gupper/app/lock
  run_gupper 69 install --to two/app <line
  refused 69 two/.gupper/app/receipt.json
  run_gupper 69 rollback two/app
  run_gupper 69 update pkgs --to two/app
  run_gupper 73 install --to three/app <line
  refused 73 three/app
  run_gupper 73 install --to four <line
  refused 73 "$PWD/four"
  [ ! -e one/app ] && [ ! -e two/app ] && [ ! -e three/app ]
}

# Receipts

@test "a receipt that is garbage: 65 for all that would act on it, and nothing is lost" {
  app 1.0.0
  app 1.1.0
  run_gupper update pkgs --to opt/app --range 1.0.0
  fetched 1.1.0 >line
  run_gupper install --to opt/app <line
  cp opt/.gupper/app/receipt.json good
  local receipt=opt/.gupper/app/receipt.json
  for text in 'garbage' '' '[]' '{"schema":1,"slots":[{"slot":"../../x"}],"rejected":[]}'; do
    printf %s "$text" >"$receipt"
    run_gupper 65 install --to opt/app <line
    refused 65 "$PWD/$receipt"
    run_gupper 65 rollback opt/app
    refused 65 "$PWD/$receipt"
    run_gupper 65 update pkgs --to opt/app
    run_gupper 65 list pkgs --newer-than opt/app
    [ "$(<"$receipt")" = "$text" ]
    [ "$(ls opt/.gupper/app/slots | wc -l)" = 2 ]
    says opt/app 1.1.0
  done
  cp good "$receipt"
  run_gupper rollback opt/app
  says opt/app 1.0.0
}

@test "a receipt that was moved away: what stands there stays, and updates go on" {
  app 1.0.0
  app 1.1.0
  run_gupper update pkgs --to opt/app --range 1.0.0
  rm opt/.gupper/app/receipt.json
  run_gupper install --to opt/app < <(fetched 1.0.0)
  says opt/app 1.0.0
  rm opt/.gupper/app/receipt.json
  run_gupper update pkgs --to opt/app
  says opt/app 1.1.0
  run_gupper rollback opt/app
  says opt/app 1.0.0
}

@test "a receipt of a newer gupper: 78, and nothing is lost" {
  app 1.0.0
  app 1.1.0
  run_gupper update pkgs --to opt/app --range 1.0.0
  fetched 1.1.0 >line
  local receipt=opt/.gupper/app/receipt.json
  sed -i 's/"schema": 1,/"schema": 2,/' "$receipt"
  cp "$receipt" before
  run_gupper 78 install --to opt/app <line
  refused 78 'newer gupper'
  run_gupper 78 rollback opt/app
  refused 78 'newer gupper'
  run_gupper 78 update pkgs --to opt/app
  run_gupper 78 watch --once pkgs --newer-than opt/app
  cmp before "$receipt"
  says opt/app 1.0.0
}

# Homes and users

@test "neither HOME nor XDG directories: what needs none works, the rest is 78 and names the variable" {
  app 1.0.0
  unset HOME XDG_CACHE_HOME XDG_STATE_HOME
  run_gupper list pkgs
  run_gupper --version
  run_gupper 78 update pkgs --to app
  refused 78 XDG_CACHE_HOME
  run_gupper 78 fetch </dev/null
  run_gupper 78 watch --once pkgs
  refused 78 XDG_STATE_HOME
  run_gupper 78 cache ls
  HOME=relative run_gupper 78 cache ls
  XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache run_gupper update pkgs --to app
  says ./app 1.0.0
  export HOME=$BATS_TEST_TMPDIR/home
}

@test "another user without a home: works where the user may write, else 73" {
  [ "$(id -u)" = 0 ] || skip 'only root can become another user'
  need setpriv
  # The directory of the tests is closed to other users.
  OPEN=$(mktemp -d)
  chmod 755 "$OPEN"
  cd "$OPEN"
  app 1.0.0
  served
  mkdir own
  chown 65534:65534 own
  local node nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups env -u XDG_CACHE_HOME -u XDG_STATE_HOME -u NODE_COMPILE_CACHE HOME=/nonexistent)
  node=$(node -p process.execPath)
  "${nobody[@]}" test -r "$ROOT/bin/gupper.js" -a -x "$node" || skip 'another user cannot reach the program'
  nobody+=("$node" "$ROOT/bin/gupper.js")
  run -0 --separate-stderr "${nobody[@]}" update pkgs --to own/app
  says own/app 1.0.0
  run -73 --separate-stderr "${nobody[@]}" update "$SERVER_URL" --to own/other
  refused 73 /nonexistent
  run -73 --separate-stderr "${nobody[@]}" update pkgs --to app
  refused 73 'permission denied'
  run -0 --separate-stderr "${nobody[@]:0:4}" env -u NODE_COMPILE_CACHE XDG_CACHE_HOME="$OPEN/own/cache" "${nobody[@]: -2}" update "$SERVER_URL" --to own/other
  says own/other 1.0.0
}

@test "umask 077: a program and a tree can be run by everybody all the same" {
  app 1.0.0
  mkdir -p tree/bin
  make_program tree/bin/app 1.0.0
  gupper pack tree --name tree --version 1.0.0 --format tar.gz --into pkgs >/dev/null
  mkdir opt
  (umask 077 && gupper update pkgs --name app --to opt/app && gupper update pkgs --name tree --to opt/tree) >/dev/null
  local place
  for place in opt/app opt/.gupper opt/.gupper/tree opt/.gupper/tree/slots opt/tree/. opt/tree/bin opt/tree/bin/app; do
    [ "$(stat -c %a "$place")" = 755 ] || { stat -c '%a %n' "$place" >&2; return 1; }
  done
  (umask 077 && gupper rollback opt/app --list) >/dev/null
}

# Names

@test "names with spaces, quotes, newlines and other alphabets: working directory, packages, cache, target" {
  app 1.0.0
  app 1.1.0
  local name
  for name in 'a b' "it's \"quoted\"" $'two\nlines' 'größe-名前' '-dash' '%41 #?& * $(id)'; do
    mkdir "dir $name"
    cp -r pkgs "dir $name/$name"
    cd "./dir $name"
    start_server "./$name" --settle 100ms
    XDG_CACHE_HOME="$PWD/cache $name" run_gupper update "$SERVER_URL" --to "./to $name" --range 1.0.0
    says "./to $name" 1.0.0
    run_gupper update "./$name" --to "./to $name" --check '{} --version | grep -q 1.1.0'
    [ "$(field .installed.path <<<"$output")" = "$PWD/to $name" ]
    says "./to $name" 1.1.0
    run_gupper rollback "./to $name"
    says "./to $name" 1.0.0
    run_gupper pack "./to $name" --name app --version 3.0.0 --into "./out $name"
    [ -f "./out $name/$(field .file <<<"$output")" ]
    kill -TERM "$SERVER_PID"
    cd ..
  done
}

@test "a target that is reached through a symlink, or through one that leads nowhere yet" {
  app 1.0.0
  app 1.1.0
  mkdir real
  ln -s real/app link
  ln -s real way
  run_gupper update pkgs --to link --range 1.0.0
  [ "$(field .installed.path <<<"$output")" = "$PWD/real/app" ]
  run_gupper update pkgs --to way/app
  [ "$(readlink link)" = real/app ]
  says ./link 1.1.0
  run_gupper rollback link
  says real/app 1.0.0
  [ ! -e .gupper ]
}

# Limits, streams, environment

@test "32 open files are enough" {
  app 1.0.0
  app 1.1.0
  served
  for i in $(seq 20); do cat served; done >many
  # Enough for gupper itself; a few more for what bats keeps open.
  run_sh "ulimit -n 32 && gupper fetch --jobs 8 <many 3>&- | wc -l"
  [ "$((output))" = 40 ]
  run_sh "ulimit -n 32 && exec gupper update '$SERVER_URL' --to app 3>&-"
  says ./app 1.1.0
  run_sh 'ulimit -n 32 && exec gupper rollback app --list 3>&-'
}

@test "standard input closed, or nothing in it: nothing to do, 0" {
  app 1.0.0
  for line in 'select' 'fetch' 'verify' 'install --to app'; do
    run_sh "exec gupper $line <&-"
    assert_silent
    run_sh "exec gupper $line </dev/null"
    assert_silent
  done
  run_sh 'exec gupper update pkgs --to app <&-'
  says ./app 1.0.0
}

@test "standard input is a directory: 69, not silence" {
  for line in 'select' 'fetch' 'verify' 'install --to app' 'reexec -- true'; do
    run_sh 69 "exec gupper $line <."
    refused 69 'standard input: it is a directory'
  done
}

@test "standard output closed, standard error closed, all closed: the work is done" {
  app 1.0.0
  fetched 1.0.0 >line
  run_sh 'exec gupper install --to one <line >&-'
  run_sh 'exec gupper install --to two <line 2>&-'
  [ "$(field .installed.changed <<<"$output")" = true ]
  run_sh 'exec gupper update pkgs --to three <&- >&- 2>&-'
  says ./one 1.0.0 && says ./two 1.0.0 && says ./three 1.0.0
  run_sh 69 'exec gupper list nowhere 2>&-'
  [ "$(field .error.code <<<"$output")" = cannot-read ]
  run_sh 69 'exec gupper list nowhere >&- 2>&-'
}

@test "standard output on a full disk: 73, and says so" {
  [ -c /dev/full ] || skip 'needs /dev/full'
  app 1.0.0
  run_sh 73 'exec gupper list pkgs >/dev/full'
  assert_stderr_has 'standard output'
  assert_no_trace
}

@test "a huge environment reaches the check and the program" {
  app 1.0.0
  local i big
  big=$(head -c 100000 /dev/zero | tr '\0' x)
  for i in $(seq 12); do export "BIG_$i=$big"; done
  run_gupper update pkgs --to app --check '[ ${#BIG_12} -eq 100000 ]' -- sh -c 'echo ${#BIG_7}'
  assert_output_is 100000
}

@test "TERM=dumb and NO_COLOR: no colours, also on a terminal" {
  need script
  app 1.0.0
  script -qec true /dev/null >/dev/null 2>&1 </dev/null || skip 'this script(1) has other flags'
  run_sh "TERM=xterm script -qec 'gupper list pkgs' /dev/null </dev/null"
  assert_output_has 1.0.0
  for plain in TERM=dumb NO_COLOR=1; do
    run_sh "TERM=xterm $plain script -qec 'gupper list pkgs; gupper list nowhere' /dev/null </dev/null || true"
    assert_output_has 1.0.0
    assert_output_has nowhere
    [[ $output != *$'\e'* ]]
  done
}
