import { describe, expect, it } from 'vitest'
import { GupperError } from '../../src/errors.ts'
import { parseCheck } from '../../src/readiness/parse.ts'

describe('a check of readiness, as it is written', () => {
  it.each([
    ['http:/', true],
    ['http:/version=ok', true],
    ['http:/version={version}', false],
    ['http:/health?full=1', true],
    ['http:/health?full=1=={version}', false],
    ['tcp', true],
    ['fd', false],
    ['fd:9', false],
    ['notify', false],
    ['exec:test -e /tmp', true],
    ['log:^listening on \\d+$', false],
    ['log:a\\-b', false],
  ])('%s is one; ambiguous: %s', (text, ambiguous) => {
    expect(parseCheck(text)).toMatchObject({ text, ambiguous })
  })

  it.each([
    ...['', 'https:/', 'http', 'http:', 'http:version', 'http:/a b', 'http:/a=', 'tcp:80'],
    ...['fd:', 'fd:2', 'fd:10', 'fd:x', 'notify:x', 'exec:', 'exec: ', 'log:', 'log:(', 'sleep:5'],
  ])('%s is none, and a hint says why', (text) => {
    expect(() => parseCheck(text)).toThrow(GupperError)
    try {
      parseCheck(text)
    } catch (error) {
      expect(error).toMatchObject({ code: 'usage', exit: 64, hint: expect.stringMatching(/\w{3}/) as string })
    }
  })
})
