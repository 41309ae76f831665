#!/usr/bin/env bats
# gupper yank and trust refresh: what is offered no longer, and what is signed anew.

load helpers
load repository
setup() { common_setup; }
teardown() { common_teardown; }

@test "yank: it is signed as yanked and no longer offered; --undo takes that back" {
  init
  app 1.0.0 | publish >/dev/null
  app 1.1.0 | publish >/dev/null
  run_gupper yank app@1.1 --to repo --keys keys --reason 'loses settings'
  [ "$(field .yanked.reason <<<"$output")" = 'loses settings' ]
  [ "$(field .publication.changed <<<"$output")" = true ]
  [ "$(offered)" = 1.0.0 ]
  grep -qF '"reason":"loses settings"' "repo/metadata/$(said targets).targets.json"
  [ "$(find repo/targets -type f | wc -l)" -eq 2 ]
  sums repo >before
  run_gupper yank app@1.1.0 --to repo --keys keys
  [ "$(field .publication.changed <<<"$output")" = false ]
  sums repo | diff before -
  run_gupper publish --to repo --keys keys pkgs/*-1.1.0-*
  assert_stderr_has "was yanked, and stays so"
  sums repo | diff before -
  run_gupper yank app@1.1.0 --to repo --keys keys --undo
  [ "$(field .yanked <<<"$output")" = undefined ]
  [ "$(offered)" = '1.0.0 1.1.0' ]
}

@test "yank: what is not there, 69; only one platform; what is no version, 64" {
  init
  make_program app 1.0.0
  for os in linux darwin; do gupper pack app --name app --version 1.0.0 --os $os --into pkgs; done | publish >/dev/null
  run_gupper 69 yank app@2.0.0 --to repo --keys keys
  [ "$(field .error.code <<<"$output")" = not-found ]
  run_gupper yank app@1.0.0 --os darwin --to repo --keys keys
  [ "${#lines[@]}" -eq 1 ]
  [ "$(field .os <<<"$output")" = darwin ]
  [ "$(offered)" = 1.0.0 ]
  run_gupper 64 yank app --to repo --keys keys
  run_gupper 64 yank app@1.0.0 --keys keys
  run_gupper 78 yank app@1.0.0 --to repo
}

@test "trust refresh: silent, a new timestamp each time, and nothing else; warnings of what expires" {
  init --expires root=3d
  sums repo >before
  run_gupper trust refresh repo --keys keys/online.pem
  [ -z "$output" ]
  assert_stderr_has "the role root expires on"
  [ "$(said timestamp)" = 2 ]
  sums repo | diff before - | grep -c '^[<>]' | grep -qx 2
  run_gupper 78 trust refresh repo --keys keys/targets.pem
  assert_stderr_has "the role snapshot"
  run_gupper 78 trust refresh nowhere --keys keys
  run_gupper 64 trust refresh repo --keys keys --expires timestamp=soon
}

@test "yank --undo: bytes that are gone are offered to nobody, block nothing, and are healed by publishing them again" {
  init
  app 1.0.0 | publish >/dev/null
  gupper yank app@1.0.0 --to repo --keys keys >/dev/null
  rm repo/targets/*app-1.0.0*
  sums repo >before
  run_gupper 69 yank app@1.0.0 --to repo --keys keys --undo
  assert_stderr_has ".app-1.0.0-"
  assert_stderr_has "gupper publish --to"
  sums repo | diff before -
  run_gupper trust refresh repo --keys keys
  run_gupper publish --to repo --keys keys pkgs/*-1.0.0-*
  run_gupper yank app@1.0.0 --to repo --keys keys --undo
  [ "$(offered)" = 1.0.0 ]
}
