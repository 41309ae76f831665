import { createRequire } from 'node:module'
import { defineConfig } from 'vitest/config'

const { resolve } = createRequire(import.meta.url)

export default defineConfig({
  // Node takes the first of clipanion's two builds; the second, which vite prefers, does not load in Node at all.
  resolve: { alias: [{ find: /^clipanion$/, replacement: resolve('clipanion') }] },
  test: {
    include: ['tests/**/*.test.ts'],
    // Processes, not threads: tests change what belongs to a whole process, such as its directory and its signals.
    pool: 'forks',
    maxWorkers: 2,
    globals: false,
    retry: 0,
    allowOnly: false,
    passWithNoTests: false,
    dangerouslyIgnoreUnhandledErrors: false,
    expect: { requireAssertions: true },
    testTimeout: 30_000,
    hookTimeout: 30_000,
    teardownTimeout: 10_000,
  },
})
