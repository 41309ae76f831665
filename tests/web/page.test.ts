import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, BrowserContext } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { executablePath, hasChromium, openTab, shows, startBrowser } from './browser.ts'
import { failing } from './service.ts'
import { open, post, token, until } from './tools.ts'

const hash = `/#token=${token}`
const title = hasChromium ? 'the page' : `the page (skipped: there is no ${executablePath})`

describe.skipIf(!hasChromium)(title, () => {
  let browser: Browser
  let profile: BrowserContext
  beforeAll(async () => void ({ browser, profile } = await startBrowser()))
  afterAll(() => browser.close())

  it('asks for the token and shows nothing without it, not even with a wrong one', async () => {
    const { url, service } = await open()
    service.say('a secret line')
    const page = await openTab(profile, { mayFail: true })
    await page.goto(url)
    await shows(page, '#door', 'A token is needed')
    expect(await page.locator('#page').isVisible()).toBe(false)
    await page.goto(`${url}/#token=wrong`)
    await shows(page, '#why', 'not the right one')
    await page.getByLabel('Token').fill('wrong too')
    await page.keyboard.press('Enter')
    await shows(page, '#why', 'That is no token')
    expect(await page.content()).not.toMatch(/secret line|1\.2\.0/)
    await page.getByLabel('Token').fill(token)
    await page.keyboard.press('Enter')
    await shows(page, '#log', 'a secret line')
    expect(await page.locator('#door').isVisible()).toBe(false)
  })

  it('takes the token from the fragment, out of the address, and keeps it for this tab', async () => {
    const { url, service } = await open()
    service.record({ event: 'switch', from: '1.1.0', to: '1.2.0', took_ms: 842, lost: 0, state: 'committed' })
    const page = await openTab(profile)
    const asked: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    await page.goto(url + hash)
    await shows(page, '#version', '1.2.0')
    await shows(page, '#state[data-state=OK]', 'OK')
    await shows(page, '#facts', '4711')
    await shows(page, '#rows tr', '1.1.0 → 1.2.0')
    expect(page.url()).toBe(`${url}/`)
    expect(await page.title()).toBe('web 1.2.0 OK')
    await page.reload()
    await shows(page, '#version', '1.2.0')
    expect(asked.filter((address) => new URL(address).origin !== url || address.includes(token))).toEqual([])
    expect(await page.context().cookies()).toEqual([])
    const other = await openTab(profile)
    await other.goto(url)
    await shows(other, '#door', 'A token is needed')
  })

  it('shows what happens while it happens', async () => {
    const { url, service } = await open()
    const page = await openTab(profile)
    await page.goto(url + hash)
    await shows(page, '.here', 'idle')
    for (const phase of ['staged', 'starting', 'probing', 'proving'] as const)
      service.become({ phase, candidate: { version: '1.3.0', pid: 4820 } })
    await shows(page, '.here[aria-current=step]', 'proving')
    expect(await page.locator('.passed').allTextContents()).toEqual(['idle', 'staged', 'starting', 'probing'])
    await shows(page, '#candidate', '1.3.0')
    service.become({ phase: 'reverting' })
    service.become({ phase: 'reverted', state: 'BROKEN', reason: 'it answered 500' })
    await shows(page, '.here', 'reverted')
    await shows(page, '.turned', 'proving')
    await shows(page, '#state[data-state=BROKEN]', 'BROKEN')
    await shows(page, '#reason', 'it answered 500')
    service.record({ event: 'switch', to: '1.3.0', state: 'reverted', lost: 1 })
    await shows(page, '.lost', '1')
    service.say('from the program', 'stderr')
    await shows(page, '#log .stderr', 'from the program')
  })

  it('shows what a program writes as text, whatever it is', async () => {
    const { url, service } = await open()
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>'
    service.say(evil)
    const page = await openTab(profile)
    await page.goto(url + hash)
    service.record({ event: evil, to: evil, reason: evil })
    service.become({
      service: 'last',
      reason: evil,
      version: evil,
      source: [evil],
      candidate: { version: evil },
    })
    service.say(`\x1b[31m${evil}\x1b[0m`)
    await until('both lines', async () => (await page.locator('#log span').count()) === 2)
    expect(await page.locator('#log span').allTextContents()).toEqual([evil, evil])
    await shows(page, '#reason', evil)
    expect(await page.locator('img, #page script').count()).toBe(0)
    expect(await page.title()).toBe(`last ${evil} OK`)
  })

  it('keeps 500 lines, and follows the newest only while one is at the end', async () => {
    const { url, service } = await open({ limits: { frame: 1 } })
    const page = await openTab(profile)
    await page.goto(url + hash)
    const say = async (from: number, to: number) => {
      for (let i = from; i <= to; i++) {
        service.say(`line ${i}.`)
        if (i % 100 === 0) await shows(page, '#log div:last-child', `line ${i}.`)
      }
    }
    const gap = 'log.scrollHeight - log.clientHeight - log.scrollTop'
    await say(1, 600)
    expect(await page.locator('#log div').count()).toBe(500)
    expect(await page.evaluate<number>(gap)).toBeLessThan(5)
    await page.evaluate('log.scrollTop = 1010')
    const first = `[...log.children].find((row) => row.offsetTop + row.offsetHeight > log.offsetTop + log.scrollTop).textContent`
    const read = await page.evaluate(first)
    service.say('line 601.')
    await shows(page, '#log div:last-child', 'line 601.')
    expect(await page.evaluate(first)).toBe(read)
    await page.getByRole('button', { name: 'newest' }).click()
    expect(await page.evaluate<number>(gap)).toBeLessThan(5)
    await page.locator('#newest').waitFor({ state: 'hidden' })
  })

  it('does what its buttons say, and shows what came of it', async () => {
    const { url, service } = await open()
    const page = await openTab(profile, { mayFail: true })
    await page.goto(url + hash)
    const press = (name: string) => page.getByRole('button', { name, exact: true }).click()
    service.answer = () => Promise.resolve('nothing new')
    await press('Check for updates')
    await shows(page, '#result[data-tone=good]', 'Check: nothing new')
    service.answer = failing('not-ready', '1.3.0 did not answer', { hint: 'look at its log' })
    await press('Upgrade')
    await shows(page, '#result[data-tone=bad]', 'Upgrade: 1.3.0 did not answer (look at its log)')
    service.answer = () => Promise.resolve('so be it')
    await press('Freeze')
    await shows(page, '#state[data-state=FREEZE]', 'FREEZE')
    await press('Unfreeze')
    await shows(page, '#state[data-state=OK]', 'OK')
    await press('Restart…')
    await page.getByRole('dialog').getByRole('button', { name: 'Restart' }).click()
    await shows(page, '#result', 'Restart: so be it')
    expect(service.asked).toEqual(['check', 'upgrade', 'freeze', 'unfreeze', 'restart'])
  })

  it('asks before it rolls back, and to which version; all of it by keyboard, on a phone', async () => {
    const { url, service } = await open()
    const page = await openTab(profile, { width: 360 })
    await page.goto(url + hash)
    const button = page.getByRole('button', { name: 'Roll back…' })
    await button.press('Enter')
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    await button.press('Enter')
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
    expect(service.asked).toEqual([])
    await button.press('Enter')
    await page.keyboard.press('Enter')
    await shows(page, '#result', 'Rollback: done')
    await button.press('Enter')
    await page.keyboard.type('1.1.0')
    await page.keyboard.press('Enter')
    await until('the second', () => service.asked.length === 2)
    expect(service.asked).toEqual(['rollback', 'rollback 1.1.0'])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
  })

  it('says when the connection is gone, and is live again when the supervisor is back', async () => {
    const { url, service, port, close } = await open()
    const page = await openTab(profile, { mayFail: true })
    await page.goto(url + hash)
    await shows(page, '#link', 'live')
    await close(0)
    await shows(page, '#link', 'not connected')
    service.say('meanwhile')
    service.become({ version: '1.3.0' })
    await open({ listen: { port } }, service)
    await shows(page, '#version', '1.3.0')
    await shows(page, '#link', 'live')
    service.become({ version: '1.4.0' })
    await shows(page, '#version', '1.4.0')
    expect(await page.locator('#log span').allTextContents()).toEqual(['meanwhile'])
  })

  it('shows nothing any more, and does nothing, when the token was taken back', async () => {
    const { url, service, port, close } = await open()
    const page = await openTab(profile, { mayFail: true })
    await page.goto(url + hash)
    await shows(page, '#version', '1.2.0')
    await close(0)
    await open({ listen: { port }, token: 'another' }, service)
    await shows(page, '#why', 'not the right one')
    expect(await page.content()).not.toContain('1.2.0')
  })

  it('lets a page from elsewhere do nothing, not even one that has the token', async () => {
    const { url, service } = await open()
    const rollback = `${url}/actions/rollback`
    const json = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    const script = `
      const send = (options) => fetch('${rollback}', { method: 'POST', credentials: 'include', ...options })
      Promise.allSettled([
        send({ mode: 'no-cors', body: '{}' }),
        send({ mode: 'no-cors', body: new URLSearchParams({ version: '1.1.0' }) }),
        send({ headers: ${JSON.stringify(json)}, body: '{}' }),
        fetch('${url}/status', { headers: ${JSON.stringify(json)} }),
      ]).then((ends) => { document.title = ends.map(({ status }) => status).join(' ') })`
    const body = `<form method="post" enctype="text/plain" action="${rollback}"><input name='{"version":"' value='1.1.0"}'>
      <button>Win a prize</button></form><iframe src="${url}/"></iframe><script>${script}</script>`
    const elsewhere = createServer((_, res) => res.setHeader('Content-Type', 'text/html').end(body))
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      elsewhere.closeAllConnections()
      elsewhere.close()
    })
    const page = await openTab(profile, { mayFail: true })
    await page.goto(url + hash)
    await shows(page, '#version', '1.2.0')
    await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`)
    await until('all to be tried', async () => (await page.title()).includes('ed '))
    // The first two are sent without a look at the answer, which then may not be read either.
    expect((await page.title()).split(' ').slice(2)).toEqual(['rejected', 'rejected'])
    await page.getByRole('button').click()
    await shows(page, 'body', 'asked for by a page from elsewhere')
    expect(service.asked).toEqual([])
    expect((await post(url, 'rollback')).status).toBe(200)
  })
})
