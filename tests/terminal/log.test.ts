import { describe, expect, it } from 'vitest'
import { createLog, type LogOptions } from '../../src/terminal/log.ts'
import { createSink, screenLine } from './sink.ts'

function start(options: Partial<LogOptions> = {}) {
  const stream = createSink()
  const plain = {
    step: 'fetch',
    format: 'text',
    level: 'info',
    terminal: false,
    columns: 80,
    color: false,
  } as const
  return { sink: stream, ...createLog({ stream, ...plain, ...options }) }
}
const sayAll = ({ debug, info, warn, error }: ReturnType<typeof start>): void => {
  debug('one')
  info('two')
  warn('three')
  error('four')
}

describe('the log for people', () => {
  it('is one line a message, with the verb in front', () => {
    const log = start({ level: 'debug' })
    sayAll(log)
    expect(log.sink.text).toBe(
      'gupper fetch: one\ngupper fetch: two\ngupper fetch: warning: three\ngupper fetch: four\n',
    )
  })

  it.each([
    ['debug', 4],
    ['info', 3],
    ['warn', 2],
    ['error', 1],
  ] as const)('leaves out what is below its level: %s', (level, lines) => {
    const log = start({ level })
    sayAll(log)
    expect(log.sink.text.split('\n')).toHaveLength(lines + 1)
  })

  it('says what to do below an error', () => {
    const { error, sink } = start()
    error('no answer', { hint: 'check the network' })
    error('no answer', { hint: '' })
    expect(sink.text).toBe('gupper fetch: no answer\n  hint: check the network\ngupper fetch: no answer\n')
  })

  it('names the step that a failure came from, and gupper where there is none', () => {
    const { error, sink } = start()
    error('no answer', { step: 'list' })
    error('no answer', { step: '' })
    error('no answer', { step: 5 })
    expect(sink.text).toBe('gupper list: no answer\n' + 'gupper fetch: no answer\n'.repeat(2))
    const bare = start({ step: '' })
    bare.error('no')
    expect(bare.sink.text).toBe('gupper: no\n')
  })

  it('sets the further lines of a message in, so that none looks like a message of its own', () => {
    const { error, sink } = start()
    error('one\ngupper install: done\n\u001b[2J')
    expect(sink.text).toBe('gupper fetch: one\n  gupper install: done\n  \\u001b[2J\n')
  })

  it('spells out what message, hint and step could do to a terminal', () => {
    const { error, sink } = start()
    error('a\u202eb\u009b', { hint: 'c\u001b]0;title\u0007\nd', step: 'list\u001b[2J\r\n' })
    expect(sink.text).toBe(
      'gupper list\\u001b[2J\\r\\n: a\\u202eb\\u009b\n  hint: c\\u001b]0;title\\u0007\\nd\n',
    )
  })

  it('is coloured only when colours are wanted, and always ends them', () => {
    const log = start({ color: true, level: 'debug' })
    sayAll(log)
    log.error('five', { hint: 'six' })
    for (const line of log.sink.text.trimEnd().split('\n')) {
      const ends = line.split('\u001b[0m').length
      expect(line.split('\u001b[').length - ends, line).toBe(ends - 1)
    }
    expect(log.sink.text).toContain('\u001b[31mgupper fetch:\u001b[0m four')
  })
})

describe('the log for machines', () => {
  it('is one JSON object a line, with time, level, step, message and the fields', () => {
    const { warn, sink } = start({ format: 'json' })
    warn('one\ntwo', { path: '/tmp/x', bytes: 5 })
    expect(sink.text).toMatch(/^[^\n]+\n$/)
    const line = JSON.parse(sink.text) as Record<string, unknown>
    expect(line).toMatchObject({
      level: 'warn',
      step: 'fetch',
      message: 'one\ntwo',
      path: '/tmp/x',
      bytes: 5,
    })
    expect(Math.abs(Date.parse(String(line.time)) - Date.now())).toBeLessThan(60_000)
  })

  it('keeps to its level too, has no colours and no progress', () => {
    const log = start({ format: 'json', level: 'warn', color: true, terminal: true })
    sayAll(log)
    log.progress({ file: 'app', received: 1, total: 2, done: false })
    log.end()
    const levels = log.sink.text.trimEnd().split('\n')
    expect(levels.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(['warn', 'error'])
    expect(log.sink.text).not.toContain('\u001b')
  })

  it('does not let a field stand for the level, the time or the message', () => {
    const { warn, sink } = start({ format: 'json' })
    warn('real', { level: 'debug', time: 'never', message: 'false', step: 'list' })
    const line = JSON.parse(sink.text) as Record<string, unknown>
    expect(line).toMatchObject({ level: 'warn', message: 'real', step: 'list' })
    expect(line.time).not.toBe('never')
  })

  it('can write whatever a field holds', () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    const { error, sink } = start({ format: 'json' })
    error('one', { big: 5n, circle })
    expect(JSON.parse(sink.text)).toMatchObject({ message: 'one' })
  })
})

describe('progress and messages', () => {
  const now = { file: 'app', received: 1, total: 2, done: false }

  it('share a terminal: a message stands on a line of its own, and nothing is left at the end', () => {
    const log = start({ terminal: true })
    log.progress(now)
    expect(screenLine(log.sink.text)).toContain('50 %')
    log.info('one')
    expect(log.sink.text.endsWith('\r\u001b[Kgupper fetch: one\n')).toBe(true)
    log.progress(now)
    log.end()
    expect(screenLine(log.sink.text)).toBe('')
  })

  it('do not when a message is below the level: the line stays', () => {
    const log = start({ terminal: true })
    log.progress(now)
    log.debug('one')
    expect(screenLine(log.sink.text)).toContain('50 %')
  })

  it.each([
    ['where standard error is no terminal', {}],
    ['when it is to be quiet', { terminal: true, level: 'error' }],
  ] as const)('is not drawn %s', (_, options) => {
    const log = start(options)
    log.progress(now)
    log.end()
    expect(log.sink.text).toBe('')
  })
})
