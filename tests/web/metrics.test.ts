import { describe, expect, it } from 'vitest'
import { ask, open } from './tools.ts'

describe('GET /healthz', () => {
  it.each(['OK', 'FREEZE', 'ROLLBACK', 'DIFF'] as const)('is 200 in the state %s', async (state) => {
    const { url, service } = await open()
    service.become({ state })
    const { status, text, headers } = await ask(`${url}/healthz`)
    expect([status, text, headers['cache-control']]).toEqual([200, `${state}\n`, 'no-store'])
  })

  it('is 503 with the reason when the service is broken, stuck, or not there', async () => {
    const { url, service } = await open()
    const health = async () => {
      const { status, text } = await ask(`${url}/healthz`)
      return [status, text]
    }
    service.become({ state: 'BROKEN', reason: 'it ended \x1b[1m5 times\x1b[0m\nwithin 10 s' })
    expect(await health()).toEqual([503, 'BROKEN: it ended 5 times␊within 10 s\n'])
    service.become({ state: 'OK', phase: 'stuck', reason: 'neither runs' })
    expect(await health()).toEqual([503, 'stuck: neither runs\n'])
    const { pid: _, reason: __, ...others } = service.now
    service.now = { ...others, phase: 'idle' }
    expect(await health()).toEqual([503, 'nothing runs\n'])
    service.now = { ...service.now, way: 'signal' }
    expect(await health()).toEqual([200, 'OK\n'])
  })

  it('is 500 when nobody can say', async () => {
    const { url, service } = await open()
    service.status = () => Promise.reject(new Error('the database is gone'))
    expect((await ask(`${url}/healthz`)).status).toBe(500)
  })
})

describe('GET /metrics', () => {
  const scrape = async (url: string) => (await ask(`${url}/metrics`)).text.split('\n')

  it('says what runs, in which state and phase', async () => {
    const { url, service } = await open()
    const digest = service.now.digest ?? ''
    const { headers } = await ask(`${url}/metrics`)
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
    const lines = await scrape(url)
    expect(lines).toContain(
      `gupper_service_info{service="web",version="1.2.0",digest="${digest}",state="OK"} 1`,
    )
    expect(lines.filter((line) => line.startsWith('gupper_service_state{'))).toEqual([
      'gupper_service_state{service="web",state="OK"} 1',
      'gupper_service_state{service="web",state="FREEZE"} 0',
      'gupper_service_state{service="web",state="ROLLBACK"} 0',
      'gupper_service_state{service="web",state="BROKEN"} 0',
      'gupper_service_state{service="web",state="DIFF"} 0',
    ])
    expect(lines.filter((line) => /^gupper_service_phase\{.* 1$/.test(line))).toEqual([
      'gupper_service_phase{service="web",phase="idle"} 1',
    ])
    expect(lines.filter((line) => line.startsWith('gupper_service_phase{'))).toHaveLength(12)
  })

  it('keeps nothing of what was true before', async () => {
    const { url, service } = await open()
    await scrape(url)
    service.become({ version: '1.3.0"\n', state: 'FREEZE' })
    const info = (await scrape(url)).filter((line) => line.startsWith('gupper_service_info{'))
    expect(info).toHaveLength(1)
    expect(info[0]).toMatch(/version="1\.3\.0\\"\\n",.*state="FREEZE"\} 1$/)
  })

  it('counts switches by how they ended, how long they took, what was lost, and restarts', async () => {
    const { url, service } = await open()
    service.counted = {
      switches: { committed: 2, reverted: 1 },
      durations: [0.2, 0.3, 45],
      lost: 7,
      restarts: 3,
    }
    expect(await scrape(url)).toEqual(
      expect.arrayContaining([
        'gupper_switches_total{service="web",result="committed"} 2',
        'gupper_switches_total{service="web",result="reverted"} 1',
        'gupper_switches_total{service="web",result="aborted"} 0',
        'gupper_switches_total{service="web",result="stuck"} 0',
        'gupper_switch_duration_seconds_bucket{le="0.25",service="web"} 1',
        'gupper_switch_duration_seconds_bucket{le="60",service="web"} 3',
        'gupper_switch_duration_seconds_sum{service="web"} 45.5',
        'gupper_switch_duration_seconds_count{service="web"} 3',
        'gupper_lost_requests_total{service="web"} 7',
        'gupper_restarts_total{service="web"} 3',
      ]),
    )
  })
})
