// Loaded into the client before anything else (node --import): it then takes another time to be now.
const shift = Number(process.env.CLOCK_SHIFT_MS)
const Real = Date

globalThis.Date = class extends Real {
  constructor(...parts: ConstructorParameters<typeof Real> | []) {
    if (parts.length === 0) super(Real.now() + shift)
    else super(...parts)
  }

  static override now(): number {
    return Real.now() + shift
  }
} as DateConstructor
