/**
 * Gives the items as they come, and between them, while `wanted` says so and the input is silent, a sign of time: undefined.
 * @param items what comes in
 * @param every ms between two signs
 * @param wanted asked before each wait
 */
export async function* withTicks<T extends object>(
  items: AsyncIterable<T>,
  every: number,
  wanted: () => boolean,
): AsyncGenerator<T | undefined> {
  const iterator = items[Symbol.asyncIterator]()
  let reading: Promise<IteratorResult<T>> | undefined
  let ended = false
  try {
    for (;;) {
      reading ??= iterator.next()
      const next = wanted() ? await orTick(reading, every) : await reading
      if (next === undefined) {
        yield undefined
        continue
      }
      reading = undefined
      if (next.done === true) {
        ended = true
        return
      }
      yield next.value
    }
  } finally {
    // An input that is being waited for answers only after its next item.
    const closing = ended ? undefined : iterator.return?.()
    if (reading === undefined) await closing
    else closing?.catch(() => undefined)
  }
}

async function orTick<T>(reading: Promise<T>, every: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const tick = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, every, undefined)
  })
  try {
    return await Promise.race([reading, tick])
  } finally {
    clearTimeout(timer)
  }
}
