#!/usr/bin/env bats
# gupper pack: reproducible packages that appear whole or not at all.

load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# make_tree DIR [MEGABYTES]: a program with its files; MEGABYTES of them do not compress.
make_tree() {
  make_program "$1/bin/app" 1.0.0
  mkdir -p "$1/share/empty"
  echo data >"$1/share/data"
  ln -s ../bin/app "$1/share/link"
  [ -z "${2:-}" ] || head -c "$2"M /dev/urandom >"$1/share/large"
}

pack() { gupper pack "$@" --name app --version 1.0.0; }
file_named() { compgen -G "$1" >/dev/null; }
larger_than() { [ "$(cat "$1"* 2>/dev/null | wc -c)" -gt "$2" ]; }

@test "pack: an executable becomes a raw package for this machine, and its record is written" {
  make_program app 1.9.0
  run_gupper pack app --name app --version 1.9 --into packages
  local file
  file=$(field .file <<<"$output")
  [ "$(field .version <<<"$output")" = 1.9.0 ]
  [ "$(field .path <<<"$output")" = "$PWD/packages/$file" ]
  [ "$(field .digest <<<"$output")" = "sha256:$(sha256sum <app | cut -d' ' -f1)" ]
  [ "$(field .size <<<"$output")" = "$(wc -c <app | tr -d ' ')" ]
  [ -z "$stderr" ]
  run -0 "packages/$file" --version
  assert_output_is "app version 1.9.0"
}

@test "pack: the record is an instruction: what it names is what list finds" {
  make_program app 1.0.0
  pack app --into packages >record
  gupper list --all packages >listed
  for key in name version os arch file url source size digest published; do
    [ "$(field .$key <record)" = "$(field .$key <listed)" ]
  done
}

