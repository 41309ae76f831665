import { describe, expect, it } from 'vitest'
import type { Facts } from '../../src/supervisor/journal.ts'
import { judge } from '../../src/supervisor/recovery.ts'
import type { Phase } from '../../src/web/service-view.ts'
import { saved } from './tools.ts'

const one = { version: '1.0.0', digest: 'sha256:1', slot: 'one', path: '/slots/one' }
const two = { version: '2.0.0', digest: 'sha256:2', slot: 'two', path: '/slots/two' }
const live = saved('live', one)
const candidate = saved('candidate', two)

type Who = 'live' | 'candidate' | 'nobody'
type Row = [
  sentence: string,
  phases: Phase[],
  alive: Who[],
  ways: string[],
  verdict: { live: Who; old: Who; end: 'finished' | 'undone' | undefined },
]

const all = ['proxy', 'socket', 'reuseport', 'handover', 'restart', 'signal:HUP', 'exec:true']
const done: Phase[] = ['idle', 'committed', 'aborted', 'reverted', 'stuck']
const before: Phase[] = ['staged', 'starting', 'probing', 'proving']
const others = all.filter((name) => name !== 'handover')

const rows: Row[] = [
  [
    'with nothing under way the live one goes on',
    done,
    ['live'],
    all,
    { live: 'live', old: 'nobody', end: undefined },
  ],
  [
    'and goes on alone, whoever else is there',
    done,
    ['live', 'candidate'],
    all,
    { live: 'live', old: 'nobody', end: undefined },
  ],
  [
    'with nothing under way nobody else takes the place of one that died',
    done,
    ['candidate'],
    all,
    { live: 'nobody', old: 'nobody', end: undefined },
  ],
  [
    'with nothing under way and nobody there, nobody is taken over',
    done,
    [],
    all,
    { live: 'nobody', old: 'nobody', end: undefined },
  ],

  [
    'before the switch the old one stays, and nothing was done',
    before,
    ['live'],
    all,
    { live: 'live', old: 'nobody', end: 'undone' },
  ],
  [
    'before the switch the old one stays, and what is not proven goes',
    before,
    ['live', 'candidate'],
    all,
    { live: 'live', old: 'nobody', end: 'undone' },
  ],
  [
    'what is not proven does not stay, even where it is all there is',
    before,
    ['candidate'],
    all,
    { live: 'nobody', old: 'nobody', end: 'undone' },
  ],
  [
    'before the switch, with nobody left, it is undone',
    before,
    [],
    all,
    { live: 'nobody', old: 'nobody', end: 'undone' },
  ],

  [
    'a switch that was begun is finished, and the old one drains',
    ['switching'],
    ['live', 'candidate'],
    others,
    { live: 'candidate', old: 'live', end: 'finished' },
  ],
  [
    'a switch that was begun is finished without the old one',
    ['switching'],
    ['candidate'],
    others,
    { live: 'candidate', old: 'nobody', end: 'finished' },
  ],
  [
    'a switch whose new one died is undone',
    ['switching'],
    ['live'],
    all,
    { live: 'live', old: 'nobody', end: 'undone' },
  ],
  [
    'a switch that left nobody is undone',
    ['switching'],
    [],
    all,
    { live: 'nobody', old: 'nobody', end: 'undone' },
  ],
  [
    'a hand-over of the old protocol waits for a word that nobody can give any more',
    ['switching'],
    ['live', 'candidate'],
    ['handover'],
    { live: 'live', old: 'nobody', end: 'undone' },
  ],
  [
    'and so it does where the old one had gone',
    ['switching'],
    ['candidate'],
    ['handover'],
    { live: 'nobody', old: 'nobody', end: 'undone' },
  ],

  [
    'after the switch the new one stays, and the old one drains',
    ['draining'],
    ['live', 'candidate'],
    all,
    { live: 'candidate', old: 'live', end: 'finished' },
  ],
  [
    'after the switch the new one stays',
    ['draining'],
    ['candidate'],
    all,
    { live: 'candidate', old: 'nobody', end: 'finished' },
  ],
  [
    'a new one that died while the old one drained is undone',
    ['draining'],
    ['live'],
    all,
    { live: 'live', old: 'nobody', end: 'undone' },
  ],
  [
    'after the switch, with nobody left, it is undone',
    ['draining'],
    [],
    all,
    { live: 'nobody', old: 'nobody', end: 'undone' },
  ],

  [
    'on the way back the old one stays, and what failed goes',
    ['reverting'],
    ['live', 'candidate'],
    all,
    { live: 'live', old: 'nobody', end: 'undone' },
  ],
  [
    'on the way back what failed does not stay, even where it is all there is',
    ['reverting'],
    ['candidate'],
    all,
    { live: 'nobody', old: 'nobody', end: 'undone' },
  ],
  [
    'on the way back the old one stays',
    ['reverting'],
    ['live'],
    all,
    { live: 'live', old: 'nobody', end: 'undone' },
  ],
  [
    'on the way back, with nobody left, it is undone',
    ['reverting'],
    [],
    all,
    { live: 'nobody', old: 'nobody', end: 'undone' },
  ],
]

const programs = { live, candidate, nobody: undefined }

describe('what becomes of the programs of a supervisor that was killed', () => {
  it.each(rows)('%s', (_, phases, alive, ways, verdict) => {
    for (const phase of phases)
      for (const name of ways) {
        const facts: Facts = { state: 'OK', phase, live, candidate, from: one, to: two }
        const said = judge(facts, ({ id }) => alive.includes(id as Who), { name })
        expect(said, `${phase} by ${name}`).toEqual({
          ...{ live: programs[verdict.live], old: programs[verdict.old], end: verdict.end },
        })
      }
  })

  it('has an answer for every phase, whoever is alive', () => {
    const covered = rows.flatMap(([, phases, alive, ways]) =>
      phases.flatMap((phase) => ways.map((name) => `${phase} ${alive.join('+')} ${name}`)),
    )
    expect(new Set(covered).size).toBe(covered.length)
    expect(covered.length).toBe(12 * 4 * all.length)
  })

  it('keeps the new program of the old version that was to take its place again', () => {
    const back = saved('candidate', one)
    const facts: Facts = { state: 'OK', phase: 'reverting', live, candidate: back, from: one, to: two }
    expect(judge(facts, () => true, { name: 'restart' })).toEqual({ live: back, old: live, end: 'undone' })
    expect(judge(facts, ({ id }) => id === 'candidate', { name: 'restart' })).toEqual({
      ...{ live: back, old: undefined, end: 'undone' },
    })
  })

  it('has one program only where the candidate is what was live', () => {
    const facts: Facts = { state: 'OK', phase: 'draining', live, candidate: live, from: one, to: two }
    expect(judge(facts, () => true, { name: 'signal:HUP' })).toEqual({
      ...{ live, old: undefined, end: 'finished' },
    })
  })
})
