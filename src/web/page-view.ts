/** The second half of the page's script: what is shown, always as text and never as markup, and what is asked for. */
export const viewScript = String.raw`
const mostLines = 500
const mostHistory = 50
function make(tag, text, className) {
  const element = document.createElement(tag)
  if (text !== undefined) element.textContent = text
  if (className) element.className = className
  return element
}
const two = (number, digits = 2) => String(number).padStart(digits, '0')
function clock(date) { return two(date.getHours()) + ':' + two(date.getMinutes()) + ':' + two(date.getSeconds()) }
function day(date) { return date.getFullYear() + '-' + two(date.getMonth() + 1) + '-' + two(date.getDate()) }
function makeTime(text, form) {
  const date = new Date(text)
  const element = make('time', isNaN(date) ? text : form(date))
  element.title = text
  return element
}
const fullTime = (date) => day(date) + ' ' + clock(date)
const lineTime = (date) => clock(date) + '.' + two(date.getMilliseconds(), 3)
const short = (digest) => digest && digest.replace(/^sha256:/, '').slice(0, 12)
function took(ms) { return ms === undefined ? '' : ms < 1000 ? Math.round(ms) + ' ms' : (ms / 1000).toFixed(1) + ' s' }

let frozen = false
function forget() {
  for (const id of ['facts', 'rows', 'log', 'service', 'version', 'candidate', 'state', 'reason']) by(id).replaceChildren()
  by('newest').hidden = true
  document.title = 'gupper'
}
function show({ status, trail, history, lines, skipped }) {
  if (status) showStatus(status)
  if (trail) showPhases(trail)
  if (history) showHistory(history)
  if (lines) showLines(lines, skipped)
}
function showStatus(status) {
  const { service, state, version, candidate, reason } = status
  frozen = state === 'FREEZE' || state === 'ROLLBACK'
  document.title = service + ' ' + (version || '') + ' ' + state
  by('service').textContent = service
  by('version').textContent = version || 'nothing runs'
  by('candidate').textContent = candidate ? '→ ' + candidate.version : ''
  by('state').textContent = state
  by('state').dataset.state = by('reason').dataset.state = state
  by('reason').textContent = reason || ''
  by('reason').hidden = !reason
  by('freeze').textContent = frozen ? 'Unfreeze' : 'Freeze'
  const since = status.since && makeTime(status.since, fullTime)
  const facts = [
    ['Digest', short(status.digest), status.digest],
    ['Candidate', candidate && candidate.version + (candidate.pid ? ' (pid ' + candidate.pid + ')' : ''), candidate && candidate.digest],
    ['At the target', status.target],
    ['Pid', status.pid],
    ['Since', since],
    ['Restarts', status.restarts],
    ['Way', status.way],
    ['Listens on', status.listen],
    ['Installed at', status.to],
    ['Source', status.source && status.source.join(', ')],
  ]
  by('facts').replaceChildren(...facts.map(([name, value, title]) => {
    const cell = make('div')
    const data = make('dd')
    data.append(value === undefined || value === '' ? '–' : value)
    if (title) data.title = title
    cell.append(make('dt', name), data)
    return cell
  }))
}
function showPhases(trail) {
  const here = trail[trail.length - 1]
  const bad = [...document.querySelectorAll('.steps.bad li')].map((step) => step.dataset.phase)
  const turned = trail[trail.findIndex((phase) => bad.includes(phase)) - 1]
  for (const step of document.querySelectorAll('.steps li')) {
    const { phase } = step.dataset
    step.classList.toggle('passed', phase !== here && trail.includes(phase))
    step.classList.toggle('turned', phase === turned)
    step.classList.toggle('here', phase === here)
    if (phase === here) step.setAttribute('aria-current', 'step')
    else step.removeAttribute('aria-current')
  }
  if (by('phase').textContent !== here) by('phase').textContent = here
}
function showHistory(entries) {
  const number = (name, value) => {
    const cell = make('td', value === undefined || value === null ? '' : value, 'number')
    cell.dataset.name = name
    return cell
  }
  by('rows').prepend(...entries.map((entry) => {
    const row = make('tr')
    const first = make('td')
    first.append(makeTime(entry.time, fullTime))
    const way = entry.from && entry.to ? entry.from + ' → ' + entry.to : entry.to || entry.from || ''
    const lost = number('lost', entry.lost)
    if (entry.lost) lost.classList.add('lost')
    row.append(first, make('td', entry.event), make('td', way), make('td', took(entry.took_ms), 'number'),
      number('in flight', entry.in_flight), number('held', entry.held), number('retried', entry.retried),
      number('cut', entry.cut), lost,
      make('td', [entry.state, entry.reason].filter(Boolean).join(': ')))
    return row
  }))
  while (by('rows').children.length > mostHistory) by('rows').lastChild.remove()
}
function showLines(lines, skipped) {
  const log = by('log')
  const follow = isAtEnd()
  if (skipped) log.append(make('div', skipped + ' lines came too fast to be shown', 'gap'))
  log.append(...lines.map(({ time, stream, line }) => {
    const row = make('div', undefined, stream)
    row.append(makeTime(time, lineTime), make('b', stream), make('span', line))
    return row
  }))
  let gone = 0
  while (log.children.length > mostLines) {
    if (!follow) gone += log.firstChild.getBoundingClientRect().height
    log.firstChild.remove()
  }
  if (follow) log.scrollTop = log.scrollHeight
  else log.scrollTop -= gone // what is being read stays where it is
  by('newest').hidden = follow
}
function isAtEnd() {
  const log = by('log')
  return log.scrollTop + log.clientHeight >= log.scrollHeight - 4
}
by('log').addEventListener('scroll', () => { if (isAtEnd()) by('newest').hidden = true }, { passive: true })
by('newest').addEventListener('click', () => {
  by('log').scrollTop = by('log').scrollHeight
  by('log').focus()
})

function tell(text, tone) {
  by('result').textContent = text
  by('result').dataset.tone = tone || ''
}
async function act(button, action, body) {
  if (button.getAttribute('aria-disabled') === 'true') return
  const name = action[0].toUpperCase() + action.slice(1)
  button.setAttribute('aria-disabled', 'true')
  tell(name + ' …')
  try {
    const answer = await fetch('actions/' + action, {
      method: 'POST', headers: headers({ 'Content-Type': 'application/json' }), body: JSON.stringify(body || {}),
    })
    if (answer.status === 401) return askToken('The token is not the right one any more.')
    const { result, error } = await answer.json()
    if (answer.ok) tell(name + ': ' + result, 'good')
    else tell(name + ': ' + error.message + (error.hint ? ' (' + error.hint + ')' : ''), 'bad')
  } catch {
    tell(name + ': no answer; it may have been done all the same', 'bad')
  } finally {
    button.removeAttribute('aria-disabled')
  }
}
for (const action of ['check', 'upgrade']) by(action).addEventListener('click', ({ target }) => act(target, action))
by('freeze').addEventListener('click', ({ target }) => act(target, frozen ? 'unfreeze' : 'freeze'))
for (const action of ['rollback', 'restart']) {
  const dialog = by(action + '-dialog')
  by(action).addEventListener('click', () => dialog.showModal())
  dialog.querySelector('.cancel').addEventListener('click', () => dialog.close())
  dialog.querySelector('form').addEventListener('submit', (event) => {
    event.preventDefault()
    dialog.close()
    const field = dialog.querySelector('input')
    const version = field && field.value.trim()
    if (field) field.value = ''
    act(by(action), action, version ? { version } : {})
  })
}
takeToken()
listen()
`
