/** What can be on a roster: it keeps its own place there, for nobody else to change. */
export interface Listed {
  /** -1 while it is on none. */
  place: number
}

/**
 * A set without an order, each of whose members is on no other one. Where members come and go with every request, the tables
 * that a Set makes anew all the time live long enough to have V8 collect its whole heap again and again.
 */
export class Roster<T extends Listed> {
  readonly #members: T[] = []

  get size(): number {
    return this.#members.length
  }

  /** Takes something on that is on no roster, or on this one. */
  add(member: T): void {
    if (this.#members[member.place] !== member) member.place = this.#members.push(member) - 1
  }

  /** Strikes something off; false when it was not on it. */
  delete(member: T): boolean {
    if (this.#members[member.place] !== member) return false
    const last = this.#members.pop()
    if (last !== undefined && last !== member) {
      this.#members[member.place] = last
      last.place = member.place
    }
    member.place = -1
    return true
  }

  /** Those that are on it now. */
  all(): T[] {
    return [...this.#members]
  }
}
