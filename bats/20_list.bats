load helpers
setup() { common_setup; }
teardown() { common_teardown; }

@test "list of a directory gives the newest of each name for this machine, with size and digest" {
  make_package pkgs 1.9.0 >/dev/null
  make_package pkgs 1.11.0 >/dev/null
  run_gupper list pkgs
  [ "${#lines[@]}" -eq 1 ]
  [ "$(field .version <<<"$output")" = 1.11.0 ]
  [ "$(field .digest <<<"$output")" = "sha256:$(sha256sum <pkgs/app-1.11.0-*-* | cut -d' ' -f1)" ]
  [ -z "$stderr" ]
}

@test "list --all gives everything, newest first" {
  make_package pkgs 1.9.0 >/dev/null
  make_package pkgs 1.11.0 >/dev/null
  make_package pkgs 1.12.0-beta.1 >/dev/null
  run_gupper list --all pkgs
  [ "$(versions)" = "1.12.0-beta.1 1.11.0 1.9.0 " ]
}

@test "pre-releases come only when their channel or a range asks for them" {
  make_package pkgs 1.9.0 >/dev/null
  make_package pkgs 1.12.0-beta.1 >/dev/null
  run_gupper list pkgs
  [ "$(versions)" = "1.9.0 " ]
  run_gupper list pkgs --channel beta
  [ "$(versions)" = "1.12.0-beta.1 " ]
  run_gupper list pkgs --range '>=1.12.0-beta <2'
  [ "$(versions)" = "1.12.0-beta.1 " ]
  run_gupper list pkgs --channel alpha
  [ "$(versions)" = "1.9.0 " ]
}

@test "partial versions in file names are read as the ancestor reads them" {
  mkdir pkgs
  make_program "pkgs/app-1.9-$(gupper_platform)" 1.9
  run_gupper list pkgs
  [ "$(versions)" = "1.9.0 " ]
}

gupper_platform() { make_package probe 0.0.1 | field .file | sed 's/^app-0.0.1-//'; }

@test "packages for other machines are left out unless they are asked for" {
  mkdir pkgs
  for platform in plan9-386 darwin-arm64 any-any; do make_program "pkgs/app-1.0.0-$platform" 1.0.0; done
  run_gupper list pkgs
  [ "$(field .os <<<"$output")" = any ]
  run_gupper list pkgs --os macos --arch aarch64
  [ "$(field .file <<<"$output")" = app-1.0.0-darwin-arm64 ]
  run_gupper list pkgs --all
  [ "${#lines[@]}" -eq 3 ]
}

@test "--newer-than takes a version, and is silent with 0 when nothing is newer" {
  make_package pkgs 1.9.0 >/dev/null
  run_gupper list pkgs --newer-than 1.8
  [ "$(versions)" = "1.9.0 " ]
  run_gupper list pkgs --newer-than 1.9
  assert_silent
}

@test "--newer-than takes a path: the version that stands there is asked for" {
  make_package pkgs 1.9.0 >/dev/null
  make_program ./app 1.9.0
  run_gupper list pkgs --newer-than ./app
  assert_silent
  make_program ./app 1.8.0
  run_gupper list pkgs --newer-than ./app
  [ "$(versions)" = "1.9.0 " ]
  run_gupper list pkgs --newer-than ./missing
  [ "$(versions)" = "1.9.0 " ]
  run_gupper 64 list pkgs --newer-than 1.2.x
  assert_stderr_has "neither a version nor a program"
  run_gupper 64 list pkgs --newer-than /dev/null
}

@test "--probe asks executables for their version, with --version or -version" {
  make_program builds/new 2.1.0
  printf '#!/bin/sh\n[ "$1" = -version ] && echo 2.0.0 && exit 0\nexit 2\n' >builds/old
  printf 'no program\n' >builds/readme
  chmod +x builds/old
  run_gupper list --probe builds --name app
  [ "${#lines[@]}" -eq 1 ]
  [ "$(field .version <<<"$output")" = 2.1.0 ]
  [ "$(field .name <<<"$output")" = app ]
  run_gupper list --probe builds --all
  [ "${#lines[@]}" -eq 2 ]
}

@test "--probe never starts a file that others may write" {
  printf '#!/bin/sh\ntouch %s/started\necho 1.0.0\n' "$PWD" >evil
  mkdir builds
  mv evil builds/ && chmod 777 builds/evil
  run_gupper list --probe builds
  assert_output_is ""
  [ ! -e started ]
}

@test "a package server is read with its filters" {
  make_package pkgs 1.9.0 >/dev/null
  make_package pkgs 1.11.0 >/dev/null
  start_server pkgs
  run_gupper list "$SERVER_URL"
  [ "$(versions)" = "1.11.0 " ]
  [ "$(field .source <<<"$output")" = "$SERVER_URL" ]
  run_gupper list "$SERVER_URL/" --range '<1.10'
  [ "$(versions)" = "1.9.0 " ]
}

