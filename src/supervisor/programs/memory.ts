import { measureGroup } from './process.ts'
import type { Program } from './program.ts'

const every = 1000 // ms: nobody tells of memory that is taken

/**
 * Watches what a program and its group have in RAM, and ends it when that is too much.
 * @param limit bytes
 * @param over is told how much it was; it has to end the program
 */
export function watchMemory(program: Program, limit: number, over: (bytes: number) => void): void {
  let asking = false
  const timer = setInterval(() => {
    if (asking) return
    asking = true
    void measureGroup(program.pid).then((bytes) => {
      asking = false
      if (bytes <= limit || program.end !== undefined || program.stopping) return
      clearInterval(timer)
      over(bytes)
    })
  }, every)
  timer.unref()
  void program.ended.then(() => clearInterval(timer))
}
