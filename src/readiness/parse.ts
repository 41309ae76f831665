import { GupperError } from '../errors.ts'
import type { Check } from './check.ts'
import { checkExec } from './exec.ts'
import { checkFd } from './fd.ts'
import { checkHttp } from './http.ts'
import { checkLog } from './log.ts'
import { checkNotify } from './notify.ts'
import { checkTcp } from './tcp.ts'

const kinds = 'http:/path[=text], tcp, fd[:N], notify, exec:CMD, log:REGEX'

/**
 * Reads how the readiness of a program is told: one of the kinds above. A path with a query is parted from its text by
 * two signs: "http:/health?full=1==ok".
 * @throws GupperError `usage` (64) with a hint
 */
export function parseCheck(text: string): Check {
  const colon = text.indexOf(':')
  const kind = colon < 0 ? text : text.slice(0, colon)
  const rest = colon < 0 ? undefined : text.slice(colon + 1)
  switch (kind) {
    case 'http':
      return parseHttp(text, rest ?? '')
    case 'tcp':
      return rest === undefined ? checkTcp(text) : refuse(text, 'it is written tcp, without more')
    case 'notify':
      return rest === undefined ? checkNotify(text) : refuse(text, 'it is written notify, without more')
    case 'fd':
      if (rest !== undefined && !/^[3-9]$/.test(rest))
        return refuse(text, 'a file descriptor from 3 to 9: fd:4')
      return checkFd(text, Number(rest ?? 4))
    case 'exec':
      return rest?.trim() ? checkExec(text, rest) : refuse(text, "a shell line is missing: exec:'./check.sh'")
    case 'log':
      return rest ? parseLog(text, rest) : refuse(text, "a pattern is missing: log:'listening on'")
    default:
      return refuse(text, `one of: ${kinds}`)
  }
}

function parseHttp(text: string, rest: string): Check {
  if (!rest.startsWith('/'))
    return refuse(
      text,
      'the path begins with a slash, and the address is the one of --listen: http:/version={version}',
    )
  const mark = rest.includes('?') ? '==' : '='
  const at = rest.indexOf(mark)
  const path = at < 0 ? rest : rest.slice(0, at)
  const wanted = at < 0 ? undefined : rest.slice(at + mark.length)
  if (!/^[\x21-\x7e]+$/.test(path)) return refuse(text, 'write blanks and other characters of a path as %XX')
  if (wanted === '')
    return refuse(text, 'after the = comes what the answer must hold: http:/version={version}')
  return checkHttp(text, path, wanted)
}

function parseLog(text: string, source: string): Check {
  const patternFor = (version: string): RegExp =>
    parsePattern(
      text,
      source.replaceAll('{version}', () => version),
    )
  // Told now, not at the first start.
  patternFor('0')
  return checkLog(text, patternFor)
}

function parsePattern(text: string, source: string): RegExp {
  try {
    return new RegExp(source, 'u')
  } catch {
    // Without "u" more is allowed, such as a dash that is escaped for nothing.
  }
  try {
    return new RegExp(source)
  } catch (error) {
    return refuse(text, error instanceof Error ? error.message : 'a JavaScript regular expression')
  }
}

function refuse(text: string, hint: string): never {
  throw new GupperError('usage', `${JSON.stringify(text)} is no check of readiness`, { hint })
}
