#!/usr/bin/env bats
# What gupper signs is read by the real minisign, and what minisign signs by gupper.

load helpers
load repository
setup() { common_setup; }
teardown() { common_teardown; }

file_of() { basename "$(ls pkgs/app-"$1"-*)"; }

@test "minisign reads what publish signed: beside the package, and beside the target" {
  make_minisign one two
  init
  make_package pkgs 1.0.0 | publish --minisign one.key >record
  local file place
  file=$(file_of 1.0.0)
  [ "$(field .publication.minisign <record)" = "$(minisign_id one.pub)" ]
  for place in "repo/$file" repo/targets/*."$file"; do
    minisign -V -H -p one.pub -m "$place" >said
    grep -q "^Trusted comment: timestamp:[0-9]*	file:$file	hashed$" said
    run ! minisign -V -q -p two.pub -m "$place"
  done
  run_gupper verify --minisign one.pub --require minisign "repo/$file"
  run_gupper 77 verify --minisign two.pub "repo/$file"
}

@test "publish reads secret keys of minisign, encrypted, with the passphrase that opens the others too" {
  need minisign
  printf 'pass word\npass word\n' | minisign -G -p one.pub -s one.key >/dev/null 2>&1 || skip 'this minisign asks on a terminal only'
  echo 'pass word' >phrase && chmod 600 phrase
  gupper trust init repo --keys keys --quiet --passphrase-file phrase >/dev/null
  make_package pkgs 1.0.0 >record
  run_sh 78 'gupper publish --to repo --keys keys --minisign one.key <record'
  assert_stderr_has "is encrypted, and no passphrase is given"
  GUPPER_PASSPHRASE=wrong run_sh 78 'gupper publish --to plain --minisign one.key <record'
  assert_stderr_has "wrong passphrase for the key $PWD/one.key"
  [ ! -e plain ]
  run_sh 'gupper publish --to repo --keys keys --minisign one.key --passphrase-file phrase <record'
  minisign -V -q -p one.pub -m "repo/$(file_of 1.0.0)"
}

@test "publish signs in a plain directory too, and neither list nor serve take signatures for packages" {
  make_minisign one
  make_package pkgs 1.0.0 >/dev/null
  run_gupper publish --to plain --minisign one.key pkgs/*
  local file
  file=$(file_of 1.0.0)
  minisign -V -q -p one.pub -m "plain/$file"
  run_gupper list --all plain
  [ "${#lines[@]}" -eq 1 ]
  tar -cf plain.tar -C plain .
  run_gupper list --all plain.tar
  [ "${#lines[@]}" -eq 1 ]
  start_server plain
  run_gupper list --all "$SERVER_URL"
  [ "${#lines[@]}" -eq 1 ]
  curl -fsS "$SERVER_URL/download/$file.minisig" | cmp - "plain/$file.minisig"
  run_sh "gupper list $SERVER_URL | gupper fetch | gupper verify --minisign one.pub --require minisign"
}

@test "publish that lacks a key, or is given another file for one, says so and publishes nothing" {
  make_minisign one
  make_package pkgs 1.0.0 >record
  run_sh 78 'gupper publish --to plain --minisign one.pub <record'
  assert_stderr_has "is a public key"
  run_sh 69 'gupper publish --to plain --minisign nowhere <record'
  run_sh 64 'gupper publish --to plain --minisign "" <record'
  chmod 644 one.key
  run_sh 'gupper publish --to plain --minisign one.key <record'
  assert_stderr_has "can be read by others"
  assert_no_trace
}

@test "two of tuf and minisign: an update goes through a server with both, and with neither alone" {
  make_minisign one two
  init
  make_package pkgs 1.0.0 | publish --minisign one.key >/dev/null
  start_server repo
  both() { run_gupper "$@" update "$SERVER_URL" --trust root.json --minisign one.pub --require 2of:tuf,minisign --to app; }
  both
  [ "$(./app --version)" = 'app version 1.0.0' ]
  [ "$(field .proofs <<<"$output" | grep -o '"by":"[a-z]*"' | sort | xargs)" = 'by:digest by:minisign by:tuf' ]
  # Without a repository that vouches for it.
  run_gupper 77 update repo --minisign one.pub --require 2of:tuf,minisign --to other
  assert_stderr_has "is not proven by tuf"
  [ ! -e other ]
  # Without the signature.
  make_package pkgs 1.1.0 | publish >/dev/null
  both 77
  assert_stderr_has "has no signature"
  # With a stranger's.
  gupper publish --to repo --keys keys --minisign two.key pkgs/app-1.1.0-* >/dev/null
  both 77
  assert_stderr_has "was signed with key"
  [ "$(./app --version)" = 'app version 1.0.0' ]
  # With one over other bytes.
  cp "repo/$(file_of 1.0.0).minisig" "$(echo repo/targets/*app-1.1.0*.minisig)"
  both 77
  [ "$(./app --version)" = 'app version 1.0.0' ]
  # Published again with the right key, which adds nothing else.
  cp -r repo/metadata before
  publish --minisign one.key pkgs/app-1.1.0-* >/dev/null
  diff -r before repo/metadata
  both
  [ "$(./app --version)" = 'app version 1.1.0' ]
}

@test "a signature of minisign itself, also a legacy one, counts beside tuf as one of ours does" {
  make_minisign one
  init
  make_package pkgs 1.0.0 | publish >/dev/null
  start_server repo
  local target file way
  target=$(echo repo/targets/*)
  for way in '' -l; do
    for file in "$target" pkgs/*; do
      minisign -S $way -s one.key -m "$file" -x "$target.minisig" >/dev/null
      rm -rf app .gupper
      run_gupper update "$SERVER_URL" --trust root.json --minisign one.pub --require 2of:tuf,minisign --to app
      [ "$(./app --version)" = 'app version 1.0.0' ]
      rm -rf app .gupper
      run_gupper update repo --trust root.json --minisign one.pub --require 2of:tuf,minisign --to app
      [ "$(./app --version)" = 'app version 1.0.0' ]
    done
  done
  # Signed as another package: its publisher vouched for these bytes, but not under this name.
  cp pkgs/* app-2.0.0-any-any
  minisign -S -s one.key -m app-2.0.0-any-any -x "$target.minisig" >/dev/null
  run_gupper 77 update repo --trust root.json --minisign one.pub --require 2of:tuf,minisign --to other
  assert_stderr_has "it is another package"
}

@test "yank takes the signature back with the package, and leaves the target's" {
  make_minisign one
  init
  make_package pkgs 1.0.0 | publish --minisign one.key >/dev/null
  find repo/targets | sort >before
  run_gupper yank app@1.0.0 --to repo --keys keys
  run ! compgen -G 'repo/app-*'
  find repo/targets | sort | diff before -
  run_gupper yank app@1.0.0 --to repo --keys keys --undo
  minisign -V -q -p one.pub -m "repo/$(file_of 1.0.0)"
}
