#!/usr/bin/env bats
# gupper publish: packages enter a repository whole or not at all, whatever happens meanwhile.

load helpers
load repository
setup() { common_setup; }
teardown() { common_teardown; }

@test "publish: a package goes from pack into the repository, and its record goes on" {
  init
  make_program app 1.0.0
  run_sh 'gupper pack app --name app --version 1.0.0 --into pkgs | gupper publish --to repo --keys keys --channel beta --notes "a word" --rollout 10%/h'
  [ "$(field .publication.changed <<<"$output")" = true ]
  [ "$(field .publication.role <<<"$output")" = targets ]
  [ "$(field .publication.version <<<"$output")" = 2 ]
  [ "$(field .channel <<<"$output")" = beta ]
  [ "$(field .notes <<<"$output")" = 'a word' ]
  [ "$(field .rollout.rate <<<"$output")" = 10%/h ]
  [ -z "$stderr" ]
  local file hash
  file=$(field .file <<<"$output")
  hash=$(sha256sum <app | cut -d' ' -f1)
  cmp app "repo/targets/$hash.$file"
  [ "repo/$file" -ef "repo/targets/$hash.$file" ]
  grep -qF '"notes":"a word"' repo/metadata/2.targets.json
}

@test "publish: files, more flags, and keys from the environment" {
  init
  app 1.0.0 >/dev/null
  printf 'line one\nline two\n' >notes
  GUPPER_KEYS=$PWD/keys run_gupper publish --to repo --notes @notes --critical --floor 0.9 pkgs/*
  [ "$(field .critical <<<"$output")" = true ]
  [ "$(field .floor <<<"$output")" = 0.9.0 ]
  [ "$(field .notes <<<"$output")" = $'line one\nline two' ]
}

@test "publish: the same again changes nothing; other bytes are refused, and nothing changes" {
  init
  app 1.0.0 | publish >/dev/null
  sums repo >before
  run_gupper publish --to repo --keys keys pkgs/*
  [ "$(field .publication.changed <<<"$output")" = false ]
  sums repo | diff before -
  make_program pkgs/app-1.0.0-* 1.0.0 'echo evil'
  app 1.1.0 >/dev/null
  run_gupper 65 publish --to repo --keys keys pkgs/*
  [ "$(field .error.code <<<"$output")" = conflict ]
  assert_stderr_has "is published with other bytes"
  assert_stderr_has "nothing was published"
  sums repo | diff before -
}

@test "publish: a failure in the input publishes nothing, travels on, and gives the exit status" {
  init
  app 1.0.0 >record
  sums repo >before
  run_sh 69 'cat record | { cat; gupper fetch </dev/null; gupper list nowhere; } 2>/dev/null | gupper publish --to repo --keys keys'
  [ "$(field .error.step <<<"$output")" = list ]
  [ "${#lines[@]}" -eq 1 ]
  assert_stderr_has "nothing was published"
  sums repo | diff before -
  run_sh 65 'sed "s/\"size\":[0-9]*/\"size\":1/" record | gupper publish --to repo --keys keys'
  run_sh 65 'sed "s/\"digest\":\"sha256:..../\"digest\":\"sha256:0000/" record | gupper publish --to repo --keys keys'
  [ "$(field .error.code <<<"$output")" = wrong-digest ]
  run_sh 65 'echo "{}" | gupper publish --to repo --keys keys'
  sums repo | diff before -
}

