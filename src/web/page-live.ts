/**
 * The first half of the page's script: who looks (the token) and what comes in (the stream of events). In the browser's
 * own JavaScript. It calls show() of the second half, and `ask`.
 */
export const liveScript = String.raw`
const by = (id) => document.getElementById(id)

// The token comes behind the '#', which no browser sends anywhere, and stays with this tab.
const place = 'gupper-token ' + location.pathname
let token = ''
try { token = sessionStorage.getItem(place) || '' } catch {}
function takeToken() {
  const found = /^#token=(.+)$/.exec(location.hash)
  if (!found) return false
  history.replaceState(null, '', location.pathname + location.search)
  let given = found[1]
  try { given = decodeURIComponent(given) } catch {}
  return useToken(given)
}
function useToken(given) {
  if (!/^[\x21-\x7e]+$/.test(given)) return false
  token = given
  try { sessionStorage.setItem(place, token) } catch {}
  return true
}
function askToken(why) {
  token = ''
  try { sessionStorage.removeItem(place) } catch {}
  for (const open of document.querySelectorAll('dialog[open]')) open.close()
  forget()
  by('page').hidden = true
  by('door').hidden = false
  by('why').textContent = why
  by('token').focus()
}
by('door').addEventListener('submit', (event) => {
  event.preventDefault()
  const given = by('token').value.trim()
  by('token').value = ''
  if (useToken(given)) listen()
  else by('why').textContent = 'That is no token.'
})
addEventListener('hashchange', () => { if (takeToken()) listen() })

const headers = (others) => Object.assign({ Authorization: 'Bearer ' + token }, others)
const silence = 45000 // three signs of life were missed: the connection is dead, whatever it says
let seen = ''
let current

// EventSource cannot send the token, so its work is done here: read, and begin again where it ended.
async function listen() {
  if (current) current.abort()
  const mine = current = new AbortController()
  seen = ''
  for (let tries = 0; !mine.signal.aborted; tries++) {
    if (!token) return askToken('')
    const connection = new AbortController()
    const stop = () => connection.abort()
    mine.signal.addEventListener('abort', stop)
    let watch
    let why = 'the connection has ended'
    const alive = () => { clearTimeout(watch); watch = setTimeout(stop, silence) }
    try {
      alive()
      const more = seen ? { 'Last-Event-ID': seen } : {}
      const answer = await fetch('events', { headers: headers(more), cache: 'no-store', signal: connection.signal })
      if (answer.status === 401) return askToken('The token is not the right one.')
      if (!answer.ok) throw new Error(await whyNot(answer))
      setLink(true)
      for await (const block of blocks(answer.body, alive)) {
        if (mine.signal.aborted) return
        if (take(block)) tries = 0
      }
    } catch (error) {
      if (error instanceof Error && error.name !== 'TypeError' && error.name !== 'AbortError') why = error.message
    } finally {
      clearTimeout(watch)
      connection.abort()
      mine.signal.removeEventListener('abort', stop)
    }
    if (mine.signal.aborted) return
    setLink(false, why)
    await pause(Math.min(10000, 250 * 2 ** tries) * (0.5 + Math.random() / 2))
  }
}
async function whyNot(answer) {
  try { return (await answer.json()).error.message } catch { return 'HTTP ' + answer.status }
}
function pause(ms) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms)
    function done() { clearTimeout(timer); removeEventListener('online', done); resolve() }
    addEventListener('online', done)
  })
}
async function* blocks(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    alive()
    const parts = (rest + value).split('\n\n')
    rest = parts.pop()
    yield* parts
  }
}
function take(block) {
  const fields = {}
  for (const line of block.split('\n')) {
    const at = line.indexOf(': ')
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2)
  }
  if (!fields.data) return false
  by('door').hidden = true
  by('page').hidden = false
  if (fields.event === 'reset') forget()
  show(JSON.parse(fields.data))
  seen = fields.id
  return true
}
function setLink(on, why) {
  by('link').dataset.on = by('main').dataset.on = on ? 'yes' : 'no'
  by('link').textContent = on ? 'live' : 'not connected (' + why + '), trying again'
  if (on) return
  if (by('door').hidden) by('page').hidden = false
  else by('why').textContent = by('link').textContent
}
`
