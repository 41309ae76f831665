import { Command } from 'clipanion'
import { writeText } from '../package/ndjson.ts'
import schema from '../package/record.schema.json' with { type: 'json' }
import { GupperCommand } from './command.ts'

class SchemaCommand extends GupperCommand {
  static override paths = [['schema']]
  static override usage = Command.Usage({
    category: 'About gupper',
    description: 'print the JSON Schema of the lines that the steps read and write',
    details:
      'JSON Schema 2020-12 of a line: a record, or a failure that travels in its place. One thing it cannot say: a ' +
      'name has at most 255 bytes, not letters.',
    examples: [
      ['Keep it for an editor or a validator', 'gupper schema >record.schema.json'],
      ['The fields of a record', 'gupper schema | jq \'."$defs".record.properties | keys\''],
    ],
  })

  async run(): Promise<undefined> {
    await writeText(this.context.stdout, `${JSON.stringify(schema, null, 2)}\n`)
  }
}

export const commands = [SchemaCommand]