@test "publish: without keys into a plain directory, and never into a signed one" {
  app 1.0.0 >record
  run_gupper publish --to plain pkgs/*
  [ "$(field .publication.changed <<<"$output")" = true ]
  [ "$(ls -A plain)" = "$(ls pkgs)" ]
  run_gupper publish --to plain pkgs/*
  [ "$(field .publication.changed <<<"$output")" = false ]
  make_program pkgs/app-1.0.0-* 1.0.0 'echo evil'
  run_gupper 65 publish --to plain pkgs/*
  [ "$(ls -A plain)" = "$(ls pkgs)" ]
  init
  run_gupper 78 publish --to repo pkgs/*
  assert_stderr_has "cannot sign for the role targets: no keys are given; it takes "
  assert_stderr_has "--keys DIR"
  run_gupper 78 publish --to plain --keys keys pkgs/*
  assert_stderr_has "no signed repository"
  assert_stderr_has "gupper trust init"
}

@test "publish: keys that lack a role's are told by role and key id" {
  init
  app 1.0.0 >/dev/null
  mkdir some && mv keys/targets.pem some/
  run_gupper 78 publish --to repo --keys keys pkgs/*
  local id
  id=$(field .signed.roles.targets.keyids.0 < <(tr -d '\n' <repo/metadata/1.root.json))
  assert_stderr_has "the role targets: none of its keys is in $PWD/keys; it takes $id"
  run_gupper publish --to repo --keys keys --keys some pkgs/*
  run_gupper 78 publish --to repo --keys nowhere pkgs/*
  assert_stderr_has "there are no keys at"
}

@test "publish: without the online key it is prepared, and refresh brings it out" {
  init
  app 1.0.0 >/dev/null
  mkdir online && mv keys/online.pem online/
  run_gupper publish --to repo --keys keys pkgs/*
  [ "$(field .publication.pending <<<"$output")" = true ]
  [ "$(field .publication.missing <<<"$output")" = 0 ]
  assert_stderr_has "not published yet"
  [ "$(said targets)" = 1 ]
  run_gupper trust refresh repo --keys online
  assert_silent
  [ "$(said targets)" = 2 ]
  [ "$(offered)" = 1.0.0 ]
}

# Misbehaviour

@test "publish: twenty at once, and nobody's work is lost" {
  init
  local i pids=()
  for i in {1..20}; do app "1.$i.0" "echo $i" >/dev/null; done
  for i in {1..20}; do
    spawn "$i.out" "$i.err" gupper publish --to repo --keys keys pkgs/app-1.$i.0-*
    pids+=("$SPAWNED_PID")
  done
  for i in "${pids[@]}"; do wait "$i"; done
  [ "$(offered | wc -w)" -eq 20 ]
  [ "$(said targets)" = 21 ]
  [ "$(grep -o '"length"' repo/metadata/21.targets.json | wc -l)" -eq 20 ]
  [ -z "$(ls -A repo/.gupper/staging)" ]
}

@test "publish: metadata that was cut short or changed is found out, 77, and not signed" {
  init
  app 1.0.0 | publish >/dev/null
  app 1.1.0 >/dev/null
  local file
  for file in timestamp.json 2.snapshot.json 2.targets.json 1.root.json; do
    cp "repo/metadata/$file" kept
    truncate -s -30 "repo/metadata/$file"
    run_gupper 77 publish --to repo --keys keys pkgs/*
    assert_stderr_has "$file"
    assert_no_trace
    : >"repo/metadata/$file"
    run_gupper 77 trust refresh repo --keys keys
    cp kept "repo/metadata/$file"
  done
  sed -i 's/"length":/"length":1/' repo/metadata/2.targets.json
  run_gupper 77 publish --to repo --keys keys pkgs/*
  sed -i 's/"length":1/"length":/' repo/metadata/2.targets.json
  rm repo/metadata/timestamp.json
  run_gupper 77 publish --to repo --keys keys pkgs/*
  assert_stderr_has "timestamp.json is missing"
}

@test "publish: a full disk, 73; the repository is good, and goes on when there is room" {
  mount_small disk 3m
  gupper trust init disk/repo --keys keys --quiet >/dev/null
  head -c 1M /dev/urandom >app-1.0.0-any-any
  head -c 4M /dev/urandom >app-1.1.0-any-any
  gupper publish --to disk/repo --keys keys app-1.0.0-any-any >/dev/null
  run_gupper 73 publish --to disk/repo --keys keys app-1.1.0-any-any
  assert_stderr_has "no space left"
  run_gupper publish --to disk/repo --keys keys app-1.0.0-any-any
  [ "$(field .publication.changed <<<"$output")" = false ]
  # Room for the bytes, but not for what is said of them.
  head -c 100K /dev/urandom >app-1.2.0-any-any
  local free
  free=$(df --output=avail -k disk | tail -1)
  head -c $((free - 104))K /dev/zero >disk/ballast
  run_gupper 73 publish --to disk/repo --keys keys app-1.2.0-any-any
  run ! ls disk/repo/app-1.2.0-any-any
  rm disk/ballast
  run_gupper publish --to disk/repo --keys keys app-1.2.0-any-any
  [ "$(field .publication.changed <<<"$output")" = true ]
  [ "$(find disk/repo/targets -type f | wc -l)" -eq 2 ]
}

@test "publish: a repository that may not be written to, 73" {
  init
  app 1.0.0 >/dev/null
  mkdir ro
  mount_for_test ro --bind repo
  mount -o remount,bind,ro ro
  run_gupper 73 publish --to ro --keys keys pkgs/*
  run_gupper 73 trust refresh ro --keys keys
  assert_no_trace
  [ "$(said timestamp)" = 1 ]
}

@test "publish: killed while it copies, nothing is left after the next run" {
  init
  head -c 64M /dev/zero >app-1.0.0-any-any
  local size
  for size in 0 8000000 30000000; do
    spawn killed.out killed.err gupper publish --to repo --keys keys app-1.0.0-any-any
    wait_until 20 copied "$size"
    kill_hard "$SPAWNED_PID"
    [ "$(find repo/.gupper/staging -type f | wc -l)" -le 1 ]
    [ "$(said targets)" = 1 ]
  done
  run_gupper publish --to repo --keys keys app-1.0.0-any-any
  [ "$(find repo -type f ! -name lock ! -path '*/metadata/*' | wc -l)" -eq 2 ]
}

copied() { [ "$(cat repo/.gupper/staging/.gupper-pack* 2>/dev/null | wc -c)" -gt "$1" ]; }

@test "publish: told to stop, it leaves nothing, 143" {
  init
  head -c 64M /dev/zero >app-1.0.0-any-any
  spawn stopped.out stopped.err gupper publish --to repo --keys keys app-1.0.0-any-any
  wait_until 20 copied 0
  kill -TERM "$SPAWNED_PID"
  ends_with 143 "$SPAWNED_PID"
  [ -z "$(ls -A repo/.gupper/staging)" ]
}

@test "publish: a reader that has gone is no failure, and the package is published" {
  init
  app 1.0.0 >/dev/null
  run bash -o pipefail -c 'gupper publish --to repo --keys keys pkgs/* | true'
  [ "$status" -eq 0 ]
  [ "$(said targets)" = 2 ]
}

@test "publish: what is missing or wrong is told, 64 and 65" {
  init
  app 1.0.0 >/dev/null
  run_gupper 64 publish --keys keys pkgs/*
  assert_stderr_has "--to REPO"
  run_gupper 64 publish --to repo --keys keys --floor next pkgs/*
  run_gupper 64 publish --to repo --keys keys --floor 1.0.0 pkgs/*
  assert_stderr_has "is not below the version"
  run_gupper 64 publish --to repo --keys keys --rollout fast pkgs/*
  run_gupper 64 publish --to repo --keys keys --rollout 10%@99999999d pkgs/*
  run_gupper 64 publish --to repo --keys keys --expires root pkgs/*
  run_gupper 69 publish --to repo --keys keys --notes @nowhere pkgs/*
  run_gupper 65 publish --to repo --keys keys keys/root.pem
  assert_stderr_has "is not named like a package"
  run_gupper 69 publish --to repo --keys keys nothing-1.0.0-any-any
  [ "$(said timestamp)" = 1 ]
}
