#!/usr/bin/env bats
# Homes, users, names, streams and limits that are not as they should be: it works, or says what is wrong.

load helpers
load odd

OPEN=
setup() { common_setup; }
teardown() {
  local failed=0
  common_teardown || failed=1
  [ -z "$OPEN" ] || rm -rf "$OPEN"
  return "$failed"
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
  assert_version ./app 1.0.0
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
  assert_version own/app 1.0.0
  run -73 --separate-stderr "${nobody[@]}" update "$SERVER_URL" --to own/other
  refused 73 /nonexistent
  run -73 --separate-stderr "${nobody[@]}" update pkgs --to app
  refused 73 'permission denied'
  run -0 --separate-stderr "${nobody[@]:0:4}" env -u NODE_COMPILE_CACHE XDG_CACHE_HOME="$OPEN/own/cache" "${nobody[@]: -2}" update "$SERVER_URL" --to own/other
  assert_version own/other 1.0.0
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
    assert_version "./to $name" 1.0.0
    run_gupper update "./$name" --to "./to $name" --check '{} --version | grep -q 1.1.0'
    [ "$(field .installed.path <<<"$output")" = "$PWD/to $name" ]
    assert_version "./to $name" 1.1.0
    run_gupper rollback "./to $name"
    assert_version "./to $name" 1.0.0
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
  assert_version ./link 1.1.0
  run_gupper rollback link
  assert_version real/app 1.0.0
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
  assert_version ./app 1.1.0
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
  assert_version ./app 1.0.0
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
  assert_version ./one 1.0.0 && assert_version ./two 1.0.0 && assert_version ./three 1.0.0
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
