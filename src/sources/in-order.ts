/**
 * Works on several items at once and gives the results in the order of the items. No more than `jobs` are begun before
 * the first of them is taken, and a result is given as soon as it is its turn, also while the input is silent.
 * @param items what comes in
 * @param jobs how many at once, at least 1
 * @param work must not throw, except to end everything
 */
export async function* inOrder<In, Out>(
  items: AsyncIterable<In>,
  jobs: number,
  work: (item: In) => Promise<Out>,
): AsyncGenerator<Out> {
  const iterator = items[Symbol.asyncIterator]()
  const queue: Promise<Out>[] = []
  let reading: Promise<'read'> | undefined
  let ended = false as boolean
  const failures: Error[] = []
  const read = async (): Promise<'read'> => {
    try {
      const next = await iterator.next()
      if (next.done) ended = true
      else {
        const result = work(next.value)
        // It is waited for when its turn comes; until then a failure is not "unhandled".
        result.catch(() => undefined)
        queue.push(result)
      }
    } catch (error) {
      failures.push(error as Error)
      ended = true
    }
    reading = undefined
    return 'read'
  }
  try {
    while (!ended || queue.length > 0) {
      if (!ended && queue.length < jobs) reading ??= read()
      const [first] = queue
      const turn = first?.then(() => 'turn' as const)
      const event = await Promise.race([turn, reading].filter((one) => one !== undefined))
      if (event === 'turn' && first !== undefined) {
        void queue.shift()
        yield await first
      }
    }
    const [failure] = failures
    if (failure !== undefined) throw failure
  } finally {
    // Not waited for: an input that is silent answers only after its next item.
    if (!ended) void iterator.return?.().catch(() => undefined)
  }
}
