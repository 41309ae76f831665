#!/usr/bin/env bats
# One package at several places: servers that fail, a directory, a tar.

load helpers

setup() {
  common_setup
  need curl
  CACHE=$XDG_CACHE_HOME/gupper
  mkdir served
  head -c 3000000 /dev/urandom >served/app-1.0.0-any-any
}
teardown() { common_teardown; }

# with_mirrors URL…: the record of the package, at the first of them, with the others as its mirrors.
with_mirrors() {
  # shellcheck disable=SC2016
  curl -fsS -H 'accept: application/x-ndjson' "$HONEST/list" | node -e '
    const record = JSON.parse(require("node:fs").readFileSync(0, "utf8"))
    const [url, ...mirrors] = process.argv.slice(1).map((base) => base.includes("#") ? base : `${base}/download/${record.file}`)
    console.log(JSON.stringify({ ...record, url, mirrors }))' "$@"
}

# repository DIR: the package in the folder of a signed repository.
repository() {
  local hash
  hash=$(sha256sum served/app-1.0.0-any-any | cut -d' ' -f1)
  TARGET=$hash.app-1.0.0-any-any
  mkdir -p "$1/metadata" "$1/targets"
  echo '{}' >"$1/metadata/timestamp.json"
  cp served/app-1.0.0-any-any "$1/"
  ln "$1/app-1.0.0-any-any" "$1/targets/$TARGET"
}

@test "mirrors: a server that lies, one that is away and an honest one: the package arrives, and the faults are told" {
  start_hostile wrong-digest; local liar=$URL
  start_hostile none; HONEST=$URL
  with_mirrors "$liar" http://127.0.0.1:1 "$HONEST" >records
  run_gupper fetch --into out <records
  cmp served/app-1.0.0-any-any out/app-1.0.0-any-any
  assert_stderr_has "$liar/download/app-1.0.0-any-any: "
  assert_stderr_has "trying http://127.0.0.1:1/"
  assert_stderr_has "connection refused"
  [ "$(field .proofs <<<"$output")" = '[{"by":"digest"}]' ]
}

@test "mirrors: a download that one of them broke off is gone on with at the next" {
  start_hostile truncates; local cut=$URL
  start_hostile none; HONEST=$URL
  with_mirrors "$cut" "$HONEST" >records
  run_gupper fetch --verbose --into out <records
  cmp served/app-1.0.0-any-any out/app-1.0.0-any-any
  assert_stderr_has "going on from byte"
}

@test "mirrors: all fail: the worst of it is the status, all of them are named, nothing bad stays" {
  start_hostile not-found; local away=$URL
  start_hostile wrong-digest; local liar=$URL
  start_hostile none; HONEST=$URL
  with_mirrors "$away" "$liar" >records
  run_gupper 65 fetch --into out <records
  [ "$(field .error.code <<<"$output")" = wrong-digest ]
  assert_stderr_has "$away"
  assert_stderr_has "$liar"
  [ ! -e out/app-1.0.0-any-any ]
  [ -z "$(find "$CACHE/sha256" -type f 2>/dev/null)" ]
  assert_no_trace
}

@test "mirrors: without a digest only the first is asked" {
  start_hostile not-found; local away=$URL
  start_hostile none; HONEST=$URL
  with_mirrors "$away" "$HONEST" | sed 's/"digest":"[^"]*",\?//' | sed 's/,}/}/' >records
  run_gupper 69 fetch <records
  [ "$(field .error.code <<<"$output")" = not-found ]
}

@test "a tar of a repository: its packages are listed, fetched and installed, with no server" {
  repository repo
  tar -cf repo.tar repo
  run_gupper list repo.tar
  [ "${#lines[@]}" = 1 ]
  [ "$(field .version <<<"$output")" = 1.0.0 ]
  [ "$(field .digest <<<"$output")" = "sha256:${TARGET%%.*}" ]
  [[ $(field .url <<<"$output") == "file://$PWD/repo.tar#"* ]]
  run_sh "gupper list repo.tar | gupper fetch --into out"
  cmp served/app-1.0.0-any-any out/app-1.0.0-any-any
}

@test "a packed tar of a repository works the same way" {
  repository repo
  tar -czf repo.tar.gz -C repo .
  run_sh "gupper list file://$PWD/repo.tar.gz | gupper fetch --into out"
  cmp served/app-1.0.0-any-any out/app-1.0.0-any-any
}

@test "a directory of a signed repository is listed as before: its folders are no packages" {
  repository repo
  mkdir repo/.gupper
  run_gupper list --all repo
  [ "${#lines[@]}" = 1 ]
  [ "$(field .url <<<"$output")" = "file://$PWD/repo/app-1.0.0-any-any" ]
}

@test "a tar that is cut off: 65, and it says so" {
  repository repo
  tar -cf repo.tar repo
  truncate -s 100000 repo.tar
  run_gupper 65 list repo.tar
  assert_stderr_has "is cut off"
  assert_no_trace
}

@test "a tar may be the mirror of a server that is away" {
  repository repo
  tar -cf repo.tar repo
  start_hostile none; HONEST=$URL
  with_mirrors http://127.0.0.1:1 "file://$PWD/repo.tar#targets/$TARGET" >records
  run_gupper fetch --into out <records
  cmp served/app-1.0.0-any-any out/app-1.0.0-any-any
}
