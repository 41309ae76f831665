import { createHash } from 'node:crypto'
import { liveScript } from './page-live.ts'
import { pageStyle } from './page-style.ts'
import { viewScript } from './page-view.ts'
import { badPhases, goodPhases } from './phases.ts'

const script = `'use strict'${liveScript}${viewScript}`

/** This one style and script, our own server, nothing from elsewhere, in no one's frame; no text ever becomes markup. */
export const pagePolicy = [
  `default-src 'none'`,
  `style-src ${hashOf(pageStyle)}`,
  `script-src ${hashOf(script)}`,
  `connect-src 'self'`,
  `base-uri 'none'`,
  `form-action 'none'`,
  `frame-ancestors 'none'`,
  `require-trusted-types-for 'script'`,
  `trusted-types 'none'`,
].join('; ')

function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}

const columns = ['In flight', 'Held', 'Retried', 'Cut', 'Lost']

/** The page without any data: that comes over the stream of events, to those who have the token. */
export const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>gupper</title>
<style>${pageStyle}</style>
</head>
<body>
<noscript>This page needs its script. For programs there are status, events and metrics.</noscript>
<form id="door" hidden>
<h1>A token is needed</h1>
<p class="soft">This page shows what a program logs, and can replace it. The supervisor has written the token into a
file that only its user can read.</p>
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" spellcheck="false" required>
<button class="main">Look</button>
<p id="why" role="alert"></p>
</form>
<div id="page" hidden>
<header>
<h1 id="service"></h1><span id="version" class="version"></span><span id="candidate"></span>
<span id="state" class="badge" role="status"></span>
<span id="link" role="status"></span>
</header>
<main id="main">
<p id="reason" class="tone" hidden></p>
<section aria-labelledby="steps-title">
<h2 id="steps-title">Hand-over: <span id="phase" role="status"></span></h2>
<ol class="steps">${renderSteps(goodPhases)}</ol>
<ol class="steps bad" aria-label="Where it goes otherwise">${renderSteps(badPhases)}</ol>
</section>
<section aria-labelledby="actions-title">
<h2 id="actions-title">Actions</h2>
<div class="buttons">
<button id="check">Check for updates</button>
<button id="upgrade" class="main">Upgrade</button>
<button id="rollback" class="risky">Roll back…</button>
<button id="freeze">Freeze</button>
<button id="restart">Restart…</button>
<p id="result" class="tone" role="status" aria-live="polite"></p>
</div>
</section>
<section aria-labelledby="facts-title">
<h2 id="facts-title">What runs</h2>
<dl id="facts"></dl>
</section>
<section id="log-section" aria-labelledby="log-title">
<div class="log-head"><h2 id="log-title">Log</h2><button id="newest" hidden>Go to the newest ↓</button></div>
<div id="log" role="log" aria-live="off" aria-labelledby="log-title" tabindex="0"></div>
</section>
<section aria-labelledby="history-title">
<h2 id="history-title">History</h2>
<div class="scroll" role="region" aria-labelledby="history-title" tabindex="0"><table>
<thead><tr><th>Time</th><th>Event</th><th>Version</th><th class="number">Took</th>${columns
  .map((name) => `<th class="number">${name}</th>`)
  .join('')}<th>Outcome</th></tr></thead>
<tbody id="rows"></tbody>
</table></div>
</section>
</main>
</div>
<dialog id="rollback-dialog" aria-labelledby="rollback-title"><form method="dialog">
<h2 id="rollback-title">Roll back?</h2>
<p>The version from before goes live again, and the service stays there until it is unfrozen.</p>
<label for="to">To version</label>
<input id="to" autocomplete="off" spellcheck="false" placeholder="the previous one">
<div class="buttons"><button type="button" class="cancel">Cancel</button><button class="risky">Roll back</button></div>
</form></dialog>
<dialog id="restart-dialog" aria-labelledby="restart-title"><form method="dialog">
<h2 id="restart-title">Restart?</h2>
<p>The same version is started anew.</p>
<div class="buttons"><button type="button" class="cancel">Cancel</button><button class="main">Restart</button></div>
</form></dialog>
<script>${script}</script>
</body>
</html>
`

function renderSteps(phases: readonly string[]): string {
  return phases.map((phase) => `<li data-phase="${phase}">${phase}</li>`).join('')
}
