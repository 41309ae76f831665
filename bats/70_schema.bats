load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# valid: whether every line on stdin is what the printed schema says; names the first that is not.
valid() {
  [ -e schema.json ] || gupper schema >schema.json
  node --input-type=module -e '
    import { createRequire } from "node:module"
    import { readFileSync } from "node:fs"
    const { Ajv2020 } = createRequire(process.argv[1])("ajv/dist/2020.js")
    const valid = new Ajv2020({ strict: false }).compile(JSON.parse(readFileSync("schema.json", "utf8")))
    const lines = readFileSync(0, "utf8").split("\n").filter(Boolean)
    if (lines.length === 0) throw new Error("there are no lines")
    for (const line of lines)
      if (!valid(JSON.parse(line))) {
        console.error(line, valid.errors)
        process.exitCode = 1
      }' "$ROOT/package.json"
}

@test "schema prints a JSON Schema, the one that is published with the package" {
  run_gupper schema
  [ -z "$stderr" ]
  printf '%s\n' "$output" >printed.json
  node -e '
    const assert = require("node:assert")
    const [printed, published] = process.argv.slice(1).map((file) => JSON.parse(require("node:fs").readFileSync(file)))
    assert.deepEqual(printed, published)
    assert.equal(printed.$schema, "https://json-schema.org/draft/2020-12/schema")
  ' printed.json "$(cd "$ROOT" && node -p 'require.resolve("gupper/record.schema.json")')"
}

@test "what the steps write is what the schema says" {
  make_package repo 1.0.0 >packed
  valid <packed
  make_package repo 1.1.0 >packed
  start_server repo
  for source in repo "$SERVER_URL"; do
    gupper list --all "$source" >listed
    [ "$(wc -l <listed)" -eq 2 ]
    valid <listed
    gupper select <listed | tee selected | gupper fetch | tee fetched | gupper verify | tee verified |
      gupper install --to ./app >installed
    for step in selected fetched verified installed; do valid <"$step"; done
  done
  gupper watch --once "$SERVER_URL" >watched
  valid <watched
}

@test "failures are what the schema says, whichever step they come from" {
  # shellcheck disable=SC2086 -- several words on purpose
  for args in "list ./nowhere" "list" "select --range x" "fetch --jobs x" "verify --require x" "install" "watch" "lsit"; do
    echo nonsense | gupper $args >failed 2>err && false
    valid <failed
  done
  echo nonsense | gupper select 2>err | gupper fetch 2>err | gupper verify 2>err | gupper install --to ./app >failed 2>err && false
  valid <failed
}

@test "the check can fail: lines that are no records are told" {
  for line in '{}' '[]' '{"schema":2}' '{"error":{"exit":0}}'; do
    run -1 valid <<<"$line"
  done
}