@test "pack: every format unpacks with the tools of the system" {
  need tar; need unzip; need zstd
  make_tree tree
  for format in tar tar.gz tar.zst zip; do
    run_gupper pack tree --name app --version 1 --format "$format" --into packages
    mkdir "$format"
    if [ "$format" = zip ]; then unzip -q packages/*.zip -d zip; else tar -xf "$(field .path <<<"$output")" -C "$format"; fi
    diff -r --no-dereference tree "$format"
    [ "$("$format/bin/app" --version)" = "app version 1.0.0" ]
  done
}

@test "pack: the same content gives the same bytes: other place, times, modes, umask, time zone, locale, user's name" {
  make_tree tree
  cp -R tree copy
  find copy -exec touch -h -d 2001-01-01 {} +
  chmod 700 copy/bin/app copy/share
  chmod 600 copy/share/data
  for format in tar tar.gz tar.zst zip raw; do
    local what=.
    [ "$format" = raw ] && what=bin/app
    pack "tree/$what" --format "$format" --into one >one.json
    (umask 077; TZ=Pacific/Kiritimati LC_ALL=C USER=other pack "copy/$what" --format "$format" --into two >two.json)
    [ "$(field .digest <one.json)" = "$(field .digest <two.json)" ]
    cmp "$(field .path <one.json)" "$(field .path <two.json)"
    # What is published can be read by whoever serves it.
    [ "$(stat -c %a "$(field .path <two.json)")" = "$([ "$format" = raw ] && echo 755 || echo 644)" ]
  done
}

@test "pack: SOURCE_DATE_EPOCH is the time of everything, and must be a number" {
  need tar
  make_tree tree
  SOURCE_DATE_EPOCH=1700000000 run_gupper pack tree --name app --version 1.0.0
  mkdir out
  tar -xf ./*.tar.gz -C out
  [ "$(stat -c %Y out/bin/app)" = 1700000000 ]
  SOURCE_DATE_EPOCH=yesterday run_gupper 78 pack tree --name app --version 2.0.0
  assert_stderr_has 'SOURCE_DATE_EPOCH is "yesterday"'
}

@test "pack: the same again changes nothing; other bytes are refused, or replace it with --force" {
  make_program app 1.0.0
  pack app --into packages >first
  local before
  before=$(stat -c '%i %Z' packages/*)
  pack app --into packages >second
  cmp first second
  [ "$(stat -c '%i %Z' packages/*)" = "$before" ]
  make_program app 1.0.0 'echo more'
  run_gupper 64 pack app --name app --version 1.0.0 --into packages
  assert_stderr_has "with other bytes"
  assert_stderr_has "--force"
  run_gupper pack app --name app --version 1.0.0 --into packages --force
  cmp app packages/app-*
  [ "$(ls -A packages | wc -l)" -eq 1 ]
}

@test "pack: a failure travels down the pipe" {
  run_sh 69 'gupper pack nothing --name app --version 1 | gupper select'
  assert_stderr_has "cannot read"
  [ "$(field .error.step <<<"$output")" = pack ]
  assert_no_trace
}

@test "pack: what is missing or wrong is told, 64" {
  make_program app 1.0.0
  run_gupper 64 pack app --version 1
  assert_stderr_has "--name NAME is missing"
  run_gupper 64 pack app --name app
  assert_stderr_has "--version VERSION is missing"
  run_gupper 64 pack
  run_gupper 64 pack app --name app --version next
  assert_stderr_has '"next" is no version'
  run_gupper 64 pack app --name app --version 1 --format rar
  assert_stderr_has "choose one of raw, tar.gz"
  run_gupper 64 pack app --name a/b --version 1
  run_gupper 64 pack . --name app --version 1
  assert_stderr_has "--into DIR"
  [ "$(ls -A)" = app ]
}

# Misbehaviour

@test "pack: killed midway, nothing stands under its name; the next run succeeds and cleans up" {
  make_tree tree 48
  for size in 0 1000000 8000000 20000000; do
    spawn killed.out killed.err gupper pack tree --name app --version 1.0.0 --format tar --into packages
    wait_until 20 larger_than packages/.gupper-pack "$size"
    kill_hard "$SPAWNED_PID"
    run ! file_named 'packages/app-*'
    # The one before it was swept: leftovers do not grow.
    [ "$(ls -A packages | wc -l)" -eq 1 ]
  done
  run_gupper pack tree --name app --version 1.0.0 --format tar --into packages
  [ "$(ls -A packages)" = "$(field .file <<<"$output")" ]
  [ "$(field .digest <<<"$output")" = "sha256:$(sha256sum <"$(field .path <<<"$output")" | cut -d' ' -f1)" ]
}

@test "pack: told to stop, it leaves nothing and says by which signal" {
  make_tree tree 48
  spawn stopped.out stopped.err gupper pack tree --name app --version 1.0.0 --into packages
  wait_until 20 larger_than packages/.gupper-pack 100000
  kill -TERM "$SPAWNED_PID"
  ends_with 143 "$SPAWNED_PID"
  [ -z "$(ls -A packages)" ]
}

@test "pack: a reader that has gone is no failure, and the package is there" {
  make_program app 1.0.0
  run bash -o pipefail -c 'gupper pack app --name app --version 1.0.0 --into packages | true'
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  file_named 'packages/app-*'
}

@test "pack: a full disk, 73, nothing left, and what was there stays" {
  make_tree tree 8
  mount_small small 2m
  echo precious >small/precious
  run_gupper 73 pack tree --name app --version 1.0.0 --format zip --into small
  assert_stderr_has "no space left"
  [ "$(ls -A small)" = precious ]
}

@test "pack: a directory that cannot be written, 73" {
  make_program app 1.0.0
  echo file >out
  run_gupper 73 pack app --name app --version 1.0.0 --into out
  assert_no_trace
}

@test "pack: input that may not be read, 69, nothing left" {
  make_tree tree
  chmod 000 tree/share/data
  as_plain 69 gupper pack tree --name app --version 1.0.0 --into packages
  assert_stderr_has "share/data: permission denied"
  [ -z "$(ls -A packages)" ]
}

@test "pack: two at once make one package" {
  make_tree tree 8
  spawn one.json one.err gupper pack tree --name app --version 1.0.0 --into packages
  local one=$SPAWNED_PID
  spawn two.json two.err gupper pack tree --name app --version 1.0.0 --into packages
  wait "$one"
  wait "$SPAWNED_PID"
  [ "$(field .digest <one.json)" = "$(field .digest <two.json)" ]
  [ "$(ls -A packages)" = "$(field .file <one.json)" ]
}

@test "pack: names with spaces, quotes, newlines and non-ASCII, of what is packed and where" {
  local strange=$'it\'s a "näme"\nin two lines'
  make_tree "$strange"
  echo strange >"$strange/share/$strange"
  for format in tar.gz tar.zst zip; do
    run_gupper pack "$strange" --name 'My Äpp' --version 1.0.0 --os any --arch any --format "$format" --into "to $strange"
    [ -f "to $strange/My Äpp-1.0.0-any-any.$format" ]
    [ "$(field .path <<<"$output")" = "$PWD/to $strange/My Äpp-1.0.0-any-any.$format" ]
  done
  run_gupper list --all "to $strange"
  [ "${#lines[@]}" -eq 3 ]
}

@test "pack: what could not be unpacked is not packed, 65" {
  make_tree tree
  ln -s ../.. tree/out
  run_gupper 65 pack tree --name app --version 1.0.0 --into packages
  assert_stderr_has '"out" is a link that leaves the tree'
  rm tree/out
  mkfifo tree/pipe
  run_gupper 65 pack tree --name app --version 1.0.0 --into packages
  assert_stderr_has "tree/pipe"
  rm tree/pipe
  run_gupper 65 pack tree/share/empty --name app --version 1.0.0 --into packages
  assert_stderr_has "holds no file"
  [ -z "$(ls -A packages)" ]
}