@test "the ancestor's server, which knows names only, is read; the records lack size and digest" {
  make_package pkgs 1.9.0 >/dev/null
  make_package pkgs 1.11.0 >/dev/null
  spawn old.out old.err node "$ROOT/tests/ancestor-server.ts" pkgs
  wait_until 10 has_line old.out
  run_gupper list "$(field .listening <old.out)"
  [ "$(versions)" = "1.11.0 " ]
  [ "$(field .digest <<<"$output")" = undefined ]
  [ "$(field .size <<<"$output")" = undefined ]
}

@test "several sources are one list, and one that is away does not hide the others" {
  make_package a 1.9.0 >/dev/null
  make_package b 1.11.0 >/dev/null
  run_gupper list a b
  [ "$(versions)" = "1.11.0 " ]
  run_gupper 69 list a http://127.0.0.1:9
  assert_stderr_has "127.0.0.1:9"
  assert_output_has '"version":"1.9.0"'
  assert_output_has '"exit":69'
}

@test "misbehaviour: no source, no such directory, a file, an unknown scheme, bad filters" {
  run_gupper 64 list
  assert_stderr_has "no source is given"
  run_gupper 69 list ./nowhere
  assert_stderr_has "no such file or directory"
  touch file
  run_gupper 64 list ./file
  assert_stderr_has "is a file"
  run_gupper 64 list ftp://example.invalid/
  run_gupper 64 list . --os beos
  assert_stderr_has '"beos" is not an operating system'
  run_gupper 64 list . --range 'x y z'
  run_gupper 64 list . --json --text
  assert_no_trace
}

@test "misbehaviour: an unreadable package is named and the others are listed" {
  [ "$(id -u)" -ne 0 ] || run_as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
  make_package pkgs 1.9.0 >/dev/null
  make_package pkgs 1.11.0 >/dev/null
  chmod 000 pkgs/app-1.11.0-*
  if [ "$(id -u)" -eq 0 ]; then
    need setpriv
    chmod -R a+rX "$BATS_RUN_TMPDIR" && chmod 000 pkgs/app-1.11.0-*
    setpriv --reuid=65534 --clear-groups test -x "$ROOT/node_modules/.bin/node" || skip "the checkout is not readable for others"
  fi
  run -0 --separate-stderr env HOME=/nonexistent XDG_CACHE_HOME= NODE_COMPILE_CACHE= "${run_as[@]}" gupper list --all pkgs
  [ "$(versions)" = "1.9.0 " ]
  assert_stderr_has "permission denied"
}

@test "misbehaviour: names with spaces, quotes and other alphabets are packages like others" {
  make_program "src/it's ä \"名\"" 1.0.0
  gupper pack "src/it's ä \"名\"" --name "it's ä \"名\"" --version 1 --into pkgs >/dev/null
  run_gupper list pkgs
  [ "$(field .name <<<"$output")" = "it's ä \"名\"" ]
  start_server pkgs
  run_gupper list "$SERVER_URL"
  [ "$(field .name <<<"$output")" = "it's ä \"名\"" ]
}

@test "misbehaviour: a server whose list is not JSON is 76" {
  start_hostile not-json
  run_gupper 76 list "$URL"
  assert_stderr_has "does not answer with"
  assert_no_trace
}

@test "misbehaviour: names with slashes and .. from a server of names are left out with a warning" {
  start_hostile evil-names
  run_gupper list "$URL" --all
  assert_output_is ""
  assert_stderr_has "4 of 4 names are not those of packages"
}

@test "misbehaviour: records with slashes and .. from a server are 76, and none is passed on" {
  start_hostile evil-records
  run_gupper 76 list "$URL" --all
  [ "${#lines[@]}" -eq 1 ]
  assert_output_has '"exit":76'
}

@test "misbehaviour: a list of a million entries is read, and the newest is told" {
  start_hostile million-entries
  run_gupper list "$URL" --os linux --arch amd64
  [ "$(field .version <<<"$output")" = 1.0.999999 ]
}

@test "a package that is still being copied into a directory is not listed" {
  [ -d /proc/self/fd ] || skip "needs /proc"
  make_package pkgs 1.9.0 >/dev/null
  make_package other 1.11.0 >/dev/null
  name=$(ls other)
  exec {copy}>"pkgs/$name"
  head -c 20 "other/$name" >&"$copy"
  run_gupper list pkgs
  [ "$(versions)" = "1.9.0 " ]
  spawn out err gupper watch pkgs --every 10m {copy}>&-
  wait_until 15 has_line out 1
  tail -c +21 "other/$name" >&"$copy"
  exec {copy}>&-
  wait_until 15 has_line out 2
  [ "$(sed -n 2p out | field .digest)" = "sha256:$(sha256sum <"other/$name" | cut -d' ' -f1)" ]
}
