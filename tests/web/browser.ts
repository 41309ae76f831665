import { existsSync } from 'node:fs'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { chromium } from 'playwright-core'
import { expect, onTestFinished } from 'vitest'

/** Debian's; everything else of it that would call home is switched off. */
export const executablePath = '/usr/bin/chromium'
export const hasChromium = existsSync(executablePath)

const args = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
]

/** Starts a browser; a profile for all tabs is quicker than one for each. */
export async function startBrowser(): Promise<{ browser: Browser; profile: BrowserContext }> {
  const browser = await chromium.launch({ executablePath, args })
  return { browser, profile: await browser.newContext() }
}

/** A tab of its own, closed after the test, in which nothing may fail unless the test expects it. */
export async function openTab(
  profile: BrowserContext,
  options: { mayFail?: boolean; width?: number } = {},
): Promise<Page> {
  const page = await profile.newPage()
  if (options.width !== undefined) await page.setViewportSize({ width: options.width, height: 900 })
  page.setDefaultTimeout(15_000)
  const troubles: string[] = []
  page.on('pageerror', (error) => troubles.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' && options.mayFail !== true) troubles.push(message.text())
  })
  onTestFinished(async () => {
    await page.close()
    expect(troubles).toEqual([])
  })
  return page
}

/** Waits until an element holds this text. */
export async function shows(page: Page, selector: string, text: string | RegExp): Promise<void> {
  await page.locator(selector).filter({ hasText: text, visible: true }).first().waitFor()
}
