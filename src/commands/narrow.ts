import { Command } from 'clipanion'
import type { VerbClass } from './index.ts'

interface Builder {
  addOption(option: { names: readonly string[] }): void
}
interface Flag {
  definition(builder: Builder, key: string): void
}

/**
 * A verb that knows only those of its flags that a call names. clipanion builds a machine of all the flags it is told
 * of, which takes longer than all the rest of a step that has nothing to do; flags that are not named have their defaults
 * either way.
 * @param words the words of the call
 */
export function narrow(verb: VerbClass, words: readonly string[]): VerbClass {
  const named = namesIn(words)
  // A proxy, and no class of its own: clipanion asks for paths and fields, and makes it twice.
  return new Proxy(verb, {
    construct(target, given, self) {
      const made = Reflect.construct(target, given, self) as Record<string, unknown>
      for (const [key, value] of Object.entries(made)) if (isFlag(value)) made[key] = only(value, named)
      return made
    },
  })
}

function isFlag(value: unknown): value is Flag {
  return typeof value === 'object' && value !== null && Command.isOption in value
}

function only(flag: Flag, named: ReadonlySet<string>): Flag {
  return {
    ...flag,
    definition(builder, key) {
      const addOption = (option: { names: readonly string[] }): void => {
        if (option.names.some((name) => named.has(name))) builder.addOption(option)
      }
      flag.definition(Object.assign(Object.create(builder) as Builder, { addOption }), key)
    },
  }
}

/** Every name of a flag that the words may hold: --flag, --flag=value, --no-flag, and the letters of -abc. */
function namesIn(words: readonly string[]): Set<string> {
  const names = new Set<string>()
  for (const word of words) {
    const [name = ''] = word.split('=', 1)
    names.add(name)
    if (name.startsWith('--no-')) names.add(`--${name.slice(5)}`)
    if (/^-[^-]/.test(word)) for (const letter of word.slice(1)) names.add(`-${letter}`)
  }
  return names
}
