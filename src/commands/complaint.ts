import { UsageError } from './command.ts'
import { define, type Definition } from './definition.ts'
import type { Verb, VerbClass } from './index.ts'

/** A usage error in words. */
export interface Complaint {
  message: string
  hint: string
}

/** What to say where a verb does not exist; names one that is spelled nearly like it. */
export function noVerb(word: string, verbs: readonly Verb[]): Complaint {
  const near = findNear(
    word,
    verbs.map(({ name }) => name),
  )
  return {
    message: `there is no verb "${word}"`,
    hint: `${near === undefined ? '' : `did you mean: gupper ${near}? `}gupper --help lists the verbs`,
  }
}

/**
 * What clipanion complains of, in our words: it says that something is wrong with the arguments, and not always which.
 * @param own the words of the call, the verb first
 * @returns undefined where it is no complaint about arguments, but a bug
 */
export function explainArguments(
  thrown: unknown,
  verb: Verb,
  commands: readonly VerbClass[],
  own: readonly string[],
): Complaint | undefined {
  const known = thrown instanceof UsageError || (thrown instanceof Error && 'clipanion' in thrown)
  if (!known) return undefined
  const named = commands.find(({ paths }) => paths?.[0]?.every((part, i) => own[i] === part))
  if (!named) return whichBelow(verb, own[1])
  const definition = define(named)
  const command = `gupper ${definition.path.join(' ')}`
  const message = findFault(definition, own.slice(definition.path.length)) ?? firstLine(thrown.message)
  return { message, hint: `${command} --help` }
}

function whichBelow({ name, below = [] }: Verb, word: string | undefined): Complaint {
  const hint = `gupper ${name} --help`
  if (word === undefined || word.startsWith('-'))
    return { message: `${name} what? ${below.join(', ')}`, hint }
  const near = findNear(word, below)
  const all =
    near === undefined ? `choose ${below.join(', ')}` : `did you mean: gupper ${name} ${near}? ${hint}`
  return { message: `there is no verb "${name} ${word}"`, hint: all }
}

/** The first word that is wrong, or what is missing. */
function findFault({ flags, synopsis }: Definition, words: readonly string[]): string | undefined {
  const places = synopsis.replace(/ \[?-- .*$/, '').split(' [FLAGS…]')[1] ?? ''
  const wanted = places.match(/<[^>]+>/g) ?? []
  const most = places.includes('…]') ? Infinity : wanted.length
  const given: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? ''
    if (word === '--') {
      given.push(...words.slice(i + 1))
      break
    }
    if (!/^-./.test(word)) {
      given.push(word)
      continue
    }
    const [name = '', value] = word.split('=', 2)
    const flag = flags.find(({ names }) => names.includes(name))
    if (!flag) {
      const plain = /^--no-/.test(name)
        ? [`--${name.slice(5)}`]
        : /^-[a-z]{2,}$/.test(name)
          ? Array.from(name.slice(1), (letter) => `-${letter}`)
          : []
      const switches = flags.filter(({ value }) => value === undefined).flatMap(({ names }) => names)
      if (plain.length > 0 && plain.every((one) => switches.includes(one))) continue
      return `there is no flag ${name}`
    }
    if (flag.value === undefined || value !== undefined) continue
    i++
    if (words[i] === undefined) return `${name} needs its value: ${name} ${flag.value}`
  }
  if (given.length > most) return `"${given[most] ?? ''}" is not taken here`
  if (given.length < wanted.length) return `${wanted.slice(given.length).join(' ')} is missing`
  return undefined
}

function firstLine(message: string): string {
  const [line = ''] = message.replace(/\u001b\[[0-9;]*m/g, '').split(/\.?\n/)
  return line.charAt(0).toLowerCase() + line.slice(1)
}

/** The one of some words that a slip of the finger makes of this one: a letter more, less, other, or two the wrong way round. */
export function findNear(word: string, words: readonly string[]): string | undefined {
  return words.find((other) => isSlip(word, other))
}

function isSlip(a: string, b: string): boolean {
  if (a.length > b.length) return isSlip(b, a)
  let at = 0
  while (at < a.length && a[at] === b[at]) at++
  const rest = (text: string, from: number): string => text.slice(at + from)
  if (b.length > a.length) return rest(a, 0) === rest(b, 1)
  const turned = a[at] === b[at + 1] && a[at + 1] === b[at] && rest(a, 2) === rest(b, 2)
  return rest(a, 1) === rest(b, 1) || turned
}
