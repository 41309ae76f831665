#!/usr/bin/env bats
# Disks, permissions and receipts that are not as they should be: it works, or says what is wrong.

load helpers
load odd
setup() { common_setup; }
teardown() { common_teardown; }

# Disks

@test "a target on another file system than the cache" {
  mount_small opt 2m
  app 1.0.0
  app 1.1.0
  served
  run_gupper update "$SERVER_URL" --to opt/app --range 1.0.0
  run_gupper update "$SERVER_URL" --to opt/app
  assert_version opt/app 1.1.0
  run_gupper rollback opt/app
  assert_version opt/app 1.0.0
}

@test "a full cache: 73, what was there stays, and with room it goes on" {
  mount_small cache 400k
  export XDG_CACHE_HOME=$PWD/cache
  app 1.0.0
  make_program src/app 1.1.0 "# $(head -c 600000 /dev/zero | tr '\0' x)"
  gupper pack src/app --name app --version 1.1.0 --into pkgs >/dev/null
  served
  run_gupper update "$SERVER_URL" --to opt/app --range 1.0.0
  run_gupper 73 update "$SERVER_URL" --to opt/app
  refused 73 'no space left'
  assert_version opt/app 1.0.0
  [ "$(gupper cache ls | wc -l)" = 1 ]
  mount -o remount,size=4m cache
  run_gupper update "$SERVER_URL" --to opt/app
  assert_version opt/app 1.1.0
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
  assert_version ./app 1.0.0
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
  assert_version opt/app 1.1.0
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
    assert_version opt/app 1.1.0
  done
  cp good "$receipt"
  run_gupper rollback opt/app
  assert_version opt/app 1.0.0
}

@test "a receipt that was moved away: what stands there stays, and updates go on" {
  app 1.0.0
  app 1.1.0
  run_gupper update pkgs --to opt/app --range 1.0.0
  rm opt/.gupper/app/receipt.json
  run_gupper install --to opt/app < <(fetched 1.0.0)
  assert_version opt/app 1.0.0
  rm opt/.gupper/app/receipt.json
  run_gupper update pkgs --to opt/app
  assert_version opt/app 1.1.0
  run_gupper rollback opt/app
  assert_version opt/app 1.0.0
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
  assert_version opt/app 1.0.0
}
